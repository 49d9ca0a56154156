"""Backoff of deferred rows: minutes to days, kept in the ledger."""

import math

BACKOFF_S = (0.0, 5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0)
GIVE_UP_S = 72 * 3600.0
LAST_TRY_BEFORE_END_S = 600.0
ROUND_TO_S = 30.0
_GOLDEN_RATIO = 0.6180339887498949


def next_attempt_at(spent: int, now: float, after_s: float | None = None, spread: int = 0) -> float:
    """The time of the next attempt after *spent* ones, in seconds since the epoch.

    A longer delay of the provider wins. Long waits have up to 10 % jitter, spread evenly over the
    rows of a batch, and end on a half minute, so that one wake-up serves many rows.
    """
    wait_s = max(BACKOFF_S[min(spent, len(BACKOFF_S) - 1)], after_s or 0.0)
    if wait_s < 2 * ROUND_TO_S:
        return now + wait_s
    jittered = wait_s * (1 + 0.1 * (spread * _GOLDEN_RATIO % 1))
    return math.ceil((now + jittered) / ROUND_TO_S) * ROUND_TO_S


def clamp_to_end(due_at: float, now: float, end: float) -> float:
    """*due_at*, or, beyond *end*, one last attempt shortly before it, then *end* itself."""
    if due_at < end:
        return due_at
    last = end - LAST_TRY_BEFORE_END_S
    return last if now < last else end


def min_duration_s(attempts: int) -> float:
    """The shortest time in which *attempts* can happen; a first doubt is retried at once."""
    return sum(BACKOFF_S[min(rung, len(BACKOFF_S) - 1)] for rung in range(attempts - 1))
