"""Build the portal channel and the tasks that keep its pages current."""

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from channels.email.render.announced import announced_sender
from channels.email.settings import EmailSettings
from channels.errors import ChannelError
from channels.fetch.fetcher import Fetcher
from channels.fetch.url_policy import parse_policy
from channels.portal.channel import PortalChannel
from channels.portal.model.site import Site
from channels.portal.settings import PortalSettings
from consumers.app.node import Node
from consumers.app.settings import read_settings
from consumers.channel_health.folder_watch import FolderWatch
from consumers.channel_health.gate import ChannelGate
from consumers.channel_health.readback import ReadbackStatus
from consumers.facts.public_figures import FigureRenewal
from consumers.ledger import bulk
from consumers.runtime.errors import unreachable_without_bus
from consumers.uploads.portal import PublicUploads
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.vocabulary import Vocabulary
from design.settings import SiteSettings
from producers.bus import Bus

log = structlog.get_logger()
_PAGE_RENEWAL_S = 60.0
_COVERS_S = 10.0


def destination(node: Node) -> tuple[str, bool]:
    """The address and the folder of the pages; the portal has no stand-in."""
    to = f"{node.public_url}, files in {node.settings.portal_dir.absolute()}"
    if not node.settings.public_url:
        to += f"; LOA_PUBLIC_URL is empty: feeds and pages name {node.public_url}"
    return to, False


def add_portal_channel(node: Node) -> PortalChannel:
    """The portal channel; its first pages, their renewal and its hub are the node's tasks."""
    channel = open_portal_channel(node)
    node.on_ready.append(partial(_write_first_pages, channel))
    node.tasks.append(partial(_renew_pages, channel))
    node.tasks.append(partial(_draw_covers, channel))
    node.tasks.append(FigureRenewal(node.bus, channel, node.clock).run)
    if channel.notifier:
        node.tasks.append(channel.notifier.run)
    return channel


def open_portal_channel(node: Node) -> PortalChannel:
    address = readback_address(node) if read_settings(PortalSettings).read_back else ""
    return PortalChannel(
        node.settings.portal_dir,
        portal_site(node),
        was_shown_before=partial(has_delivered_pages, node.bus),
        readback_url=address,
        uploads=PublicUploads(node.bus),
        report_readback=ReadbackStatus(node.bus, address, node.clock).report,
    )


def portal_site(node: Node) -> Site:
    return build_site(node.public_url, node.vocabulary, node.email)


def build_site(public_url: str, vocabulary: Vocabulary, email: EmailSettings) -> Site:
    """The site as the settings say. Raises as `PortalSettings.build_site`."""
    identity = read_settings(SiteSettings)
    site = read_settings(PortalSettings).build_site(public_url, vocabulary, identity)
    return replace(site, mail_sender=announced_sender(email))


def readback_address(node: Node) -> str:
    """The address at which the portal can be read; empty if none is set."""
    return node.canary_settings.url or node.settings.public_url


async def watch_folder(channel: PortalChannel, gate: ChannelGate) -> None:
    await FolderWatch(gate, channel).run()


async def has_delivered_pages(bus: Bus) -> bool:
    """Whether the portal has shown anything yet, by the ledger. Raises Unreachable."""
    with unreachable_without_bus():
        return await bulk.has_delivered(bus.bucket(subjects.LEDGER.name), ChannelName.PORTAL)


async def _write_first_pages(channel: PortalChannel) -> None:
    """Write the home page and the feeds before the first item comes."""
    try:
        async with channel.session():
            log.info("portal_ready")
    except ChannelError as error:
        log.warning("channel_unavailable", reason=error.reason)


async def _renew_pages(channel: PortalChannel) -> None:
    """Rewrite pages of an earlier edition while there is time, as a task."""
    while True:
        try:
            await channel.rewrite_stale()
        except ChannelError as error:
            log.warning("portal_not_renewed", reason=error.reason)
        await asyncio.sleep(_PAGE_RENEWAL_S)


async def _draw_covers(channel: PortalChannel) -> None:
    """Draw the covers of new items while pages are written without them, as a task."""
    fetcher = Fetcher(parse_policy(read_settings(PortalSettings).cover_allow))
    while True:
        try:
            await channel.draw_covers(fetcher)
        except ChannelError as error:
            log.warning("portal_covers_not_drawn", reason=error.reason)
        await asyncio.sleep(_COVERS_S)
