"""Plan beside done: what is done, done late, late and to come, in working days."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base.working_days import default_working_days
from contracts.campaigns.progress import (
    CampaignItem,
    EntryState,
    PlanCounts,
    ShownItems,
    counts_of,
    progress_of,
)
from contracts.delivery import ChannelName
from tests.support.campaigns import a_joined_item, a_plan

PORTAL, EMAIL = ChannelName.PORTAL, ChannelName.EMAIL
IS_WORKING = default_working_days().is_working


def progress(*items, today="2026-12-21"):
    return progress_of(a_plan(), items, date.fromisoformat(today), IS_WORKING)


@pytest.mark.parametrize(
    ("shown_on", "today", "state", "late"),
    [
        (None, "2026-12-04", EntryState.PLANNED, 0),
        (None, "2026-12-05", EntryState.LATE, 0),
        (None, "2026-12-08", EntryState.LATE, 2),
        ("2026-12-04", "2026-12-30", EntryState.DONE, 0),
        ("2026-11-20", "2026-12-30", EntryState.DONE, 0),
        ("2026-12-07", "2026-12-30", EntryState.DONE_LATE, 1),
    ],
)
def test_a_planned_item_is_where_its_day_and_its_items_say(shown_on, today, state, late):
    found = progress(a_joined_item("mot", 1, shown_on), today=today).entries[0]
    assert (found.state, found.working_days_late) == (state, late)


def test_the_first_item_that_readers_saw_makes_it_done():
    items = (a_joined_item("hai", 1, "2026-12-10"), a_joined_item("mot", 1, "2026-12-03"))
    found = progress(*items, a_joined_item("ba", 1)).entries[0]
    assert [one.content_id for one in found.items] == ["mot", "hai", "ba"]
    assert found.state is EntryState.DONE


def on(item, *channels):
    return replace(item, first_on=dict.fromkeys(channels, item.shown_on))


def test_an_item_on_other_channels_than_the_planned_one_does_not_fulfil_it():
    portal = on(a_joined_item("mot", 2, "2026-12-03"), PORTAL)
    found = progress(portal).entries[1]
    assert found.planned.channel is ChannelName.EMAIL
    assert (found.state, found.items) == (EntryState.LATE, (portal,))
    mailed = on(a_joined_item("hai", 2, "2026-12-10"), PORTAL, EMAIL)
    assert progress(portal, mailed).entries[1].state is EntryState.DONE
    assert len(progress(portal, mailed).published) == 2


def test_a_planned_item_is_done_on_the_day_readers_first_had_it_on_the_planned_channel():
    first_on = {PORTAL: date(2026, 12, 3), EMAIL: date(2026, 12, 21)}
    found = progress(replace(a_joined_item("mot", 2), first_on=first_on)).entries[1]
    assert (found.state, found.working_days_late) == (EntryState.DONE_LATE, 1)
    [item] = found.items
    assert (item.shown_on, item.shown_for(found.planned)) == (first_on[PORTAL], first_on[EMAIL])


def test_items_that_no_planned_one_waited_for_are_additional():
    found = progress(
        a_joined_item("mot", 1, "2026-12-03"),
        a_joined_item("them", None, "2026-12-05"),
        a_joined_item("so-da-bo", 9, "2026-12-04"),
        a_joined_item("dang-viet"),
    )
    assert [one.content_id for one in found.additional] == ["so-da-bo", "them"]
    assert [one.content_id for one in found.at_work] == ["dang-viet"]
    assert [one.content_id for one in found.published] == ["mot", "so-da-bo", "them"]
    assert (found.done, found.count(EntryState.LATE)) == (1, 1)


def test_days_of_a_year_that_is_not_known_are_not_guessed():
    found = progress(today="2199-01-05")
    assert found.entries[0].working_days_late is None
    assert found.entries[0].state is EntryState.LATE


items_strategy = st.lists(
    st.builds(
        CampaignItem,
        content_id=st.uuids().map(str),
        title=st.just("Tin"),
        entry=st.none() | st.integers(1, 5),
        first_on=st.dictionaries(
            st.sampled_from(ChannelName), st.dates(date(2026, 11, 1), date(2027, 2, 28))
        ),
    ),
    max_size=12,
)


@given(items_strategy, st.dates(date(2026, 11, 1), date(2027, 2, 28)))
def test_every_item_is_in_one_place_and_every_planned_one_in_one_state(items, today):
    found = progress_of(a_plan(), items, today, IS_WORKING)
    placed = [one for entry in found.entries for one in entry.items]
    placed += [*found.additional, *found.at_work]
    assert sorted(one.content_id for one in placed) == sorted(one.content_id for one in items)
    assert sum(map(found.count, EntryState)) == len(a_plan().entries)


def groups(item):
    """The item as the index groups it: once for each day on which it came to more channels."""
    for day in set(item.first_on.values()):
        channels = frozenset(name for name, at in item.first_on.items() if at == day)
        yield ShownItems(item.entry, channels, day, int(day == item.shown_on))


@given(items_strategy, st.dates(date(2026, 11, 1), date(2027, 2, 28)))
def test_a_list_of_campaigns_counts_as_the_page_of_each(items, today):
    plan, found = a_plan(), progress_of(a_plan(), items, today, IS_WORKING)
    shown = [group for one in items for group in groups(one)]
    late = found.count(EntryState.LATE)
    counts = PlanCounts(len(plan.entries), found.done, late, len(found.published))
    assert counts_of(plan, shown, today) == counts
    assert len(found.published) == sum(one.shown_on is not None for one in items)
