"""Backoff of deferred rows: minutes to days, kept in the ledger."""

import math

BACKOFF_S = (0.0, 5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0)
GIVE_UP_S = 72 * 3600.0
LAST_TRY_BEFORE_END_S = 600.0
ROUND_TO_S = 30.0
GOLDEN_RATIO = 0.6180339887498949


def next_attempt_at(
    attempts: int, now: float, after_s: float | None = None, *, spread: int = 0
) -> float:
    """When a row with *spent* attempts is tried again, in seconds since the epoch.

    The provider's own delay wins when it is longer. Long waits carry up to 10 % jitter, spread
    evenly over the rows of a batch, and end on a half minute, so that one wake-up serves many.
    """
    wait_s = max(BACKOFF_S[min(attempts, len(BACKOFF_S) - 1)], after_s or 0.0)
    if wait_s < 2 * ROUND_TO_S:
        return now + wait_s
    jittered = wait_s * (1 + 0.1 * (spread * GOLDEN_RATIO % 1))
    return math.ceil((now + jittered) / ROUND_TO_S) * ROUND_TO_S


def clamp_to_end(due_at: float, now: float, end: float) -> float:
    """Not beyond *end*: one last try shortly before it, then only the end itself."""
    if due_at < end:
        return due_at
    last = end - LAST_TRY_BEFORE_END_S
    return last if now < last else end


def min_duration_s(attempts: int) -> float:
    """The shortest time in which so many attempts can be spent: a first doubt waits for nothing."""
    return sum(BACKOFF_S[min(rung, len(BACKOFF_S) - 1)] for rung in range(attempts - 1))
