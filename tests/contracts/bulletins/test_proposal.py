"""A proposed issue: what is new since the last one, once; and what became wrong since, once."""

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from contracts.bulletins import proposal, sequence
from contracts.bulletins.issue import MAX_ENTRIES
from contracts.bulletins.proposal import WITHDRAWN, entry_of, known_revisions, outdated
from tests.support.bulletin_history import (
    BEGIN,
    SERIES,
    TOPICS,
    BulletinHistory,
    a_released_item,
    new_issue,
    propose,
)

_HOUR, _WEEK = timedelta(hours=1), timedelta(days=7)
_STORIES, _WEEKS = 120, 6


def ids(issue) -> list[str]:
    return [entry.content_id for entry in issue.entries]


def test_an_item_goes_into_the_first_section_that_has_its_topic():
    issue = propose(a_released_item("so", topic="chuyen-doi-so"))
    filled = {section.id: section.entries for section in issue.sections if section.entries}
    assert [entry.content_id for entry in filled.pop("so")] == ["so"] and not filled
    assert [section.id for section in issue.sections] == list(SERIES.sections)


def test_a_section_has_its_items_in_the_order_of_their_release():
    late = a_released_item("a", first_shown_at=BEGIN + 5 * _HOUR)
    assert ids(propose(late, a_released_item("b"))) == ["b", "a"]


@pytest.mark.parametrize(
    "changes",
    [
        {"topic": "lich-nghi-le"},
        {"action": WITHDRAWN},
        {"has_page": False},
        {"expires_at": BEGIN + 2 * _HOUR},
        {"expires_at": BEGIN + _WEEK + 10 * _HOUR},
        {"first_shown_at": BEGIN - _HOUR},
        {"first_shown_at": BEGIN + _WEEK + _HOUR},
    ],
    ids=["other-topic", "withdrawn", "no-page", "expired", "expired-since", "before", "after"],
)
def test_what_readers_cannot_open_or_what_is_of_another_week_is_left_out(changes):
    assert ids(propose(a_released_item(**changes))) == []


def test_a_day_begins_at_midnight():
    """Items that wait for a day are shown at exactly that moment."""
    first = a_released_item("a", first_shown_at=BEGIN)
    next_week = a_released_item("b", first_shown_at=BEGIN + _WEEK)
    issue = propose(first, next_week)
    assert ids(issue) == ["a"]
    assert ids(propose(first, next_week, earlier=[issue], number=2, of_week=1)) == ["b"]


def test_an_item_of_an_earlier_issue_is_not_proposed_again():
    item = a_released_item()
    first = propose(item)
    assert ids(propose(item, earlier=[first], number=2, of_week=1)) == []


def test_an_item_released_after_an_early_issue_is_in_the_next_one():
    early = proposal.propose(new_issue(), [], {}, BEGIN + _HOUR)
    late = a_released_item(first_shown_at=BEGIN + 2 * _HOUR)
    assert ids(propose(late, earlier=[early], number=2, of_week=1)) == ["tin-1"]


def test_an_item_that_readers_got_after_an_issue_is_in_the_next_one():
    late = a_released_item("tre", first_shown_at=BEGIN + 2 * _HOUR)
    late = late._replace(gathered_from=BEGIN + _WEEK + _HOUR)
    first = propose(a_released_item())
    assert ids(propose(late, earlier=[first], number=2, of_week=1)) == ["tre"]


def test_what_finds_no_room_is_first_in_the_next_issue():
    items = [
        a_released_item(f"tin-{n}", first_shown_at=BEGIN + n * timedelta(minutes=1))
        for n in range(1, MAX_ENTRIES + 8)
    ]
    first = propose(*items)
    second = propose(*items, earlier=[first], number=2, of_week=1)
    assert len(first.entries) == MAX_ENTRIES
    assert ids(second) == [f"tin-{n}" for n in range(MAX_ENTRIES + 1, MAX_ENTRIES + 8)]


def test_a_corrected_and_a_withdrawn_item_of_an_earlier_issue_are_told_once():
    items = [a_released_item("sua"), a_released_item("go"), a_released_item("giu")]
    first = propose(*items)
    changed = [
        a_released_item("sua", revision=2, action="corrected", reason="Sai ngày."),
        a_released_item("go", revision=2, action=WITHDRAWN),
        items[2],
    ]
    second = propose(*changed, earlier=[first], number=2, of_week=1)
    assert ids(second) == []
    assert {(one.content_id, one.change) for one in second.amendments} == {
        ("sua", "corrected"),
        ("go", "withdrawn"),
    }
    third = propose(*changed, earlier=[first, second], number=3, of_week=2)
    assert third.amendments == ()


def test_an_item_corrected_before_its_issue_is_an_item_and_no_correction():
    issue = propose(a_released_item(revision=2, action="corrected"))
    assert ids(issue) == ["tin-1"] and issue.amendments == ()


def test_an_issue_names_its_items_that_changed_after_it_was_made():
    items = {name: a_released_item(name) for name in ("sua", "go", "giu")}
    issue = propose(*items.values())
    items["sua"] = items["sua"]._replace(revision=2)
    items["go"] = items["go"]._replace(revision=2, action=WITHDRAWN)
    items["giu"] = items["giu"]._replace(expires_at=BEGIN + _WEEK)
    assert set(outdated(issue, items)) == {"sua", "go"}
    assert set(outdated(issue, items, BEGIN + _WEEK)) == {"sua", "go", "giu"}


@pytest.mark.parametrize("seed", range(_STORIES))
def test_over_weeks_of_work_nothing_is_told_twice_and_nothing_is_left_out(seed):
    history = BulletinHistory(Random(seed))
    history.run(_WEEKS)
    told = Counter(entry.content_id for issue in history.out for entry in issue.entries)
    assert not [name for name, count in told.items() if count > 1]
    assert not {error.rule for error in sequence.sequence_errors(history.published)}
    assert missing_items(history) <= history.dropped
    assert wrong_amendments(history) == []


def missing_items(history) -> set[str]:
    """Items of the time of the issues that no issue has, and that readers still have."""
    end = max(issue.gathered_until for issue in history.out or [propose()])
    told = {name for issue in history.out for name in issue.content_ids}
    return {
        item.content_id
        for item in history.released.values()
        if item.topic in TOPICS and item.action != WITHDRAWN
        and item.first_shown_at <= end and item.content_id not in told
    }  # fmt: skip


def wrong_amendments(history) -> list[str]:
    """Amendments of items that no earlier issue had, or in a revision that one already told of."""
    wrong, before = [], []
    for issue in history.out:
        known = known_revisions(before)
        wrong += [
            one.content_id for one in issue.amendments
            if one.revision <= known.get(one.content_id, one.revision)
        ]  # fmt: skip
        before.append(issue)
    return wrong


def test_an_item_in_another_language_is_not_proposed_and_says_so_where_it_is_added():
    english = a_released_item("anh", language="en")
    assert ids(propose(english, a_released_item("viet"))) == ["viet"]
    assert "tiếng Anh" in entry_of(english).text
    assert entry_of(english._replace(text="", language="fr")).text
