"""When to come again: as often as the operator wants, and never sooner than the site asks.

Pure arithmetic; *luck* is a random number from 0 to 1, so that not everybody knocks at once.
"""

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
JITTER = 0.1
STEPS_MAX = 20


def next_visit(every_s: float, asked_s: float, failures: int, luck: float) -> float:
    """Seconds until the next visit.

    *asked_s* is what the site said last, by max-age, ttl or Retry-After; at most a week of it
    counts. Each of *failures* in a row doubles the wait, up to a day.
    """
    patience: float = every_s * 2.0 ** min(failures, STEPS_MAX)
    wished = max(every_s, min(patience, DAY_S), min(asked_s, WEEK_S))
    return wished * (1 + JITTER * luck)
