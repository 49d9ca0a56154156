"""Describe where each channel's output goes, from the settings of the sending process."""

from urllib.parse import urlsplit

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZALO_DOMAINS
from consumers.app.node import Node
from consumers.channel_health import destinations
from consumers.channel_health.destinations import Destination
from contracts.delivery import ChannelName


def destination(node: Node, channel: ChannelName) -> Destination:
    """The channel's destination; valid once the stand-ins have started."""
    match channel:
        case ChannelName.EMAIL:
            to, stand_in = email_destination(node)
        case ChannelName.ZALO:
            to, stand_in = zalo_destination(node)
        case ChannelName.PORTAL:
            to, stand_in = portal_destination(node), False
    return Destination(to=to, stand_in=stand_in, at=node.clock())


async def publish_destination(node: Node, channel: ChannelName) -> None:
    """Have `loa status` know it. Raises BusError."""
    await destinations.write_destination(node.bus, channel, destination(node, channel))


def portal_destination(node: Node) -> str:
    to = f"{node.public_url}, files in {node.settings.portal_dir}"
    if node.settings.public_url:
        return to
    return f"{to}; LOA_PUBLIC_URL is empty: feeds and pages name {node.public_url}"


def email_destination(node: Node) -> tuple[str, bool]:
    if ChannelName.EMAIL in node.stand_ins:
        return f"the catch-all mailbox at {node.own_url}/hop-thu-thu, LOA_EMAIL_HOST is empty", True
    if not node.email.host:
        return "nowhere, LOA_EMAIL_HOST is empty", True
    return describe_relays(node.email), False


def describe_relays(settings: EmailSettings) -> str:
    """Both, where there is a second one."""
    second = f", else {describe_relay(settings.fallback)}" if settings.fallback else ""
    return f"the relay {describe_relay(settings)}{second}"


def describe_relay(settings: EmailSettings) -> str:
    return f"{settings.host}:{settings.port} (tls: {settings.tls})"


def zalo_destination(node: Node) -> tuple[str, bool]:
    """Zalo or its sandbox; a sandbox in another process counts as a stand-in too."""
    host = urlsplit(node.zalo.openapi_url).hostname or ""
    if ChannelName.ZALO in node.stand_ins or not f".{host}".endswith(ZALO_DOMAINS):
        return f"the Zalo sandbox at {node.zalo.openapi_url}", True
    return f"Zalo, application {node.zalo.app_id}", False
