"""Build the portal channel, its replica, and the tasks that keep their pages current."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from channels.email.render.announced import announced_sender
from channels.email.settings import EmailSettings
from channels.errors import ChannelError
from channels.fetch.fetcher import Fetcher
from channels.fetch.url_policy import parse_policy
from channels.portal.channel import PortalChannel
from channels.portal.errors import FolderBusy
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.settings import PortalSettings
from channels.portal.storage.lock import folder_lock
from consumers.app.node import Node
from consumers.app.settings import ReplicaSettings, read_settings
from consumers.channel_health.folder_watch import FolderWatch
from consumers.channel_health.readback import ReadbackStatus
from consumers.deliver.worker import DeliveryWorker
from consumers.facts.public_figures import FigureRenewal
from consumers.key_file import KeyFilePart, is_refuted, part_of_other_data
from consumers.ledger import bulk
from consumers.messages import field_error
from consumers.operations.rebuild import rebuild_portal
from consumers.portal_replica.follow import ReplicaFollower
from consumers.portal_replica.report import ReplicaReport
from consumers.portal_replica.status import REPORT_S
from consumers.runtime.bus_wait import until_answered
from consumers.runtime.errors import unreachable_without_bus
from consumers.seals.publications import PublicationSeals
from consumers.seals.records import REPLICA_PURPOSES, TakenOverUntil, seal_replica_records
from consumers.seals.takeover import SealRecords
from consumers.uploads.portal import PublicUploads
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from contracts.errors import Invalid
from contracts.vocabulary import Vocabulary
from design.settings import SiteSettings
from producers.bus import Bus
from producers.bus.periodic import every

log = structlog.get_logger()
_WRITER, _REPLICA_LOCK = "deliver-portal", "replica.lock"
_PAGE_RENEWAL_S = 60.0
_COVERS_S = 10.0
_TAKE_OVER_POLL_S = 1.0


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


async def watch_folder(channel: PortalChannel, worker: DeliveryWorker[Any]) -> None:
    await FolderWatch(worker.gate_of(Lane.NORMAL), channel).run()


async def has_delivered_pages(bus: Bus) -> bool:
    """Whether the portal has shown anything yet, by the ledger. Raises Unreachable."""
    with unreachable_without_bus():
        return await bulk.has_delivered(bus.bucket(subjects.LEDGER.name), ChannelName.PORTAL)


async def add_portal_replica(node: Node) -> None:
    """The portal's files again, from the log, in a folder of this machine; it delivers nothing.

    Raises Invalid without LOA_PUBLIC_URL, and for a folder that has another writer.
    """
    if not node.settings.public_url:
        raise Invalid(field_error("LOA_PUBLIC_URL", "replica_needs_address"))
    if _WRITER in node.services:
        raise Invalid(field_error("run", "replica_beside_portal"))
    _lock_folder(node)
    channel = PortalChannel(
        node.settings.portal_dir, portal_site(node), uploads=PublicUploads(node.bus)
    )
    node.stack.push_async_callback(channel.close)
    node.replica = follower = await _open_follower(node, channel)
    name = read_settings(ReplicaSettings).shown_name
    report = ReplicaReport(node.bus, follower, channel, name, node.clock)
    node.stack.push_async_callback(report.end)
    node.checks["replica"] = follower.check
    node.tasks += [follower.run, partial(_renew_pages, channel), partial(_draw_covers, channel)]
    node.tasks.append(partial(every, REPORT_S, report.renew))


def _lock_folder(node: Node) -> None:
    """Keep the folder until this process ends, however it does."""
    state = node.settings.portal_dir / "state"
    state.mkdir(parents=True, exist_ok=True)
    try:
        node.stack.enter_context(folder_lock(state / _REPLICA_LOCK, 0.0))
    except FolderBusy:
        taken = field_error("data", "replica_folder_taken", folder=state.parent.absolute())
        raise Invalid(taken) from None


async def _open_follower(node: Node, channel: PortalChannel) -> ReplicaFollower:
    folder, seals = node.settings.portal_dir, await _open_replica_seals(node)
    files = SiteFiles(portal_site(node))
    rebuild = partial(rebuild_portal, node.bus, folder, files, seals)
    return ReplicaFollower(node.bus, channel, rebuild, seals, node.clock)


async def _open_replica_seals(node: Node) -> PublicationSeals:
    """The seals of what a replica reads; one apart has those parts of the key file alone.

    Raises Invalid for parts of another key file, StoppedEarly.
    """
    part = node.settings.replica_key_file
    if "keys" in vars(node) or not part.exists():
        return await node.open_seals()
    keys = KeyFilePart.open(part, REPLICA_PURPOSES)
    seals = await until_answered(partial(_await_take_over, node, keys), node.stopped)

    async def known() -> PublicationSeals:
        return seals

    seal_replica_records(node.bus, keys, TakenOverUntil.by(known))
    return seals


async def _await_take_over(node: Node, keys: KeyFilePart) -> PublicationSeals:
    """The seals, once a process with the whole key file has taken over all records.

    Until then it is unknown which items need no seal. Raises Invalid for parts of another key file.
    """
    records, is_told = SealRecords(node.bus, keys, node.settings.seals_file), False
    while True:
        if await is_refuted(node.bus, keys):
            raise Invalid(part_of_other_data(node.settings.replica_key_file))
        if seals := await records.load():
            return seals
        if not is_told:
            log.warning("replica_awaits_take_over")
            is_told = True
        await asyncio.sleep(_TAKE_OVER_POLL_S)


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
