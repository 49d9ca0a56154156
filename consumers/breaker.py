"""A channel's circuit breaker: pure transitions from one state to the next.

    closed ── trouble ──► open ── its wait is over, somebody tries ──► half-open
      ▲                     ▲                                            │  │
      │                     └──────────── failed: a longer wait ─────────┘  │
      └─────────────────────────────── it works ────────────────────────────┘

Times are seconds since the epoch. `who` is a worker's slot, so that one probe runs at a time.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from channels.base import Outcome, Verdict
from contracts.delivery import Lane

WAITS_S = (5.0, 15.0, 30.0)
"""The last one bounds how late a recovery is seen, where something waits that can try."""
PROBE_S = 60.0
RELAPSE_S = 60.0
MARKS = 8
FEW = 3
ANSWERS = frozenset(
    (
        Verdict.DELIVERED,
        Verdict.FAILED,
        Verdict.SUPPRESSED,
        Verdict.DEFERRED,
        Verdict.HELD,
    )
)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """`since` is when the trouble began, or when it ended; `failures` go on over a relapse.

    `shy`: only people whose addresses anybody may have made up were turned away. Then no other lane
    waits for the next probe: its batch is one.
    """

    state: State = State.CLOSED
    since: float = 0.0
    reason: str = ""
    failures: int = 0
    until: float = 0.0  # open: the next probe; half-open: when its probe counts as dead
    who: str = ""  # who probes, or whose probe closed it
    shy: bool = False

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED


FIELDS = frozenset(one.name for one in fields(Breaker))


def encode(breaker: Breaker) -> bytes:
    return json.dumps(asdict(breaker), ensure_ascii=False).encode()


def decode(data: bytes) -> Breaker:
    """What a version without probes wrote reads as closed: it lapsed by itself.

    What a newer version has added is left out.
    """
    said = {name: value for name, value in json.loads(data).items() if name in FIELDS}
    return Breaker(**{**said, "state": State(said["state"])}) if "state" in said else Breaker()


def trip(breaker: Breaker, who: str, reason: str, now: float, *, shy: bool = False) -> Breaker:
    """The channel as a whole can't work. Soon after a recovery the waits go on growing.

    A recovery that somebody else has just seen is believed: then it is *who* that has the trouble.
    """
    if not breaker.is_closed:
        return breaker
    relapse = now - breaker.since <= RELAPSE_S
    if relapse and breaker.who not in ("", who):
        return breaker
    failures = breaker.failures if relapse else 0
    return wait(replace(breaker, since=now, failures=failures, shy=shy), reason, now)


def wait(breaker: Breaker, reason: str, now: float) -> Breaker:
    """Open until the next probe."""
    until = now + WAITS_S[min(breaker.failures, len(WAITS_S) - 1)]
    failures = breaker.failures + 1
    return replace(breaker, state=State.OPEN, reason=reason, until=until, failures=failures, who="")


def due(breaker: Breaker, now: float, lane: Lane = Lane.NOTICE) -> bool:
    """Whether a probe of *lane* may begin; without one, by the wait alone.

    A clock that was set back does not make anybody wait for it.
    """
    if breaker.is_closed:
        return False
    if breaker.state is State.OPEN and breaker.shy and lane is not Lane.NOTICE:
        return True
    return now >= breaker.until or breaker.until - now > 2 * PROBE_S


def probe(breaker: Breaker, who: str, now: float, lane: Lane = Lane.NOTICE) -> Breaker:
    """*who* tries, alone, for at most PROBE_S."""
    if not due(breaker, now, lane):
        return breaker
    return replace(breaker, state=State.HALF_OPEN, who=who, until=now + PROBE_S)


def probes(breaker: Breaker, who: str) -> bool:
    return breaker.state is State.HALF_OPEN and breaker.who == who


def fail(breaker: Breaker, who: str, reason: str, now: float, *, shy: bool = False) -> Breaker:
    """The probe of *who* met the same trouble, or another."""
    return wait(replace(breaker, shy=shy), reason, now) if probes(breaker, who) else breaker


def succeed(breaker: Breaker, who: str, now: float) -> Breaker:
    """The probe of *who* got an answer."""
    if not probes(breaker, who):
        return breaker
    return replace(breaker, state=State.CLOSED, since=now, reason="", until=0.0, shy=False)


def abandon(breaker: Breaker, who: str, now: float) -> Breaker:
    """The probe of *who* had nothing to ask: the next one may begin at once."""
    if not probes(breaker, who):
        return breaker
    return replace(breaker, state=State.OPEN, until=now, who="")


def mark(outcomes: Iterable[Outcome]) -> bool | None:
    """Whether a window speaks for the channel (True), against it (False), or says nothing.

    Whom it turns away says neither: see `consumers.turned_away`.
    """
    said = [one for one in outcomes if one.asked]
    strained = sum(one.trouble or one.verdict is Verdict.DOUBT for one in said)
    good = sum(map(answered, said))
    if strained > good:
        return False
    return True if good else None


def answered(outcome: Outcome) -> bool:
    """Whether the channel works, as far as one row can show it."""
    spoke = outcome.asked and outcome.verdict in ANSWERS
    return spoke and not outcome.trouble and not outcome.turned_away


def strained(marks: Sequence[bool]) -> bool:
    """Whether too many of the latest windows spoke against the channel."""
    bad = marks.count(False)
    return bad >= FEW and 2 * bad >= len(marks)
