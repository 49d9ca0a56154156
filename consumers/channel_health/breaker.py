"""A channel's circuit breaker: pure transitions from one state to the next.

    closed ── failure ──► open ── the wait is over, a probe starts ──► half-open
      ▲                     ▲                                            │  │
      │                     └──────── the probe failed: a longer wait ───┘  │
      └──────────────────────────── the probe succeeded ────────────────────┘

Times are seconds since the epoch. `worker` is a worker's slot, so that one probe runs at a time."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from channels.base import Outcome, Verdict
from contracts.delivery import Lane

PROBE_WAITS_S = (5.0, 15.0, 30.0)
"""The last one bounds how late a recovery is seen, where something waits that can try."""
PROBE_TIMEOUT_S = 60.0
RELAPSE_S = 60.0
SCORED_WINDOWS = 8
MIN_BAD_WINDOWS = 3
ANSWER_VERDICTS = frozenset(
    (
        Verdict.DELIVERED,
        Verdict.FAILED,
        Verdict.SUPPRESSED,
        Verdict.DEFERRED,
        Verdict.HELD,
    )
)


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """`since` is when the trouble began, or when it ended; `failures` go on over a relapse.

    `shy`: only people whose addresses anybody may have made up were turned away. Then no other lane
    waits for the next probe: its batch is one.
    """

    state: BreakerState = BreakerState.CLOSED
    since: float = 0.0
    reason: str = ""
    failures: int = 0
    until: float = 0.0  # open: the next probe; half-open: when its probe counts as dead
    who: str = ""  # who probes, or whose probe closed it
    shy: bool = False

    @property
    def is_closed(self) -> bool:
        return self.state is BreakerState.CLOSED


FIELD_NAMES = frozenset(one.name for one in fields(Breaker))


def encode(breaker: Breaker) -> bytes:
    return json.dumps(asdict(breaker), ensure_ascii=False).encode()


def decode(data: bytes) -> Breaker:
    """What a version without probes wrote reads as closed: it lapsed by itself.

    What a newer version has added is left out.
    """
    said = {name: value for name, value in json.loads(data).items() if name in FIELD_NAMES}
    return (
        Breaker(**{**said, "state": BreakerState(said["state"])}) if "state" in said else Breaker()
    )


def trip(
    breaker: Breaker, worker: str, reason: str, now: float, *, unverified_only: bool = False
) -> Breaker:
    """The channel as a whole can't work. Soon after a recovery the waits go on growing.

    A recovery that somebody else has just seen is believed: then it is *who* that has the trouble.
    """
    if not breaker.is_closed:
        return breaker
    relapse = now - breaker.since <= RELAPSE_S
    if relapse and breaker.who not in ("", worker):
        return breaker
    failures = breaker.failures if relapse else 0
    return open_until_probe(
        replace(breaker, since=now, failures=failures, shy=unverified_only), reason, now
    )


def open_until_probe(breaker: Breaker, reason: str, now: float) -> Breaker:
    """Open until the next probe."""
    until = now + PROBE_WAITS_S[min(breaker.failures, len(PROBE_WAITS_S) - 1)]
    failures = breaker.failures + 1
    return replace(
        breaker, state=BreakerState.OPEN, reason=reason, until=until, failures=failures, who=""
    )


def is_probe_due(breaker: Breaker, now: float, lane: Lane = Lane.NOTICE) -> bool:
    """Whether a probe of *lane* may begin; without one, by the wait alone.

    A clock that was set back does not make anybody wait for it.
    """
    if breaker.is_closed:
        return False
    if breaker.state is BreakerState.OPEN and breaker.shy and lane is not Lane.NOTICE:
        return True
    return now >= breaker.until or breaker.until - now > 2 * PROBE_TIMEOUT_S


def start_probe(breaker: Breaker, worker: str, now: float, lane: Lane = Lane.NOTICE) -> Breaker:
    """*who* tries, alone, for at most PROBE_S."""
    if not is_probe_due(breaker, now, lane):
        return breaker
    return replace(breaker, state=BreakerState.HALF_OPEN, who=worker, until=now + PROBE_TIMEOUT_S)


def is_probing(breaker: Breaker, worker: str) -> bool:
    return breaker.state is BreakerState.HALF_OPEN and breaker.who == worker


def fail_probe(
    breaker: Breaker, worker: str, reason: str, now: float, *, unverified_only: bool = False
) -> Breaker:
    """The probe of *who* met the same trouble, or another."""
    return (
        open_until_probe(replace(breaker, shy=unverified_only), reason, now)
        if is_probing(breaker, worker)
        else breaker
    )


def succeed_probe(breaker: Breaker, worker: str, now: float) -> Breaker:
    """The probe of *who* got an answer."""
    if not is_probing(breaker, worker):
        return breaker
    return replace(breaker, state=BreakerState.CLOSED, since=now, reason="", until=0.0, shy=False)


def abandon_probe(breaker: Breaker, worker: str, now: float) -> Breaker:
    """The probe of *who* had nothing to ask: the next one may begin at once."""
    if not is_probing(breaker, worker):
        return breaker
    return replace(breaker, state=BreakerState.OPEN, until=now, who="")


def score_window(outcomes: Iterable[Outcome]) -> bool | None:
    """Whether a window speaks for the channel (True), against it (False), or says nothing.

    Whom it turns away says neither: see `consumers.channel_health.rejections`.
    """
    said = [one for one in outcomes if one.reached_provider]
    strained = sum(one.channel_wide or one.verdict is Verdict.DOUBT for one in said)
    good = sum(map(is_answer, said))
    if strained > good:
        return False
    return True if good else None


def is_answer(outcome: Outcome) -> bool:
    """Whether the channel works, as far as one row can show it."""
    spoke = outcome.reached_provider and outcome.verdict in ANSWER_VERDICTS
    return spoke and not outcome.channel_wide and not outcome.policy_rejected


def is_failing(scores: Sequence[bool]) -> bool:
    """Whether too many of the latest windows spoke against the channel."""
    bad = scores.count(False)
    return bad >= MIN_BAD_WINDOWS and 2 * bad >= len(scores)
