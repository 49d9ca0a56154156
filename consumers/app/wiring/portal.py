"""Build the portal channel and the tasks that keep its pages current."""

import asyncio
from functools import partial

import structlog

from channels.errors import ChannelError, Unreachable
from channels.portal.channel import PortalChannel
from channels.portal.model.site import Site as PortalSite
from channels.portal.settings import PortalSettings
from consumers.app.node import Node
from consumers.app.settings import read_settings
from consumers.channel_health.readback import ReadbackStatus
from consumers.ledger import codec
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError

log = structlog.get_logger()
_PAGE_RENEWAL_S = 60.0
_DELIVERED_LETTERS = frozenset(b"dD")


def destination(node: Node) -> tuple[str, bool]:
    """Where pages are read and written; the portal has no stand-in."""
    to = f"{node.public_url}, files in {node.settings.portal_dir}"
    if node.settings.public_url:
        return to, False
    return f"{to}; LOA_PUBLIC_URL is empty: feeds and pages name {node.public_url}", False


def add_portal_channel(node: Node) -> PortalChannel:
    """The portal channel; its first pages, their renewal and its hub are the node's tasks."""
    channel = open_portal_channel(node)
    node.on_ready.append(partial(_write_first_pages, channel))
    node.tasks.append(partial(_renew_pages, channel))
    if channel.notifier:
        node.tasks.append(channel.notifier.run)
    return channel


def open_portal_channel(node: Node) -> PortalChannel:
    settings = read_settings(PortalSettings)
    address = readback_address(node) if settings.read_back else ""
    return PortalChannel(
        node.settings.portal_dir,
        node.public_url,
        node.vocabulary,
        was_shown_before=partial(has_delivered_pages, node.bus),
        readback_url=address,
        report_readback=ReadbackStatus(node.bus, address, node.clock).report,
        settings=settings,
    )


def portal_site(node: Node) -> PortalSite:
    """The portal as readers see it."""
    return read_settings(PortalSettings).build_site(node.public_url, node.vocabulary)


def readback_address(node: Node) -> str:
    """Where the portal can be read; empty where no address is set."""
    return node.canary_settings.url or node.settings.public_url


async def has_delivered_pages(bus: Bus) -> bool:
    """Whether the ledger says that the portal has shown anything yet. Raises Unreachable."""
    prefix = f"state.{ChannelName.PORTAL}."
    try:
        async for key, value in bus.bucket(subjects.LEDGER.name).values(prefix):
            if _is_delivered(key, value.data):
                return True
    except BusError as away:
        raise Unreachable("bus") from away
    return False


def _is_delivered(key: str, state: bytes) -> bool:
    try:
        return not _DELIVERED_LETTERS.isdisjoint(codec.decode_state(state).rows)
    except codec.DECODE_ERRORS as broken:
        log.error("batch_unreadable", key=key, error=type(broken).__name__)
        return False


async def _write_first_pages(channel: PortalChannel) -> None:
    """Have the home page and the feeds there before the first item."""
    try:
        async with channel.session():
            log.info("portal_ready")
    except ChannelError as trouble:
        log.warning("channel_unavailable", reason=trouble.reason)


async def _renew_pages(channel: PortalChannel) -> None:
    """As a task: pages of an earlier edition are written again while there is time."""
    while True:
        try:
            await channel.rewrite_stale()
        except ChannelError as trouble:
            log.warning("portal_not_renewed", reason=trouble.reason)
        await asyncio.sleep(_PAGE_RENEWAL_S)
