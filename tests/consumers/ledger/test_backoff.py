"""The ladder: when a deferred row is tried again."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.ledger import backoff

NOW = 1_800_000_000.0
HOUR = 3600.0
spent = st.integers(0, 50)
delays = st.none() | st.floats(0, 90_000, allow_nan=False)
moments = st.floats(1_700_000_000, 2_000_000_000, allow_nan=False)


def wait_s(*args, **kwargs) -> float:
    return backoff.next_attempt_at(args[0], NOW, *args[1:], **kwargs) - NOW


@pytest.mark.parametrize(
    ("spent", "after_s", "expected_s"),
    [
        (0, None, 0), (1, None, 5), (2, None, 60), (3, None, 300), (4, None, 1800),
        (5, None, 2 * HOUR), (6, None, 5 * HOUR), (7, None, 10 * HOUR), (8, None, 10 * HOUR),
        (100, None, 10 * HOUR),
        (0, 20, 20), (1, 20, 20), (1, 2, 5), (3, 3600, 3600), (7, 10, 10 * HOUR),
    ],
)  # fmt: skip
def test_the_first_row_climbs_the_ladder_unless_asked_for_longer(spent, after_s, expected_s):
    assert wait_s(spent, after_s) == expected_s


@given(spent, moments, delays, st.integers(0, 499))
@example(3, NOW + 0.1, None, 499)
def test_nothing_is_tried_too_early_and_nothing_much_too_late(spent, now, after_s, spread):
    wanted = max(backoff.BACKOFF_S[min(spent, len(backoff.BACKOFF_S) - 1)], after_s or 0)
    waits = backoff.next_attempt_at(spent, now, after_s, spread=spread) - now
    assert wanted - 1e-3 <= waits <= wanted * 1.1 + backoff.ROUND_TO_S + 1e-3


@given(spent, moments, delays)
def test_short_waits_are_exact_and_long_ones_end_on_a_half_minute(spent, now, after_s):
    due = backoff.next_attempt_at(spent, now, after_s)
    assert due - now < 2 * backoff.ROUND_TO_S or due % backoff.ROUND_TO_S == 0


@given(st.integers(0, 20), moments, delays, st.integers(0, 499))
def test_who_has_failed_more_often_waits_at_least_as_long(spent, now, after_s, spread):
    sooner = backoff.next_attempt_at(spent, now, after_s, spread=spread)
    assert sooner <= backoff.next_attempt_at(spent + 1, now, after_s, spread=spread)


@pytest.mark.parametrize("spent", range(3, 8))
def test_a_batch_spreads_out_and_still_needs_few_wake_ups(spent):
    step_s = backoff.BACKOFF_S[spent]
    dues = [backoff.next_attempt_at(spent, NOW, spread=row) for row in range(500)]
    assert 2 <= len(set(dues)) <= step_s * 0.1 / backoff.ROUND_TO_S + 2
    most = max(dues.count(due) for due in set(dues))
    assert most <= 2 * 500 / (step_s * 0.1 / backoff.ROUND_TO_S), "evenly, not all at once"


def test_the_whole_ladder_fits_several_times_into_the_time_before_giving_up():
    assert sum(backoff.BACKOFF_S) < backoff.GIVE_UP_S / 3
