"""Count the readers of an item's mail: who matches, who would be sent it, and why others not."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from consumers.desk.release.planned_rows import PlannedRows
from consumers.directory.audience import load_preference_sets
from consumers.directory.directory import Directory
from consumers.dispatch.audience import AudienceRow
from consumers.dispatch.handler import includes_followers
from consumers.messages import translate
from consumers.recipients import ContactLookup, Unsent, reason_not_to_send
from consumers.runtime.errors import RetryLater
from contracts.base.times import Clock, utc_now
from contracts.delivery import ChannelName, Lane
from contracts.desk.reach import MailReach
from contracts.publication import Publication
from contracts.subscriptions.subscriber import Subscriber, matches

_CHUNK_ROWS = 100
_SETS_AT_ONCE = 500
_KEPT_S = 60.0
_PATIENCE_S = 1.5
_MOST_COUNTS = 64
_IMMEDIATE, _SEVERAL = "immediate", "several"


@dataclass
class MailReachCounter:
    """Counts anew at most once a minute for each item, one item after the other.

    It reads every row that would be planned, 100 at a time, and lets others run in between.
    """

    directory: Directory
    contacts: ContactLookup
    planned: PlannedRows
    clock: Clock
    _counts: dict[str, tuple[float, asyncio.Task[MailReach]]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def count(self, publication: Publication) -> MailReach | None:
        """The counts, at most a minute old; None while they are being made.

        Raises BusError, LedgerError.
        """
        key, now = _key(publication), self.clock()
        made_at, task = self._counts.get(key, (0.0, None))
        if task is None or now - made_at > _KEPT_S:
            task = asyncio.create_task(self._count(publication))
            self._counts.pop(key, None)
            self._counts[key] = now, task
            while len(self._counts) > _MOST_COUNTS:
                del self._counts[next(iter(self._counts))]
        await asyncio.wait({task}, timeout=_PATIENCE_S)
        return self._result(key, task)

    def _result(self, key: str, task: asyncio.Task[MailReach]) -> MailReach | None:
        if not task.done():
            return None
        if task.exception():
            self._counts.pop(key, None)
        try:
            return task.result()
        except RetryLater:
            return None

    async def _count(self, publication: Publication) -> MailReach:
        async with self._turn:
            await self.directory.ready()
            by_choice, by_audience = await self._count_choices(publication)
            reasons: Counter[str] = Counter()
            rows = self.planned.rows(ChannelName.EMAIL, publication)
            async for chunk in _chunks(rows):
                reasons.update(self._reasons(chunk, publication))
                await asyncio.sleep(0)
            return self._reach(by_choice, by_audience, reasons)

    async def _count_choices(self, publication: Publication) -> tuple[Counter[str], Counter[str]]:
        """Readers by what their choices mean for the item, and the matching ones by audience."""
        store = self.directory.store
        people, sets = store.people_by_set(), list(load_preference_sets(store, 0).items())
        by_choice: Counter[str] = Counter()
        by_audience: Counter[str] = Counter()
        for number, (set_id, sample) in enumerate(sets):
            choice = _choice(sample, publication)
            by_choice[choice] += people.get(set_id, 0)
            if choice == _IMMEDIATE:
                by_audience[_audience(sample, publication)] += people.get(set_id, 0)
            if number % _SETS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return by_choice, by_audience

    def _reasons(self, chunk: Sequence[AudienceRow], publication: Publication) -> Iterator[str]:
        """Why each row would not be sent; empty for one that would be."""
        contacts = self.contacts.lookup([row.id for row in chunk])
        mends = publication.action != "published"
        for row in chunk:
            found = contacts.get(row.id)
            yield reason_not_to_send(found, mends_text=mends and row.correction) or ""

    def _reach(
        self, choices: Counter[str], by_audience: Counter[str], reasons: Counter[str]
    ) -> MailReach:
        planned, matching = reasons.total(), choices[_IMMEDIATE]
        suppressed: Counter[str] = Counter()
        for reason, count in reasons.items():
            if reason and reason not in tuple(Unsent):
                suppressed[translate(reason).vi] += count
        return MailReach(
            readers=choices.total(),
            other_choices=choices["other"],
            daily=choices["daily"],
            weekly=choices["weekly"],
            matching=matching,
            earlier=planned - matching,
            planned=planned,
            paused=reasons[Unsent.PAUSED],
            left=reasons[Unsent.LEFT],
            suppressed=suppressed,
            sent=reasons[""],
            by_audience=by_audience,
            counted_at=utc_now(self.clock),
        )


def _choice(sample: Subscriber, publication: Publication) -> str:
    """`immediate`, `daily`, `weekly`, or `other` for choices that the item does not meet."""
    follows = includes_followers(ChannelName.EMAIL, publication)
    if not (follows and matches(sample, publication)):
        return "other"
    return _IMMEDIATE if publication.lane is Lane.URGENT else sample.frequency


def _audience(sample: Subscriber, publication: Publication) -> str:
    """The audience of the item that a reader chose; empty for a reader of all."""
    chosen = [one for one in publication.audiences if one in sample.audiences]
    return _SEVERAL if len(chosen) > 1 else next(iter(chosen), "")


async def _chunks(rows: AsyncIterator[AudienceRow]) -> AsyncIterator[list[AudienceRow]]:
    chunk: list[AudienceRow] = []
    async for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _key(publication: Publication) -> str:
    """The same for texts that reach the same readers."""
    facts: Mapping[str, object] = {
        name: getattr(publication, name)
        for name in ("content_id", "revision", "action", "topic", "unit", "audiences", "lane")
    }
    return sha256(repr((facts, publication.channels)).encode()).hexdigest()
