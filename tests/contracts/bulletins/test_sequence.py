"""Among the issues of a series: gaps and doubles of numbers, of days, and of items."""

from random import Random

import pytest

from contracts.bulletins import sequence
from contracts.bulletins.issue import PublishedIssue
from tests.support.bulletin_history import SERIES_ID, a_released_item, propose


def out(number: int, of_week: int, *items: str, content_id: str = "", is_out: bool = True):
    at = propose(number=number, of_week=of_week)
    entries = [a_released_item(name, first_shown_at=at.gathered_until) for name in items]
    issue = propose(*entries, number=number, of_week=of_week)
    return PublishedIssue(content_id or issue.content_id, issue, is_out)


def found(*issues) -> list[tuple[str, str]]:
    return [(error.rule, error.key) for error in sequence.sequence_errors(issues)]


def key(number: int) -> str:
    return f"{SERIES_ID}-2026-so-{number:02d}"


def test_issues_one_after_the_other_are_right_in_any_order_of_reading():
    issues = [out(1, 0, "a"), out(2, 1, "b"), out(3, 2, "c")]
    assert found(*issues) == found(*reversed(issues)) == []


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        ([out(1, 0), out(3, 1)], (sequence.NUMBER_MISSING, key(2))),
        ([out(1, 0), out(1, 0, content_id="so-khac")], (sequence.NUMBER_TWICE, key(1))),
        ([out(1, 0), out(2, 0)], (sequence.DAYS, key(2))),
        ([out(1, 1), out(2, 0)], (sequence.DAYS, key(2))),
        ([out(1, 5), out(2, 6), out(3, 5)], (sequence.DAYS, key(3))),
        ([out(1, 0, "a"), out(2, 1, "a")], (sequence.ITEM_TWICE, "a")),
    ],
    ids=["no-number", "number-twice", "days-twice", "days-before", "days-of-first", "item-twice"],
)
def test_a_gap_or_a_double_is_named(issues, expected):
    assert found(*issues) == [expected]


def test_a_withdrawn_issue_keeps_its_number_and_gives_its_items_and_days_back():
    assert found(out(1, 0, "a", is_out=False), out(2, 0, "a")) == []


def test_days_without_an_issue_are_no_error():
    assert found(out(1, 0), out(2, 2)) == []


@pytest.mark.parametrize("seed", range(20))
def test_an_issue_is_named_for_its_days_exactly_where_they_are_refused(seed):
    chance = Random(seed)
    issues = [
        out(number, chance.randrange(8), is_out=chance.random() < 0.8) for number in range(1, 7)
    ]
    refused = [
        one.content_id
        for number, one in enumerate(issues)
        if one.is_out and any(sequence.days_taken(one.issue.order, one.issue.span, issues[:number]))
    ]
    named = [key for rule, key in found(*issues) if rule == sequence.DAYS]
    assert named == refused


def test_a_year_may_begin_in_the_middle_of_a_series_and_counts_anew():
    last_of_2026 = out(1, 12)
    first_of_2027 = out(1, 13)
    assert (last_of_2026.issue.year, first_of_2027.issue.year) == (2026, 2027)
    assert found(last_of_2026, first_of_2027) == []


def test_the_first_issue_behind_a_missing_number_is_found_in_each_year():
    issues = [out(1, 0), out(2, 12), out(1, 13), out(3, 15)]
    assert sequence.behind_gap(issues) == issues[-1]
    assert sequence.behind_gap(issues[:-1]) is None
    assert sequence.behind_gap([issues[1]]) == issues[1]


def test_the_next_number_follows_the_highest_one():
    assert sequence.next_number([]) == 1
    assert sequence.next_number([1, 4, 2]) == 5
