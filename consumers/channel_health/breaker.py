"""A channel's circuit breaker: pure transitions from one state to the next.

    closed ── failure ──► open ── the wait is over, a probe starts ──► half-open
      ▲                     ▲                                            │  │
      │                     └──────── the probe failed: a longer wait ───┘  │
      └──────────────────────────── the probe succeeded ────────────────────┘

Times are seconds since the epoch. `worker` is a worker's slot, so that one probe runs at a time.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from channels.base import Outcome, Verdict
from contracts.delivery import Lane
from contracts.records import Record

PROBE_WAITS_S = (5.0, 15.0, 30.0)
"""Waits before a probe; the last one bounds how late a recovery is seen."""
PROBE_TIMEOUT_S = 60.0
RELAPSE_S = 60.0
SCORED_WINDOWS = 8
_MIN_BAD_WINDOWS = 3
_REMEDIES = {
    "index_lost": "`loa rebuild portal`",
    "no consent yet": "`loa zalo connect`",
    "the consent is lost": "`loa zalo connect`",
}
_ANSWER_VERDICTS = frozenset(
    (Verdict.DELIVERED, Verdict.FAILED, Verdict.SUPPRESSED, Verdict.DEFERRED, Verdict.HELD)
)


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker(Record):
    """`since`: when the failure began, or ended; `failures` are kept over a relapse.

    `shy` (a stored name): every rejection was for an unverified address, so other lanes may probe
    at once.
    """

    state: BreakerState = BreakerState.CLOSED
    since: float = 0.0
    reason: str = ""
    failures: int = 0
    until: float = 0.0  # open: the next probe; half-open: when its probe times out
    who: str = ""  # the worker that probes, or whose probe closed it
    shy: bool = False

    @property
    def is_closed(self) -> bool:
        return self.state is BreakerState.CLOSED


def remedy(reason: str) -> str:
    """The command that resolves a breaker's reason; empty if there is none."""
    return _REMEDIES.get(reason.partition(":")[0], "")


def fail(
    breaker: Breaker, worker: str, reason: str, now: float, *, unverified_only: bool = False
) -> Breaker:
    """Open the breaker; after a failed probe of *worker*, with a longer wait.

    Soon after a recovery the waits continue to grow. If another worker's probe has just succeeded,
    the failure counts as this worker's own.
    """
    if is_probing(breaker, worker):
        return _open_until_probe(breaker.model_copy(update={"shy": unverified_only}), reason, now)
    if not breaker.is_closed:
        return breaker
    is_relapse = now - breaker.since <= RELAPSE_S
    if is_relapse and breaker.who not in ("", worker):
        return breaker
    failures = breaker.failures if is_relapse else 0
    update = {"since": now, "failures": failures, "shy": unverified_only}
    return _open_until_probe(breaker.model_copy(update=update), reason, now)


def _open_until_probe(breaker: Breaker, reason: str, now: float) -> Breaker:
    until = now + PROBE_WAITS_S[min(breaker.failures, len(PROBE_WAITS_S) - 1)]
    failures = breaker.failures + 1
    update = {"state": BreakerState.OPEN, "until": until, "failures": failures, "who": ""}
    return breaker.model_copy(update={**update, "reason": reason})


def is_probe_due(breaker: Breaker, now: float, lane: Lane = Lane.NOTICE) -> bool:
    """Whether a probe of *lane* may begin.

    A wait far in the future, after a clock was set back, is ignored.
    """
    if breaker.is_closed:
        return False
    if breaker.state is BreakerState.OPEN and breaker.shy and lane is not Lane.NOTICE:
        return True
    return now >= breaker.until or breaker.until - now > 2 * PROBE_TIMEOUT_S


def start_probe(breaker: Breaker, worker: str, now: float, lane: Lane = Lane.NOTICE) -> Breaker:
    """Let *worker* probe, alone, for at most PROBE_TIMEOUT_S."""
    if not is_probe_due(breaker, now, lane):
        return breaker
    update = {"state": BreakerState.HALF_OPEN, "who": worker, "until": now + PROBE_TIMEOUT_S}
    return breaker.model_copy(update=update)


def is_probing(breaker: Breaker, worker: str) -> bool:
    return breaker.state is BreakerState.HALF_OPEN and breaker.who == worker


def succeed_probe(breaker: Breaker, worker: str, now: float) -> Breaker:
    """Close the breaker if *worker* was probing."""
    if not is_probing(breaker, worker):
        return breaker
    update = {"state": BreakerState.CLOSED, "since": now, "reason": "", "until": 0.0, "shy": False}
    return breaker.model_copy(update=update)


def abandon_probe(breaker: Breaker, worker: str, now: float) -> Breaker:
    """End a probe without a result: the next one may begin at once."""
    if not is_probing(breaker, worker):
        return breaker
    return breaker.model_copy(update={"state": BreakerState.OPEN, "until": now, "who": ""})


def score_window(outcomes: Iterable[Outcome]) -> bool | None:
    """True if a window shows that the channel works, False if it fails, None if neither.

    Rejections by policy count for neither: see `consumers.channel_health.rejections`.
    """
    reached = [outcome for outcome in outcomes if outcome.reached_provider]
    failures = sum(map(_is_failure, reached))
    answers = sum(map(is_answer, reached))
    if failures > answers:
        return False
    return True if answers else None


def _is_failure(outcome: Outcome) -> bool:
    """Whether one row shows that the channel fails."""
    in_doubt = outcome.verdict is Verdict.DOUBT and not outcome.accepted
    return outcome.channel_wide or in_doubt


def is_answer(outcome: Outcome) -> bool:
    """Whether one row shows that the channel works."""
    is_known = outcome.accepted or outcome.verdict in _ANSWER_VERDICTS
    answered = outcome.reached_provider and is_known
    return answered and not outcome.channel_wide and not outcome.policy_rejected


def is_failing(scores: Sequence[bool]) -> bool:
    """Whether at least half of the latest windows, and MIN_BAD_WINDOWS, were bad."""
    bad = scores.count(False)
    return bad >= _MIN_BAD_WINDOWS and 2 * bad >= len(scores)
