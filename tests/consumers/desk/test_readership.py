"""The desk tells people the same about readers as Loa's records."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.intake import items
from consumers.intake.items import Item, ItemSummary
from contracts.desk.shown.readership import Readership, readership_of
from contracts.editorial import Action, ActionKind, EditorialText, ItemState
from contracts.editorial.action import RULE

START = datetime(2026, 11, 30, 8, tzinfo=UTC)


class Going(NamedTuple):
    """A revision that goes out, and its own times; all in hours."""

    at: float
    begins: float | None = None
    ends: float | None = None


def moment(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def told(now: float, *going: Going, ended: int = 0) -> Readership:
    """Readership *now*, of revisions from 1 up."""
    acts = [act for number, one in enumerate(going, 1) for act in acts_of(number, one)]
    return readership_of(ItemState(ended=ended), acts, moment(now))


def acts_of(number: int, going: Going) -> list[Action]:
    times = {"not_before": going.begins, "expires_at": going.ends}
    times = {name: moment(one).isoformat() for name, one in times.items() if one is not None}
    text = EditorialText(unit="u", type="t", data={"revision": number, **times})
    facts = {"at": moment(going.at), "by": "loa", "revision": number, "hash": text.hash}
    brought = Action(id=f"s{number}", kind=ActionKind.SAVE, text=text, **facts)
    return [brought, Action(id=f"p{number}", kind=ActionKind.PUBLISH, role=RULE, **facts)]


@pytest.mark.parametrize(
    ("now", "going", "ended", "expected"),
    [
        (1, [], 0, Readership()),
        (1, [Going(0)], 0, Readership(seen=1)),
        (1, [Going(0, begins=2)], 0, Readership(ahead=1)),
        (2, [Going(0, begins=2)], 0, Readership(seen=1)),
        (3, [Going(0, ends=2)], 0, Readership(seen=1, is_over=True)),
        (2, [Going(0), Going(1, begins=3)], 0, Readership(seen=1, ahead=2)),
        (4, [Going(0, begins=3), Going(1, begins=5)], 0, Readership(ahead=2)),
        (2, [Going(0), Going(1)], 2, Readership(gone=2)),
        (3, [Going(0), Going(1), Going(2)], 2, Readership(seen=3)),
    ],
)
def test_readers_have_the_revision_whose_time_has_come(now, going, ended, expected):
    assert told(now, *going, ended=ended) == expected


starts = st.lists(st.none() | st.integers(0, 12), max_size=4)


@given(starts, st.integers(4, 16))
def test_what_the_desk_tells_is_what_the_record_says(begins, now):
    """Each revision goes out an hour after the one before; its own time is on a quarter past."""
    going = [Going(at, one if one is None else one + 0.25) for at, one in enumerate(begins)]
    item = Item(unit="u")
    for number, one in enumerate(going, 1):
        start = None if one.begins is None else moment(one.begins)
        item = items.release(item, number, ItemSummary(), moment(one.at), start)
    assert told(now, *going).seen == items.visible_revision(item, moment(now))
