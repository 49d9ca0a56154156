"""One endpoint's callbacks: rounds that take facts, send them, and store what came of it."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from channels.fetch.webhook import CONNECTIONS
from consumers.callbacks import progress as rules
from consumers.callbacks.attempt_log import Attempt, AttemptLog
from consumers.callbacks.endpoints import EndpointStore, ListedEndpoint
from consumers.callbacks.progress import ItemResult, Progress, Span
from consumers.callbacks.sender import CallbackSender, SendSession
from consumers.callbacks.status_store import StatusStore, StoredStatus, facts_of, item_of
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from producers.bus import RevisionConflict
from producers.bus.records import Versioned

log = structlog.get_logger()
LEASE = timedelta(seconds=60)
_ROUND_S = 20.0
"""After that a round begins no more attempts; one takes 15 s at most."""
_LEASE_LEFT = timedelta(seconds=40)
"""With so much left of its lease a round begins without another write."""
_KEPT_EVERY = 1000
"""Sequences of STATUS after which the progress is stored, also where there was nothing to send."""


@dataclass
class EndpointDelivery:
    """Sends the callbacks of one endpoint, in a lane of its own. Raises BusError, KeyFileBroken."""

    listed: ListedEndpoint
    statuses: StatusStore
    endpoints: EndpointStore
    sender: CallbackSender
    attempts: AttemptLog
    clock: Clock
    owner: str
    known: Versioned[Progress] | None = None
    """The progress as stored, or further: facts that were taken and have not been tried."""
    facts: dict[int, StoredStatus] = field(default_factory=dict)
    """Facts that wait, as they were read."""
    kept: int = 0
    """Up to where facts were taken, as stored."""

    async def work(self, last_seq: int) -> None:
        """Send all due facts up to sequence *last_seq*, in rounds."""
        try:
            while await self.round(last_seq):
                pass
        except RevisionConflict:  # a person, or another process, has changed it
            self.known = None

    def has_work(self, last_seq: int) -> bool:
        """Whether a round may have something to do, as far as this process knows."""
        if self.known is None:
            return True
        known, now = self.known.value, utc_now(self.clock)
        is_new = any(span.next <= last_seq for span in known.spans) and known.room > 0
        return not known.disabled and (is_new or bool(rules.choose(known, now)))

    async def round(self, last_seq: int) -> bool:
        """Take new facts and send due ones; False if there were none."""
        known, now = self.known or await self._read(), utc_now(self.clock)
        if known is None or not known.value.is_free_for(self.owner, now):
            self.known = None
            return False
        taken = await self._take(known.value, last_seq, now)
        items = rules.choose(taken, now)
        self.known = replace(known, value=taken)
        if not items:
            if taken.spans[-1].next - self.kept >= _KEPT_EVERY:
                self.known = await self._keep(self.known)
            return False
        self.known = await self._lease(self.known, now)
        crash_point("callbacks.leased")
        await self._send(self.known, items)
        return True

    async def _read(self) -> Versioned[Progress] | None:
        found = await self.endpoints.progress(self.listed.unit, self.listed.id)
        if found.value is None:
            return None
        self.kept = found.value.spans[-1].next
        return Versioned(found.value, found.revision)

    async def _take(self, progress: Progress, last_seq: int, now: datetime) -> Progress:
        """Take facts of the kinds that the endpoint wants, as many as there is room for."""
        spans, taken, room = list(progress.spans), list[StoredStatus](), progress.room
        while spans and room > len(taken) and spans[0].next <= last_seq:
            found, left = await self._read_span(spans[0], last_seq, room - len(taken))
            taken += found
            spans[:1] = [left] if left else []
            if left and left.last is None:
                break
        self.facts |= {one.seq: one for one in taken}
        facts = [(one.seq, item_of(one.fact)) for one in taken]
        return rules.take(progress, facts, tuple(spans), now)

    async def _read_span(
        self, span: Span, last_seq: int, room: int
    ) -> tuple[list[StoredStatus], Span | None]:
        """At most *room* facts of a span, and the rest of the span."""
        end = last_seq if span.last is None else min(span.last, last_seq)
        found, readable = list[StoredStatus](), span.model_copy(update={"last": end})
        async for one in facts_of(self.statuses, self.listed, readable):
            found.append(one)
            if len(found) == room:
                end = one.seq
                break
        left = span.model_copy(update={"next": end + 1})
        return found, left if span.last is None or left.next <= span.last else None

    async def _lease(self, known: Versioned[Progress], now: datetime) -> Versioned[Progress]:
        """Keep other processes off for the round."""
        until = known.value.leased_until
        if known.value.owner == self.owner and until and until - now > _LEASE_LEFT:
            return known
        leased = {"owner": self.owner, "leased_until": now + LEASE}
        return await self._keep(replace(known, value=known.value.model_copy(update=leased)))

    async def _send(self, known: Versioned[Progress], items: Sequence[str]) -> None:
        """Try the facts of *items*, and store what came of it."""
        await self._load([seq for item in items for seq in known.value.waiting[item].seqs])
        tried: list[Attempt] = []
        results = await self._try_all(known.value, items, tried)
        settled = rules.settle(known.value, results, utc_now(self.clock), random.random)
        self.known = await self._keep(replace(known, value=settled))
        crash_point("callbacks.settled")
        await self.attempts.add(self.listed.unit, self.listed.id, tried)
        crash_point("callbacks.logged")
        waiting = {seq for one in settled.waiting.values() for seq in one.seqs}
        self.facts = {seq: one for seq, one in self.facts.items() if seq in waiting}
        if settled.disabled:
            facts = {"unit": self.listed.unit, "endpoint": self.listed.id}
            log.warning("callback_disabled", reason=settled.disabled.reason, **facts)

    async def _load(self, seqs: Sequence[int]) -> None:
        """Read facts that another process has taken; one that is gone is left out."""
        for seq in (one for one in seqs if one not in self.facts):
            if stored := await self.statuses.find(seq):
                self.facts[seq] = stored

    async def _try_all(
        self, progress: Progress, items: Sequence[str], tried: list[Attempt]
    ) -> dict[str, ItemResult]:
        """Try the facts of each item one after another, some items at a time."""
        places, until = asyncio.Semaphore(CONNECTIONS), time.monotonic() + _ROUND_S

        async def one(session: SendSession, item: str) -> ItemResult:
            async with places:
                return await self._try_item(session, progress.waiting[item].seqs, until, tried)

        async with self.sender.session(self.listed) as session:
            results = await asyncio.gather(*(one(session, item) for item in items))
        return dict(zip(items, results, strict=True))

    async def _try_item(
        self, session: SendSession, seqs: Sequence[int], until: float, tried: list[Attempt]
    ) -> ItemResult:
        """Send the facts of one item until one does not arrive."""
        for number, seq in enumerate(seqs):
            if time.monotonic() >= until:
                return ItemResult(number)
            if stored := self.facts.get(seq):
                at, sent = utc_now(self.clock), await session.send(stored)
                crash_point("callbacks.sent")
                tried.append(Attempt.of(stored.fact, at, sent))
                if sent.failure:
                    return ItemResult(number, sent.failure)
        return ItemResult(len(seqs))

    async def _keep(self, known: Versioned[Progress]) -> Versioned[Progress]:
        self.kept = known.value.spans[-1].next
        return await self.endpoints.keep(self.listed.unit, self.listed.id, known)
