"""When readers first saw an item, as the desk's index tells it: never a time that was moved."""

from datetime import timedelta
from functools import reduce

import pytest

from consumers.desk.index.projection import ItemHistory
from contracts.delivery import ChannelName
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import NOT_RELEASED
from tests.support.editorial_world import START
from tests.support.listed_items import publish, save, step

K = ActionKind
DAY = timedelta(days=1)


def everywhere(at):
    return dict.fromkeys(ChannelName, at)


def released(at, leaves, **data):
    """The acts that bring a text to readers at a later time."""
    return (
        save("nv-an", at=at, not_before=leaves.isoformat(), **data),
        step(K.SUBMIT, "nv-an", at=at),
        step(K.CONFIRM, "nv-binh", at=at),
        step(K.PROPOSE, "nv-chi", at=at),
        step(K.APPROVE, "nv-dung", at=at),
        publish(at=at),
    )


def told(*builds) -> ItemHistory:
    def after(item: ItemHistory, build) -> ItemHistory:
        return item.after(build(item.state), item.seq + 1)

    found = reduce(after, builds, ItemHistory("tin-1"))
    assert not found.broken
    return found


@pytest.mark.parametrize("moved_by", [-1, 3])
def test_a_text_that_is_moved_before_its_time_is_first_seen_at_the_new_one(moved_by):
    first, later = START + 2 * DAY, START + (2 + moved_by) * DAY
    assert told(
        *released(START, first), *released(START + DAY / 2, later)
    ).first_shown == everywhere(later)


def test_a_correction_leaves_the_moment_at_which_readers_first_saw_the_item():
    first = START + DAY
    corrected = released(START + 2 * DAY, START + 3 * DAY)
    assert told(*released(START, first), *corrected).first_shown == everywhere(first)


def test_a_channel_that_a_correction_adds_counts_from_its_time_and_stays():
    first, second = START + DAY, START + 3 * DAY
    mailed = released(START, first, channels=["email"])
    both = released(START + 2 * DAY, second, channels=["email", "portal"])
    shown = {ChannelName.EMAIL: first, ChannelName.PORTAL: second}
    assert told(*mailed, *both).first_shown == shown
    left = (step(K.WITHDRAW, "nv-dung", at=START + 2 * DAY, note="Sai."),)
    assert told(*mailed, *both, *left).first_shown == {ChannelName.EMAIL: first}
    later = released(START + 4 * DAY, START + 4 * DAY, channels=["zalo"])
    assert told(*mailed, *both, *later).first_shown == {
        **shown,
        ChannelName.ZALO: START + 4 * DAY,
    }


def test_a_text_that_is_withdrawn_before_its_time_was_never_seen():
    withdrawal = step(K.WITHDRAW, "nv-dung", at=START + DAY, note="Sai.")
    item = told(*released(START, START + 2 * DAY), withdrawal)
    assert item.state.status is Status.WITHDRAWN
    assert item.first_shown == {}


def test_another_plan_alone_is_in_force_and_leaves_when_readers_saw_the_item():
    first = START + DAY
    *decided, _ = released(START + 2 * DAY, first)
    before = told(*released(START, first))
    item = told(*released(START, first), *decided, publish(at=START + 2 * DAY, code=NOT_RELEASED))
    assert item.state.out == 2
    assert item.state.status is Status.PUBLISHED
    assert item.released == item.state.text
    times = ("first_shown", "published_at")
    assert [getattr(item, one) for one in times] == [getattr(before, one) for one in times]
