"""Says in words where a channel's output goes, from the settings of the process that sends it."""

from urllib.parse import urlsplit

from channels.email.settings import EmailSettings
from channels.zalo.settings import OF_ZALO
from consumers import outlets
from consumers.app.node import Node
from consumers.outlets import Outlet
from contracts.delivery import ChannelName


def outlet(node: Node, channel: ChannelName) -> Outlet:
    """Asked once the stand-ins have started."""
    match channel:
        case ChannelName.EMAIL:
            to, stand_in = mail(node)
        case ChannelName.ZALO:
            to, stand_in = zalo(node)
        case ChannelName.PORTAL:
            to, stand_in = portal(node), False
    return Outlet(to=to, stand_in=stand_in, at=node.clock())


async def leave_word(node: Node, channel: ChannelName) -> None:
    """Have `loa status` know it. Raises BusError."""
    await outlets.note(node.bus, channel, outlet(node, channel))


def portal(node: Node) -> str:
    to = f"{node.public_url}, files in {node.settings.portal_dir}"
    if node.settings.public_url:
        return to
    return f"{to}; LOA_PUBLIC_URL is empty: feeds and pages name {node.public_url}"


def mail(node: Node) -> tuple[str, bool]:
    if ChannelName.EMAIL in node.stand_ins:
        return f"the catch-all mailbox at {node.own_url}/hop-thu-thu, LOA_EMAIL_HOST is empty", True
    if not node.email.host:
        return "nowhere, LOA_EMAIL_HOST is empty", True
    return relays(node.email), False


def relays(settings: EmailSettings) -> str:
    """Both, where there is a second one."""
    second = f", else {relay(settings.fallback)}" if settings.fallback else ""
    return f"the relay {relay(settings)}{second}"


def relay(settings: EmailSettings) -> str:
    return f"{settings.host}:{settings.port} (tls: {settings.tls})"


def zalo(node: Node) -> tuple[str, bool]:
    """Also a sandbox of its own process stands in for Zalo."""
    host = urlsplit(node.zalo.openapi_url).hostname or ""
    if ChannelName.ZALO in node.stand_ins or not f".{host}".endswith(OF_ZALO):
        return f"the Zalo sandbox at {node.zalo.openapi_url}", True
    return f"Zalo, application {node.zalo.app_id}", False
