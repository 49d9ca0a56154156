"""Gather the facts that findings come from: what the bus, its disk and the Loa that runs say."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog
from pydantic import ValidationError

from channels.errors import ChannelError
from channels.portal.index.index import is_usable
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.late import late_since, untold_since
from consumers.callbacks.status_store import StatusStore
from consumers.dead_letters.store import DeadLetterStore
from consumers.directory.store import read_in_time_at
from consumers.facts.unread import unread_since
from consumers.intake.approval import Draft
from consumers.intake.desk_acts import drafts_of
from consumers.intake.draft_decisions import DraftDecisions
from consumers.ledger.bulk import has_delivered
from consumers.operations.retention import clock_problem
from consumers.portal_replica.status import ReplicaRecord, load_replicas, load_shown_portal
from consumers.restored import last_restore
from consumers.runtime.presence import count_services
from consumers.runtime.store_check import store_problem
from consumers.status.disks import DiskMonitor
from consumers.status.feeds import stale_feeds
from consumers.status.findings import (
    DeadLetters,
    Facts,
    FailingEndpoint,
    PortalReplica,
    StaleFeed,
    WaitingDraft,
)
from consumers.status.item_times import ItemTimes
from consumers.status.reader import StatusReader
from consumers.status.report import StatusReport
from consumers.status.unknown_sends import UnknownSendsReader
from consumers.status.zalo_limits import LimitUse, load_limits
from consumers.zalo import consent
from consumers.zalo.webhook_watchdog import WebhookWatchdog
from contracts import subjects
from contracts.base.times import Clock, utc_now, utc_time
from contracts.delivery import ChannelName, Lane
from contracts.editorial import Status
from contracts.errors import ContractError
from producers.bus import Bus, Denied
from producers.bus.monitoring_endpoint import fetch_page
from producers.bus.periodic import attempt, every, unreadable_record
from producers.bus.server_check import absent_servers

log = structlog.get_logger()
_INTERVAL_S = 60.0
_FRESH_S = 5.0
_DISK_PATIENCE_S = 1.0


def loa_version() -> str:
    """The version of this program; empty where it is not installed as a package."""
    try:
        return version("loa")
    except PackageNotFoundError:
        return ""


def directory_in_time_at(path: Path) -> datetime | None:
    """When the copy of the readers last had no lag; None where it can't be read."""
    with suppress(sqlite3.Error):
        at = read_in_time_at(path)
        return utc_time(round(at)) if at else None
    return None


async def has_lost_index(bus: Bus, folder: Path) -> bool:
    """Whether the portal's *folder* has no usable index although something was shown."""
    if is_usable(folder):
        return False
    return await has_delivered(bus.bucket(subjects.LEDGER.name), ChannelName.PORTAL)


async def unplanned_publications(bus: Bus) -> dict[ChannelName, int]:
    """By channel the publications that its planner has not taken, or puts off. Raises BusError."""
    stream = subjects.PUBLICATIONS.name
    found = {}
    for name in ChannelName:
        queue = await bus.consumer_info(stream, subjects.dispatch(name))
        found[name] = queue["num_pending"] + queue["num_ack_pending"]
    return found


async def reported_by(url: str) -> tuple[dict[str, str], int]:
    """Of the Loa at *url*, by its `/readyz`: failing checks, dropped log lines. Raises NoReply."""
    _, report = await fetch_page(url, "/readyz")
    failing, losses = report.get("failing") or {}, report.get("log") or {}
    checks = {str(name): str(text) for name, text in failing.items()}
    return checks, sum(losses.values())


@dataclass
class FactsReader:
    """Reads the facts that lie on the bus."""

    bus: Bus
    zalo: ZaloSettings
    clock: Clock = time.time
    dead: DeadLetters = field(default_factory=DeadLetters)
    dead_state: tuple[int, int] = (-1, -1)  # last letter and last decision that `dead` counts
    known_drafts: dict[str, tuple[str, WaitingDraft]] = field(default_factory=dict)
    """Drafts read before, by item, each with the last act of its item at that time."""

    def __post_init__(self) -> None:
        self.unknown_sends = UnknownSendsReader(self.bus)
        self.decisions = DraftDecisions(self.bus, self.clock)

    async def read(self, report: StatusReport) -> Facts:
        """The facts of the bus, with the channels of *report*. Raises BusError."""
        return Facts(
            now=utc_now(self.clock),
            channels=report.channels,
            at_work=report.at_work,
            damages=report.bus,
            clock=await clock_problem(self.bus, self.clock),
            limits=await self.limits(),
            dead=await self.dead_letters(),
            drafts=await self.drafts(),
            unknown_sends=await self.unknown_sends.read(),
            consent_ends=await self.consent_ends(),
            stale_feeds=await self.stale_feeds(),
            failing_endpoints=await self.failing_endpoints(),
            unread_since=await unread_since(self.bus, self.clock),
            untold_since=await self.untold_since(),
            webhook_silent_since=await self.webhook_silent_since(),
            restored=await self.restored_at(),
            replicas=await self.replicas(),
            servers_away=tuple(await absent_servers(self.bus)),
            services=await count_services(self.bus, self.clock()),
        )

    async def restored_at(self) -> datetime | None:
        """When the data was restored, while the doubts of that are active."""
        restored = await last_restore(self.bus)
        return restored.at if restored else None

    async def replicas(self) -> tuple[PortalReplica, ...]:
        """The replicas of the portal, beside what the portal itself shows."""
        shown = await load_shown_portal(self.bus)
        edition = shown.edition if shown else ""
        found = await load_replicas(self.bus, self.clock())
        return tuple(_replica_beside(edition, one) for one in found)

    async def consent_ends(self) -> datetime | None:
        """When Zalo's consent ends, as its worker knows it."""
        ends = await consent.consent_ends(self.bus, self.zalo.app_id or SANDBOX_APP)
        return utc_time(round(ends)) if ends else None

    async def stale_feeds(self) -> tuple[StaleFeed, ...]:
        try:
            return await stale_feeds(self.bus, self.clock())
        except Denied:
            log.warning("status_fact_missing", fact="feeds", reason="denied")
            return ()

    async def failing_endpoints(self) -> tuple[FailingEndpoint, ...]:
        """The endpoints of units that callbacks do not reach, and those that Loa does not call."""
        found = list[FailingEndpoint]()
        try:
            listed = await EndpointStore(self.bus).all()
            for one in listed:
                if since := one.progress.disabled_at or one.progress.failing_since:
                    is_disabled = one.progress.disabled is not None
                    found.append(FailingEndpoint(_name(one), since, is_disabled))
            found += await self._late_endpoints(listed)
        except Denied:
            log.warning("status_fact_missing", fact="callbacks", reason="denied")
        return tuple(found)

    async def _late_endpoints(self, listed: Sequence[ListedEndpoint]) -> list[FailingEndpoint]:
        statuses, now = StatusStore(self.bus), utc_now(self.clock)
        found = [(one, await late_since(statuses, one, now)) for one in listed]
        return [FailingEndpoint(_name(one), at, is_late=True) for one, at in found if at]

    async def untold_since(self) -> datetime | None:
        """When the oldest change was stored of which units may not have been told."""
        try:
            return await untold_since(self.bus)
        except Denied:
            log.warning("status_fact_missing", fact="untold", reason="denied")
            return None

    async def webhook_silent_since(self) -> datetime | None:
        """The last event of Zalo's webhook, if too long ago although messages went out."""
        limit = timedelta(hours=self.zalo.silent_after_h)
        if not (self.zalo.app_id and limit):
            return None
        watchdog = WebhookWatchdog(self.bus, self.zalo.app_id, limit, self.clock)
        try:
            return await watchdog.silent_since()
        except Denied:
            log.warning("status_fact_missing", fact="webhook", reason="denied")
            return None

    async def limits(self) -> tuple[LimitUse, ...]:
        try:
            return await load_limits(self.bus, self.zalo, self.clock)
        except ChannelError as error:
            log.warning("status_fact_missing", fact="limits", reason=error.reason)
            return ()

    async def dead_letters(self) -> DeadLetters:
        """Count open letters; they are read again after a new one, or a new decision."""
        store = DeadLetterStore(self.bus)
        try:
            state = await store.last_change()
            if state != self.dead_state:
                times = [letter.at async for letter in store.letters()]
                self.dead = DeadLetters(len(times), min(times, default=None))
                self.dead_state = state
        except Denied:
            log.warning("status_fact_missing", fact="dead", reason="denied")
            return DeadLetters()
        return self.dead

    async def drafts(self) -> tuple[WaitingDraft, ...]:
        """The drafts on the desk; one that has not changed is not read again."""
        items, found = await self.decisions.waiting_items(), dict[str, tuple[str, WaitingDraft]]()
        for content_id, state in items.items():
            known = self.known_drafts.get(content_id)
            if known is None or known[0] != state.head:
                draft = drafts_of(content_id, state)[state.revision]
                known = (
                    state.head,
                    replace(_waiting_draft(draft), status=state.status or Status.SUBMITTED),
                )
                await asyncio.sleep(0)  # a page may have its turn
            found[content_id] = known
        self.known_drafts = found
        return tuple(draft for _, draft in found.values())


def _name(one: ListedEndpoint) -> str:
    return f"{one.unit}.{one.id}"


def _replica_beside(edition: str, record: ReplicaRecord) -> PortalReplica:
    """A replica of a portal of that *edition*; empty where the portal has not said it."""
    lag = None if record.lag_s is None else timedelta(seconds=record.lag_s)
    is_other = bool(edition) and record.edition != edition
    return PortalReplica(record.name, utc_time(round(record.at)), lag, is_other, record.seq)


def _waiting_draft(draft: Draft) -> WaitingDraft:
    """The facts of a draft; one whose content can't be read has no deadline."""
    is_urgent = draft.data.get("lane") == Lane.URGENT
    try:
        content = draft.content
    except (ContractError, ValidationError, LookupError, TypeError):
        return WaitingDraft(draft.key, draft.at, is_urgent)
    times = [at for at in (content.not_before, content.expires_at) if at]
    return WaitingDraft(draft.key, draft.at, is_urgent, min(times, default=None))


@dataclass
class StatusMonitor:
    """Keeps the facts of the bus, for `/readyz` and `/metrics`. `read_at`: when they were read.

    `is_observer`: it measures how long items take, too; one process does.
    """

    reader: FactsReader
    folders: tuple[Path, ...] = ()
    facts: Facts = field(default_factory=lambda: Facts(now=utc_time(0)))
    read_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    fresh_until: float = 0.0  # monotonic seconds
    reading: asyncio.Task[None] | None = None
    is_observer: bool = True

    def __post_init__(self) -> None:
        self.item_times = ItemTimes(self.reader.bus, self.reader.clock)
        self.disks = DiskMonitor({str(folder): folder for folder in self.folders})

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.fresh_until

    @property
    def is_tried(self) -> bool:
        """Whether a reading has ended, however it did."""
        return self.fresh_until > 0

    async def run(self) -> None:
        """Read the facts once a minute."""
        await every(_INTERVAL_S, self.refresh)

    async def refresh_if_old(self, patience_s: float) -> None:
        """Read the facts unless they are new: some seconds, or ten times as long as reading took.

        A reading that takes longer than *patience_s* goes on: the next caller sees its result.
        """
        if self.is_fresh:
            return
        if self.reading is None or self.reading.done():
            self.reading = asyncio.create_task(attempt(self._refresh_if_still_old))
        await asyncio.wait({self.reading}, timeout=patience_s)

    def stop(self) -> None:
        """End a reading that is under way."""
        if self.reading:
            self.reading.cancel()

    async def refresh(self) -> None:
        """Read the facts; a damaged record keeps the old ones. Raises BusError."""
        async with self.lock:
            await self._refresh()

    async def _refresh_if_still_old(self) -> None:
        """Wait for a reading that is under way, or read."""
        async with self.lock:
            if not self.is_fresh:
                await self._refresh()

    async def _refresh(self) -> None:
        began = time.monotonic()
        try:
            await self._read()
        finally:
            ended = time.monotonic()
            self.fresh_until = ended + max(_FRESH_S, 10 * (ended - began))

    async def _read(self) -> None:
        bus, clock, item_times = self.reader.bus, self.reader.clock, self.item_times
        problem = await store_problem(bus)
        await self.disks.measure(_DISK_PATIENCE_S)
        disks = tuple(self.disks.spaces.values())
        self.facts = replace(self.facts, disks=disks, store_problem=problem)
        try:
            reader = StatusReader(bus, clock, on_batch=item_times.add_batch)
            report = await reader.report(at_work=False)
            report.at_work = True
            facts = await self.reader.read(report)
        except (ValueError, LookupError, TypeError) as broken:
            log.warning("status_fact_missing", fact="records", reason=unreadable_record(broken))
            self.facts = replace(self.facts, unreadable=unreadable_record(broken))
            return
        self.facts = replace(facts, disks=disks, store_problem=problem)
        self.read_at = clock()
        if self.is_observer:
            await self.reader.unknown_sends.keep_mark()
            await item_times.observe()
