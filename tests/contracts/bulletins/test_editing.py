"""Editing an issue: entries move, go and come; no other one is lost, doubled or reordered."""

from random import Random

import pytest
from pydantic import ValidationError

from contracts.bulletins import editing
from contracts.bulletins.issue import BulletinEntry
from contracts.errors import Conflict, Invalid, NotFound
from tests.support.bulletin_history import TOPICS, a_released_item, propose

_STORIES = 60


def an_issue():
    """Three items in the first section, two in the second."""
    first, second = "cai-cach-hanh-chinh", "the-che-chinh-sach"
    topics = {"a": first, "b": first, "c": first, "d": second, "e": second}
    return propose(*(a_released_item(name, topic=topic) for name, topic in topics.items()))


def ids(issue, section: int) -> str:
    return "".join(entry.content_id for entry in issue.sections[section].entries)


@pytest.mark.parametrize(
    ("item", "step", "first", "second"),
    [
        ("b", editing.UP, "bac", "de"),
        ("b", editing.DOWN, "acb", "de"),
        ("c", editing.DOWN, "ab", "cde"),
        ("d", editing.UP, "abcd", "e"),
        ("a", editing.UP, "abc", "de"),
    ],
    ids=["up", "down", "into-the-next-section", "into-the-one-before", "at-the-top"],
)
def test_an_entry_moves_by_one_and_on_into_the_next_section(item, step, first, second):
    moved = editing.move(an_issue(), item, step)
    assert (ids(moved, 0), ids(moved, 1)) == (first, second)


@pytest.mark.parametrize("item", ["a", "e"])
def test_moving_down_and_up_again_gives_the_issue_back(item):
    issue = an_issue()
    assert editing.move(editing.move(issue, item, editing.DOWN), item, editing.UP) == issue


def test_an_entry_is_put_before_another_or_at_the_end_of_a_section():
    issue = an_issue()
    assert ids(editing.place_before(issue, "e", "chi-dao", "b"), 0) == "aebc"
    assert ids(editing.place_before(issue, "a", "chi-dao", "c"), 0) == "bac"
    assert ids(editing.place_before(issue, "a", "the-che"), 1) == "dea"
    assert editing.place_before(issue, "a", "chi-dao", "a") == issue


def test_an_item_is_added_once_and_only_into_a_section_of_the_issue():
    issue, entry = an_issue(), BulletinEntry(content_id="moi", revision=1, title="Tin mới")
    added = editing.add(issue, "quoc-te", entry)
    assert added.entries[-1] == entry
    with pytest.raises(Conflict):
        editing.add(added, "chi-dao", entry)
    with pytest.raises(Invalid):
        editing.add(issue, "khong-co", entry)


def test_a_text_is_shortened_and_nothing_else_changes():
    issue = an_issue()
    short = editing.shorten(issue, "b", "Một câu.")
    assert short.entries[1].text == "Một câu."
    assert editing.shorten(short, "b", issue.entries[1].text) == issue
    with pytest.raises(ValidationError):
        editing.shorten(issue, "b", "dài " * 200)


def test_an_item_that_is_not_there_is_named():
    for edit in (editing.drop, lambda issue, id: editing.move(issue, id, editing.UP)):
        with pytest.raises(NotFound):
            edit(an_issue(), "la")


@pytest.mark.parametrize("seed", range(_STORIES))
def test_over_random_edits_every_entry_stays_unless_it_is_dropped(seed):
    chance = Random(seed)
    items = [a_released_item(f"tin-{n}", topic=chance.choice(TOPICS)) for n in range(8)]
    issue = propose(*items)
    expected = {entry.content_id: entry for entry in issue.entries}
    for _ in range(30):
        name = chance.choice([*expected])
        match chance.randrange(8):
            case 0 if len(expected) > 1:
                issue = editing.drop(issue, name)
                del expected[name]
            case 1 | 2 | 3:
                section = chance.choice(issue.sections)
                before = chance.choice(["", *(one.content_id for one in section.entries)])
                issue = editing.place_before(issue, name, section.id, before)
            case _:
                issue = editing.move(issue, name, chance.choice((editing.UP, editing.DOWN)))
        assert {entry.content_id: entry for entry in issue.entries} == expected
        assert len(issue.entries) == len(expected)
