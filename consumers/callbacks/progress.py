"""How far the callbacks of one endpoint are, and what follows from an attempt; pure.

The facts of an item go out in their order: while one of them waits, its later ones wait behind it.
Those of other items go on. A fact leaves the progress only when it has arrived, so what a crash
repeats is what had arrived since the progress was stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, Field

from contracts.records import Record

RETRIES_S = (5, 300, 1800, 7200, 18_000, 36_000)
"""Seconds until an item is tried again, by its failed tries; the last one again and again."""
PROBES_S = (5, 30, 120, 300, 900)
"""The same for an endpoint that is down, where one callback is tried at a time."""
DISABLED_AFTER = timedelta(days=5)
MAX_WAITING = 200
"""Facts that may wait for their first try, and all of an endpoint that is down."""
MAX_HELD = 1000
"""Facts that may wait in all, with those of items that have failed; then no more are taken."""
_DOWN_FAILURES, _DOWN_ITEMS = 5, 3
"""An endpoint is down after so many failures in a row, when so many items have failed."""
_ITEMS_AT_ONCE = 32
_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 21_600.0
"""Pause of a receiver that is overloaded, and the longest one that it may ask for."""
DisabledReason = Literal["gone", "failing"]
Jitter = Callable[[], float]
"""A random number from 0 to 1."""


class Span(Record):
    """Facts to be sent: those of STATUS from *next* on, up to *last* or without an end."""

    next: int
    last: int | None = None

    def has(self, seq: int) -> bool:
        return self.next <= seq and (self.last is None or seq <= self.last)


class Waiting(Record):
    """The facts of one item that wait, oldest first.

    `tries`: failed ones of the first fact. `since`: when that was taken, or first failed.
    """

    seqs: tuple[int, ...]
    tries: int = 0
    since: AwareDatetime
    due: AwareDatetime


class Disabled(Record):
    """Why nothing is sent any more. `is_told`: the mail to the unit has begun."""

    at: AwareDatetime
    reason: DisabledReason
    is_told: bool = False


class Failure(NamedTuple):
    """A failed attempt. `is_refusal`: the receiver is there, and does not want this fact.

    `pause_s`: the receiver asks for a pause, 0 for one of no named length.
    """

    reason: str
    is_gone: bool = False
    is_refusal: bool = False
    pause_s: float | None = None


class ItemResult(NamedTuple):
    """The facts of an item that a round tried: how many arrived, and why the next one did not.

    Without a failure the round had no time for the rest.
    """

    arrived: int
    failure: Failure | None = None


class Progress(Record):
    """Bucket `callbacks`, key `progress.<unit>.<endpoint>`."""

    spans: tuple[Span, ...]
    first: int = 1
    """Facts of STATUS before this one are for the endpoint only by a replay."""
    replayed: tuple[Span, ...] = ()
    """The replays of facts before the first one, whether they have arrived or not."""
    waiting: dict[str, Waiting] = Field(default_factory=dict)
    failures: int = 0
    """Attempts that have failed in a row."""
    refusals: int = 0
    """Those of them that were refusals."""
    tried_at: AwareDatetime | None = None
    """When the last attempt ended, or the endpoint was enabled."""
    arrived_at: AwareDatetime | None = None
    paused_until: AwareDatetime | None = None
    disabled: Disabled | None = None
    owner: str = ""
    leased_until: AwareDatetime | None = None

    @property
    def is_down(self) -> bool:
        failed = sum(one.tries > 0 for one in self.waiting.values())
        return self.failures >= _DOWN_FAILURES and failed >= _DOWN_ITEMS

    @property
    def room(self) -> int:
        """How many more facts may be taken; those of items that have failed take no place."""
        if self.disabled:
            return 0
        begun = self.count if self.is_down else self.count - self.held
        return max(min(MAX_WAITING - begun, MAX_HELD - self.count), 0)

    @property
    def count(self) -> int:
        """How many facts wait."""
        return sum(len(one.seqs) for one in self.waiting.values())

    @property
    def held(self) -> int:
        """How many of them belong to an item that has failed."""
        return sum(len(one.seqs) for one in self.waiting.values() if one.tries)

    @property
    def failing_since(self) -> datetime | None:
        """Since when the fact fails that has failed longest."""
        return min((one.since for one in self.waiting.values() if one.tries), default=None)

    @property
    def disabled_at(self) -> datetime | None:
        return self.disabled.at if self.disabled else None

    def includes(self, seq: int) -> bool:
        """Whether the fact *seq* was ever for the endpoint."""
        return seq >= self.first or any(span.has(seq) for span in self.replayed)

    def awaits(self, seq: int, item: str) -> bool:
        """Whether the fact *seq* of *item* is still to arrive, or to arrive once more."""
        known = self.waiting.get(item)
        is_taken = known is not None and seq in known.seqs
        return is_taken or any(span.has(seq) for span in self.spans)

    def is_free_for(self, owner: str, now: datetime) -> bool:
        """Whether *owner* may send, because no other process does."""
        is_over = self.leased_until is None or self.leased_until <= now
        return self.owner in ("", owner) or is_over


def take(
    progress: Progress, facts: Iterable[tuple[int, str]], spans: tuple[Span, ...], now: datetime
) -> Progress:
    """The progress with *facts*, each a sequence and its item; *spans* are left behind them."""
    waiting = dict(progress.waiting)
    for seq, item in facts:
        one = waiting.get(item) or Waiting(seqs=(), since=now, due=now)
        waiting[item] = one.model_copy(update={"seqs": tuple(sorted({*one.seqs, seq}))})
    return progress.model_copy(update={"waiting": waiting, "spans": spans})


def choose(progress: Progress, now: datetime) -> list[str]:
    """The items to be tried now; of an endpoint that is down one, a new one first."""
    if progress.disabled or (progress.paused_until and now < progress.paused_until):
        return []
    waiting = sorted(progress.waiting, key=lambda item: _turn(progress.waiting[item]))
    if progress.is_down:
        return waiting[:1] if _probe_at(progress) <= now else []
    return [item for item in waiting if progress.waiting[item].due <= now][:_ITEMS_AT_ONCE]


def _turn(one: Waiting) -> tuple[bool, datetime, tuple[int, ...]]:
    return one.tries > 0, one.due, one.seqs


def _probe_at(progress: Progress) -> datetime:
    step = min(progress.failures - _DOWN_FAILURES, len(PROBES_S) - 1)
    last = progress.tried_at or progress.waiting[min(progress.waiting)].since
    return last + timedelta(seconds=PROBES_S[step])


def settle(
    progress: Progress, results: Mapping[str, ItemResult], now: datetime, jitter: Jitter
) -> Progress:
    """The progress after a round with *results* by item."""
    has_arrived = any(one.arrived for one in results.values())
    failed = [one.failure for one in results.values() if one.failure]
    update: dict[str, object] = {"tried_at": now} if failed or has_arrived else {}
    refused = sum(one.is_refusal for one in failed)
    update["failures"] = 0 if has_arrived else progress.failures + len(failed)
    update["refusals"] = 0 if has_arrived else progress.refusals + refused
    if has_arrived:
        update["arrived_at"] = now
    waiting = dict(progress.waiting)
    for item, result in results.items():
        left = _left(waiting.pop(item), result, now, jitter)
        waiting |= {item: left} if left else {}
    if has_arrived:
        waiting = {item: _after_arrival(progress, one, now) for item, one in waiting.items()}
    paused = _paused_until(failed, now)
    settled = progress.model_copy(update={**update, "waiting": waiting, "paused_until": paused})
    reason = _reason_to_disable(settled, failed, now)
    disabled = Disabled(at=now, reason=reason) if reason else None
    return settled.model_copy(update={"disabled": disabled})


def _left(one: Waiting, result: ItemResult, now: datetime, jitter: Jitter) -> Waiting | None:
    """The rest of an item that waits; None if all of it has arrived."""
    left = one.seqs[result.arrived :]
    if not left:
        return None
    if result.failure is None:
        return Waiting(seqs=left, since=now, due=now) if result.arrived else one
    is_same = one.tries > 0 and not result.arrived
    tries, since = (one.tries + 1, one.since) if is_same else (1, now)
    return Waiting(seqs=left, tries=tries, since=since, due=now + _delay(tries, jitter))


def _delay(tries: int, jitter: Jitter) -> timedelta:
    """The pause behind a number of failed tries: a step of the ladder, and up to a tenth more."""
    step_s = RETRIES_S[min(tries, len(RETRIES_S)) - 1]
    return timedelta(seconds=step_s * (1 + jitter() / 10))


def _after_arrival(progress: Progress, one: Waiting, now: datetime) -> Waiting:
    """An item that waits while another one has arrived.

    Of an endpoint that is back everything is due: it was down, or no answer of it was a refusal. An
    item that has failed since before the last arrival keeps its turn.
    """
    if progress.is_down:
        return _tried_anew(one, now)
    was_away = progress.failures > 0 and not progress.refusals
    began = progress.arrived_at is None or one.since > progress.arrived_at
    is_of_before = one.tries > 0 and one.since < now
    if was_away and began and is_of_before:
        return one.model_copy(update={"due": min(one.due, now)})
    return one


def _tried_anew(one: Waiting, now: datetime) -> Waiting:
    """An item that failed while its endpoint was down."""
    return one.model_copy(update={"tries": 0, "since": now, "due": now})


def _paused_until(failed: Sequence[Failure], now: datetime) -> datetime | None:
    pauses = [one.pause_s or _PAUSE_S for one in failed if one.pause_s is not None]
    return now + timedelta(seconds=min(max(pauses), _LONGEST_PAUSE_S)) if pauses else None


def _reason_to_disable(
    progress: Progress, failed: Sequence[Failure], now: datetime
) -> DisabledReason | None:
    if any(one.is_gone for one in failed):
        return "gone"
    since = progress.failing_since
    return "failing" if failed and since and now - since >= DISABLED_AFTER else None


def enable(progress: Progress, now: datetime) -> Progress:
    """The progress of an endpoint that is tried again at once, with all that waits."""
    waiting = {item: _tried_anew(one, now) for item, one in progress.waiting.items()}
    update = {
        "waiting": waiting,
        "disabled": None,
        "failures": 0,
        "refusals": 0,
        "tried_at": now,
        "paused_until": None,
    }
    return progress.model_copy(update=update)


def replay(progress: Progress, first: int, last: int) -> Progress:
    """Progress with the facts from *first* to *last* due again, behind those due already."""
    *spans, newest = progress.spans
    last = min(last, newest.next - 1)
    again = (Span(next=first, last=last),) if first <= last else ()
    earlier = [one for one in again if first < progress.first and one not in progress.replayed]
    update = {"spans": (*spans, *again, newest), "replayed": (*progress.replayed, *earlier)}
    return progress.model_copy(update=update)
