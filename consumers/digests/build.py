"""Build a digest: the publications of a frequency's window become an issue, in one atomic write."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from consumers.digests.current_revision import (
    belongs_in_digest,
    digest_item,
    find_current_revision,
    has_started,
)
from consumers.digests.schedule import DigestSchedule
from consumers.digests.store import DigestStore, ItemDigests, LastCut
from consumers.intake.repository import ItemRepository
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.errors import ContractError
from contracts.publication import Publication
from contracts.subscriptions.digest import (
    DigestFrequency,
    DigestItem,
    Issue,
    digest_id_for,
    frequency_of,
)
from producers.bus import Bus, Message
from producers.bus.records import Versioned, require

log = structlog.get_logger()
MAX_ITEMS = 500
"""More items go into the next digest: a cut is one atomic batch, and a mail has to be readable."""


@dataclass
class DigestBuilder:
    """Builds digests that are due; after an outage one digest covers the whole gap."""

    bus: Bus
    store: DigestStore
    repository: ItemRepository
    schedule: DigestSchedule
    clock: Clock
    seals: PublicationSeals | None = None  # None for a forecast, which reaches no reader

    async def cut_if_due(self, frequency: DigestFrequency) -> None:
        """Cut if due; the very first call starts the first window."""
        day = self.schedule.due_day(frequency, self.clock())
        before = await self.store.last_cut(frequency)
        if before.value is None:
            await self.store.create_first_cut(frequency, await self.first_cut(day))
        elif day > before.value.day:
            await self.cut(frequency, before, day)

    async def first_cut(self, day: date) -> LastCut:
        """Return the start of the first window: behind all publications before *day*'s cut."""
        moment = self.schedule.cut_time(day)
        return LastCut(upto=await self.last_before(moment), at=moment, day=day)

    async def last_before(self, moment: datetime) -> int:
        """Return the sequence of the last publication stored by *moment*; 0 for none."""
        low, high = 0, await self.last_seq()
        while low < high:
            middle = (low + high + 1) // 2
            message = await self.bus.get_message(subjects.PUBLICATIONS.name, middle)
            if message and message.time > moment:
                high = middle - 1
            else:
                low = middle
        return low

    async def last_seq(self) -> int:
        info = await self.bus.stream_info(subjects.PUBLICATIONS.name)
        return int(info["state"]["last_seq"])

    async def cut(
        self, frequency: DigestFrequency, before: Versioned[LastCut | None], day: date
    ) -> None:
        last_cut = require(before.value)
        issue, carried = await self.build_issue(frequency, last_cut, day)
        crash_point("digest.gathered")
        last = issue.digest_id if issue.items else last_cut.last
        now = LastCut(upto=issue.upto, at=issue.at, day=day, last=last, carried=carried)
        if await self.store.write_cut(frequency, before, now, issue if issue.items else None):
            crash_point("digest.cut")
            counts = {"items": len(issue.items), "carried": len(carried)}
            log.info("digest_cut", digest=issue.digest_id, **counts)

    async def build_issue(
        self, frequency: DigestFrequency, before: LastCut, day: date
    ) -> tuple[Issue, tuple[int, ...]]:
        """Build the digest of *day*; also return the sequences carried over to a later one."""
        at = utc_now(self.clock)  # take the time first: publications after the window are later
        upto = await self.last_seq()
        publications = await self.load_window(before, upto)
        ready = {seq: text for seq, text in publications.items() if has_started(text, at)}
        items = await self.select_items(frequency, before, ready, at)
        issue = Issue(
            digest_id=digest_id_for(frequency, day),
            revision=1,
            frequency=frequency,
            after=before.upto,
            upto=upto,
            since=before.at,
            at=at,
            due=self.schedule.cut_time(day),
            issued=at,
            items=tuple(items[:MAX_ITEMS]),
        )
        waiting = publications.keys() - ready.keys()
        return issue, tuple(sorted(waiting | {item.seq for item in items[MAX_ITEMS:]}))

    async def load_window(self, before: LastCut, upto: int) -> dict[int, Publication]:
        """Load the publications carried over, and all since the last cut."""
        publications: dict[int, Publication] = {}
        stream, start = subjects.PUBLICATIONS.name, before.upto + 1
        for seq in before.carried:
            self.add_publication(await self.bus.get_message(stream, seq), publications)
        if start > upto:
            return publications
        async for message in self.bus.scan(stream, start=start):
            if message.seq > upto:
                break
            self.add_publication(message, publications)
        return publications

    async def select_items(
        self,
        frequency: DigestFrequency,
        before: LastCut,
        publications: Mapping[int, Publication],
        at: datetime,
    ) -> list[DigestItem]:
        """Select the newest text of each item, if it is current and belongs in a digest."""
        newest: dict[str, int] = {}
        for seq, text in sorted(publications.items()):
            newest_seq = newest.get(text.content_id)
            if newest_seq is None or publications[newest_seq].revision <= text.revision:
                newest[text.content_id] = seq
        selected = []
        for seq in sorted(newest.values()):
            text = publications[seq]
            current = await find_current_revision(self.repository, text.content_id, at)
            if belongs_in_digest(text, at) and current.revision == text.revision:
                first = current.is_only and seq not in before.carried
                first = first and not await self.was_in_digest(text.content_id, frequency)
                selected.append(digest_item(text, seq, first=first))
        return selected

    async def was_in_digest(self, content_id: str, frequency: DigestFrequency) -> bool:
        digests = (await self.store.digests_of_item(content_id)).value or ItemDigests()
        return any(frequency_of(name) == frequency for name in digests.digests)

    def add_publication(self, message: Message | None, found: dict[int, Publication]) -> None:
        """Add a publication; log one that can't be read, or that Loa did not release."""
        if message is None:
            return
        if self.seals and (problem := self.seals.problem(message)):
            log.error("publication_not_released", seq=message.seq, reason=problem)
            return
        try:
            found[message.seq] = publication.decode(message.data)
        except ContractError as broken:
            fields = [error.field for error in broken.errors]
            log.error("publication_unreadable", seq=message.seq, fields=fields)
