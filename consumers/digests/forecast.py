"""Forecast the next digest of each frequency, its items and its recipients; read-only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel

from consumers.digests.already_received import AlreadyReceived
from consumers.digests.build import DigestBuilder
from consumers.digests.current_revision import load_publications
from consumers.digests.schedule import DigestSchedule
from consumers.digests.store import DigestStore
from consumers.directory.digest_audience import items_mask_for
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts import subjects
from contracts.base.times import Clock, utc_time
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.subscriptions.digest import FREQUENCIES, Digest, DigestFrequency
from contracts.subscriptions.subscriber import Subscriber
from contracts.trace import StatusCounts, Trace
from producers.bus import Bus


class LastDigest(BaseModel):
    """The last digest with items, and the status of its mails."""

    digest_id: str
    at: AwareDatetime
    items: int
    edition: int
    """Above 1: reissued because a text in it had changed."""
    mails: StatusCounts | None = None
    """None: its recipients are not planned yet."""


class DigestForecast(BaseModel):
    """One frequency: its `readers`, waiting `items`, and `later` ones with their own start time."""

    frequency: DigestFrequency
    next: AwareDatetime
    digest_id: str
    overdue: bool
    readers: int
    items: int
    later: int
    last: LastDigest | None = None


class NextDigest(NamedTuple):
    """A digest that is not cut yet; `later_items`: how many items come after it."""

    digest: Digest
    later_items: int
    is_overdue: bool
    last_digest_id: str


TraceDigest = Callable[[str], Awaitable[Trace | None]]
"""Traces a digest; see `consumers.reporting.trace`."""


@dataclass
class DigestForecaster:
    """Forecasts digests. Raises BusError."""

    bus: Bus
    ledger: Ledger
    schedule: DigestSchedule
    clock: Clock

    def __post_init__(self) -> None:
        self.store, self.repository = DigestStore(self.bus), ItemRepository(self.bus)

    async def next_digest(self, frequency: DigestFrequency) -> NextDigest:
        """Build the next digest from the current texts; an overdue one is next."""
        now = self.clock()
        stored = await self.store.last_cut(frequency)
        due = self.schedule.due_day(frequency, now)
        overdue = stored.value is not None and due > stored.value.day
        day = due if overdue else self.schedule.next_day(frequency, due)
        at = max(self.schedule.cut_time(day), utc_time(now))
        cutter = DigestBuilder(self.bus, self.store, self.repository, self.schedule, at.timestamp)
        before = stored.value or await cutter.first_cut(due)
        issue, carried = await cutter.build_issue(frequency, before, day)
        digest = Digest(issue, await load_publications(self.bus, issue))
        return NextDigest(digest, len(carried), overdue, before.last)

    async def pick_items(self, subscriber: Subscriber, digest: Digest) -> int:
        wanted = items_mask_for(subscriber, digest.texts)
        served = AlreadyReceived(self.ledger, self.store, digest.issue, "")
        await served.load()
        return await served.not_yet_received(subscriber.id, wanted, has_changed_frequency=True)

    async def for_subscriber(self, subscriber: Subscriber) -> tuple[Digest, int]:
        """Return a subscriber's next digest and its items. Raises Invalid if there is none."""
        if not subscriber.active:
            raise Invalid(field_error("digest", "digest_of_nobody"))
        if subscriber.frequency == "immediate":
            raise Invalid(field_error("digest", "reads_at_once"))
        digest = (await self.next_digest(subscriber.frequency)).digest
        if subscriber.is_paused_at(digest.issue.at):
            raise Invalid(field_error("digest", "reader_pauses", at=digest.issue.due))
        picks = await self.pick_items(subscriber, digest)
        if not picks:
            raise Invalid(field_error("digest", "digest_without_reader", value=digest.content_id))
        return digest, picks

    async def with_all_items(self, frequency: DigestFrequency) -> tuple[Digest, int]:
        """Return the next digest with all items. Raises Invalid if it is empty."""
        digest = (await self.next_digest(frequency)).digest
        if not digest.texts:
            raise Invalid(field_error("digest", "digest_empty", value=digest.content_id))
        return digest, digest.issue.items_mask

    async def forecast(self, trace_digest: TraceDigest) -> list[DigestForecast]:
        coming = {frequency: await self.next_digest(frequency) for frequency in FREQUENCIES}
        moments = {name: upcoming.digest.issue.at for name, upcoming in coming.items()}
        subscribers = await self.count_subscribers(moments)
        return [
            DigestForecast(
                frequency=frequency,
                next=upcoming.digest.issue.due,
                digest_id=upcoming.digest.content_id,
                overdue=upcoming.is_overdue,
                readers=subscribers[frequency],
                items=len(upcoming.digest.texts),
                later=upcoming.later_items,
                last=await self.last_digest(upcoming.last_digest_id, trace_digest),
            )
            for frequency, upcoming in coming.items()
        ]

    async def count_subscribers(
        self, moments: Mapping[DigestFrequency, datetime]
    ) -> dict[DigestFrequency, int]:
        """Count the subscribers of each frequency who are not paused at its time."""
        counts, read = dict.fromkeys(moments, 0), 0
        report_progress("readers", read)
        async for _, value in self.bus.bucket(subjects.SUBSCRIBERS.name).values("s."):
            report_progress("readers", read := read + 1)
            subscriber = Subscriber.model_validate_json(value.data)
            frequency = subscriber.frequency
            if subscriber.active and frequency != "immediate":
                counts[frequency] += not subscriber.is_paused_at(moments[frequency])
        return counts

    async def last_digest(self, digest_id: str, trace_digest: TraceDigest) -> LastDigest | None:
        issues = await self.store.all_issues(digest_id) if digest_id else ()
        if not issues:
            return None
        issue, trace = issues[-1].issue, await trace_digest(digest_id)
        planned = await self.ledger.plan(issues[0].issue.plan)
        return LastDigest(
            digest_id=digest_id,
            at=issue.at,
            items=sum(not item.out for item in issue.items),
            edition=issue.revision,
            mails=trace.channels.get(ChannelName.EMAIL) if trace and planned else None,
        )
