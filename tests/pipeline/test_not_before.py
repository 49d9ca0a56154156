"""A text that waits for its `not_before`: what takes its place meanwhile, and when it was shown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.portal.index.listings import listing_entries
from channels.portal.model.item import build_item
from channels.portal.model.site import Site
from consumers.intake import items
from consumers.intake.items import RELEASE_SLACK, Item, ItemSummary
from contracts.delivery import ChannelName
from contracts.vocabulary import DEFAULT
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted, withdrawn
from tests.support.pipeline_harness import PipelineHarness
from tests.support.publications import RELEASED_AT, a_publication

EMAIL, PORTAL, ZALO = ChannelName.EMAIL, ChannelName.PORTAL, ChannelName.ZALO
HOUR = 3600.0


@pytest.fixture
async def pipeline(bus, tmp_path):
    await register_unit(bus, release="automatic")
    return PipelineHarness(bus, tmp_path)


def at(pipeline: PipelineHarness, hours: float) -> datetime:
    return datetime.fromtimestamp(pipeline.clock() + hours * HOUR, UTC)


def scheduled(pipeline: PipelineHarness, hours: float):
    """A first text that is to be shown in so many hours."""
    return submitted(not_before=at(pipeline, hours).isoformat())


async def take(pipeline: PipelineHarness, event):
    """Take the event in; the newest publication of the item."""
    await pipeline.intake.handle(event, UNIT)
    return (await pipeline.released(ITEM))[-1].publication


def revisions(pipeline: PipelineHarness) -> dict[ChannelName, set[int]]:
    """Which texts each channel's public has seen."""
    return {name: {number for number, _ in one} for name, one in pipeline.effects_of(ITEM).items()}


@pytest.mark.promise("3.7")
async def test_what_is_withdrawn_before_its_time_is_known_to_nobody(pipeline):
    await take(pipeline, scheduled(pipeline, 2))
    await take(pipeline, withdrawn())
    await pipeline.deliver(ITEM, backwards=True)
    assert list(revisions(pipeline).values()) == [set()] * 3
    await pipeline.deliver(ITEM, again=True)
    assert list(revisions(pipeline).values()) == [set()] * 3


async def test_what_is_withdrawn_after_its_time_is_taken_back(pipeline):
    await take(pipeline, scheduled(pipeline, 2))
    await pipeline.deliver(ITEM)
    await take(pipeline, withdrawn())
    await pipeline.deliver(ITEM)
    assert list(revisions(pipeline).values()) == [{1, 2}] * 3


@pytest.mark.promise("3.7")
@pytest.mark.parametrize("hours", [None, 1.0, 2.0, 3.0], ids=lambda one: f"for {one}")
@pytest.mark.parametrize("backwards", [False, True])
async def test_a_text_that_is_corrected_before_its_time_was_never_there(pipeline, hours, backwards):
    await take(pipeline, scheduled(pipeline, 2))
    when = {"not_before": at(pipeline, hours).isoformat()} if hours else {}
    second = await take(pipeline, corrected(reason="Sửa trước giờ", **when))
    assert (second.action, second.reason) == ("published", "")
    assert second.first_shown_at == second.shown_at == at(pipeline, hours or 0.0)
    await pipeline.deliver(ITEM, backwards=backwards)
    assert list(revisions(pipeline).values()) == [{2}] * 3


async def test_a_text_corrected_after_its_time_says_so_and_since_when_it_was_there(pipeline):
    start = at(pipeline, 2)
    first = await take(pipeline, submitted(not_before=start.isoformat()))
    assert (first.released_at < start, first.first_released_at) == (True, start)
    await pipeline.deliver(ITEM)
    second = await take(pipeline, corrected(reason="Nhầm ngày"))
    told = (second.action, second.reason, second.first_shown_at)
    assert told == ("corrected", "Nhầm ngày", start)
    await pipeline.deliver(ITEM)
    assert list(revisions(pipeline).values()) == [{1, 2}] * 3


async def test_a_correction_moments_before_the_time_is_called_one(pipeline):
    """The planner of the first text may not know of the second yet."""
    await take(pipeline, scheduled(pipeline, 1))
    pipeline.clock.advance(HOUR - RELEASE_SLACK.total_seconds() / 2)
    second = await take(pipeline, corrected(reason="Nhầm ngày"))
    assert second.action == "corrected"
    await pipeline.deliver(ITEM)
    assert revisions(pipeline)[EMAIL] == {2}


async def test_what_comes_back_after_nobody_saw_it_is_new(pipeline):
    await take(pipeline, scheduled(pipeline, 2))
    await take(pipeline, withdrawn())
    again = await take(pipeline, corrected(revision=3, reason="Đăng lại"))
    assert (again.action, again.first_shown_at) == ("published", again.shown_at)


async def test_a_withdrawal_does_not_queue_behind_the_bulk_that_it_is_to_stop(pipeline):
    for number, lane in enumerate(("bulk", "normal"), 1):
        first = await take(pipeline, submitted(revision=2 * number - 1, lane=lane))
        gone = await take(pipeline, withdrawn(id=f"gone-{number}"))
        assert (first.lane, gone.lane) == (lane, "normal")


def test_an_item_is_in_sight_from_its_time_until_it_is_taken_back():
    def at(hours: float) -> datetime:
        return RELEASED_AT + timedelta(hours=hours)

    one = items.release(Item(unit=UNIT), 1, ItemSummary(), at(0), at(2))
    assert [items.is_visible(one, at(hours)) for hours in (1, 2)] == [False, True]
    overtaken = items.release(one, 2, ItemSummary(), at(1), at(5))
    assert [items.is_visible(overtaken, at(hours)) for hours in (3, 5)] == [False, True]
    gone = items.release_withdrawal(one, 2, at(3))
    assert not items.is_visible(gone, at(4))
    back = items.release(gone, 3, ItemSummary(), at(4), at(9))
    assert [items.is_visible(back, at(hours)) for hours in (5, 9)] == [False, True]


async def test_after_a_restore_what_was_overtaken_is_still_known_as_such(bus, pipeline):
    """The register comes from a backup that has none of it; both events come again, later."""
    events = [scheduled(pipeline, 2), corrected(not_before=at(pipeline, 4).isoformat())]
    before = [await take(pipeline, one) for one in events]
    known = await pipeline.intake.repository.item(ITEM)
    await bus.connection.api_request("STREAM.PURGE.KV_publications")
    pipeline.clock.advance(3 * HOUR)
    for one in events:
        await pipeline.intake.handle(one, UNIT)
    assert [one.publication for one in await pipeline.released(ITEM)] == before
    again = await pipeline.intake.repository.item(ITEM)
    assert (again.released, again.starts) == (known.released, known.starts)
    assert items.halt_mark(again, 1) == "v2"


def test_a_scheduled_item_stands_on_shelves_and_pages_at_its_time():
    start = RELEASED_AT + timedelta(days=3)
    for first in (RELEASED_AT, start):  # as an older Loa wrote it, and as this one does
        one = a_publication(released_at=RELEASED_AT, first_released_at=first, not_before=start)
        [spot] = listing_entries(one, ["tat-ca"])
        seen = build_item(one, "", Site("https://tin.example.gov.vn", DEFAULT))
        assert (spot.published_us, spot.changed_us) == (int(start.timestamp() * 1_000_000), 0)
        assert (seen.published, seen.updated, seen.renewed) == (start, start, None)


step = st.tuples(st.integers(1, 40), st.none() | st.integers(1, 60), st.booleans())


@given(st.lists(step, max_size=6))
def test_texts_count_as_shown_when_a_planner_that_keeps_the_rule_shows_them(story):
    """Each step: minutes later, its own start in minutes from then, or a withdrawal."""
    item, now = Item(unit=UNIT), RELEASED_AT
    for number, (later, start, gone) in enumerate(story, 1):
        now += timedelta(minutes=later)
        if gone:
            item = items.release_withdrawal(item, number, now)
        else:
            begins = now + timedelta(minutes=start, seconds=30) if start else None
            item = items.release(item, number, ItemSummary(), now, begins)
    texts = [one for one in item.released if one not in item.withdrawals]
    kept = [one for one in texts if not items.halt_mark(item, one)]
    assert items.visible_revisions(item, len(story)) == kept, "no decision lies in the slack"
    for one in texts:
        newer = [at for other, at in item.released.items() if other > one]
        assert (one in kept) == all(at > item.visible_from(one) for at in newer)
