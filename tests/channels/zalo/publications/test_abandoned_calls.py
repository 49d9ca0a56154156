"""A create that lands too late leaves a hidden copy: it is looked for a day long, and removed."""

import json

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.publications.abandoned_calls import WATCH_S
from channels.zalo.publications.record import AbandonedCall, ArticleRecord
from channels.zalo.timing import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import sample_correction, sample_withdrawal
from tests.support.zalo_late_effects import (
    CREATE,
    LateEffects,
    event_names,
    publish_with_broadcast,
)

ITEM = "lich-nghi-tet-2027"


async def too_late(stage) -> LateEffects:
    """An article that was created twice: the first `create` landed a minute after its time."""
    late = LateEffects(stage, CREATE, SETTLE_S + 60)
    await publish_with_broadcast(stage)
    assert stage.effects("article_created") == 1
    return late


async def test_a_create_that_lands_after_its_time_is_never_seen_by_the_public(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    assert zalo_account.effects("article_created") == 2
    assert [item.id for item in zalo_account.visible] == [
        zalo_account.article_store.record().article_id
    ]


@pytest.mark.promise("6.2")
async def test_its_copy_is_removed_by_the_next_look_and_that_is_said(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    with structlog.testing.capture_logs() as logs:
        await zalo_account.channel.articles.abandoned_calls.sweep()
    assert event_names(logs) == ["zalo_copy_removed"]
    assert [item.id for item in zalo_account.articles] == [
        zalo_account.article_store.record().article_id
    ]
    assert len(zalo_account.visible) == 1


async def test_a_look_before_it_lands_finds_nothing_and_does_not_end_the_search(zalo_account):
    await too_late(zalo_account)
    strays = zalo_account.channel.articles.abandoned_calls
    await strays.sweep()
    assert len(zalo_account.articles) == 1
    zalo_account.clock.advance(61)
    await strays.sweep()
    assert len(zalo_account.articles) == 1


async def test_after_a_restart_the_search_goes_on(zalo_account):
    """The process is gone; the record still has the abandoned call."""
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    zalo_account.new_channel()
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert [item.id for item in zalo_account.articles] == [
        zalo_account.article_store.record().article_id
    ]


async def test_after_a_restart_nobody_looks_for_what_is_a_day_old(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(WATCH_S + 1)
    zalo_account.new_channel()
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert zalo_account.channel.articles.abandoned_calls.begun_at == {}
    assert len(zalo_account.articles) == 2


async def test_the_item_s_next_revision_removes_the_copy(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    await publish_with_broadcast(zalo_account, sample_correction())
    [article] = zalo_account.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_a_notebook_that_is_away_at_the_start_is_read_at_the_next_look(
    zalo_account, monkeypatch
):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    strays = zalo_account.new_channel().articles.abandoned_calls

    async def away():
        raise Unreachable("bus")
        yield

    with monkeypatch.context() as patched, pytest.raises(Unreachable):
        patched.setattr(strays.records, "all", away)
        await strays.sweep()
    await strays.sweep()
    assert len(zalo_account.articles) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_second_call_that_is_given_up_does_not_hide_the_first(zalo_account, restarted):
    """Both creates land in the end, under the titles and markers of two revisions."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 3 * 3600, calls=2)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    await publish_with_broadcast(zalo_account, sample_correction())
    assert [one.title for one in zalo_account.article_store.record().strays] == [
        a_publication().title, sample_correction().title
    ]  # fmt: skip
    zalo_account.clock.advance(4 * 3600)
    assert len(zalo_account.articles) == 3
    if restarted:
        zalo_account.new_channel()
    await zalo_account.channel.articles.abandoned_calls.sweep()
    [article] = zalo_account.articles
    assert article.visible


def test_a_note_from_before_still_tells_of_the_one_call_that_it_had_room_for():
    old = json.dumps({"revision": 1, "stray_at": 7.0, "stray_marker": "m", "stray_title": "t"})
    note = ArticleRecord.decode(old.encode())
    assert note.strays == (AbandonedCall(7.0, "m", "t"),)
    assert ArticleRecord.decode(note.encode()) == note


async def test_a_create_given_up_under_one_revision_is_found_under_the_next(zalo_account):
    """The withdrawal found nothing to hide; a later text then has an article of its own."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 3600)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    zalo_account.clock.advance(SETTLE_S)
    await publish_with_broadcast(zalo_account, sample_correction())
    zalo_account.clock.advance(3600)
    assert len(zalo_account.articles) == 2
    await zalo_account.channel.articles.abandoned_calls.sweep()
    [article] = zalo_account.articles
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_what_could_not_be_looked_for_is_looked_for_again(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    zalo_account.fault("article.getslice", "html_before", times=3)
    with structlog.testing.capture_logs() as logs:
        await zalo_account.channel.articles.abandoned_calls.sweep()
    assert "zalo_stray_not_sought" in event_names(logs)
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert len(zalo_account.articles) == 1


@pytest.mark.parametrize("item", [sample_correction(), sample_withdrawal()])
async def test_a_zalo_that_can_not_be_asked_for_copies_holds_no_correction_up(zalo_account, item):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    zalo_account.fault("article.getslice", "html_before", times=99)
    assert (await zalo_account.send(item)).verdict is Verdict.DELIVERED


async def test_a_copy_that_somebody_has_shown_by_hand_is_reported_and_left(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(61)
    mine = zalo_account.article_store.record().article_id
    [copy] = [item for item in zalo_account.articles if item.id != mine]
    copy.payload["status"] = "show"
    with structlog.testing.capture_logs() as logs:
        await zalo_account.channel.articles.abandoned_calls.sweep()
    assert [(line["event"], line["article"]) for line in logs] == [("zalo_copy_left", copy.id)]
    assert len(zalo_account.articles) == 2


async def test_after_a_day_nobody_looks_any_more(zalo_account):
    await too_late(zalo_account)
    zalo_account.clock.advance(WATCH_S + 1)
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert zalo_account.channel.articles.abandoned_calls.begun_at == {}


async def test_a_sweep_asks_nothing_when_nothing_was_given_up(zalo_account):
    await publish_with_broadcast(zalo_account)
    before = zalo_account.sandbox.world.calls.total()
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert zalo_account.sandbox.world.calls.total() == before


async def test_a_notebook_that_is_away_ends_a_sweep_early(zalo_account, monkeypatch):
    await too_late(zalo_account)

    async def away(content_id):
        raise Unreachable("bus")

    monkeypatch.setattr(zalo_account.channel.articles.abandoned_calls.records, "read", away)
    with pytest.raises(Unreachable):
        await zalo_account.channel.articles.abandoned_calls.sweep()


async def test_an_article_that_is_just_being_created_is_no_copy(zalo_account):
    """The repeated `create` is in doubt as well: which one is ours is not decided yet."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 5, calls=1)
    await zalo_account.send(a_publication())
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    zalo_account.fault("article.create", "drop_after")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    zalo_account.clock.advance(6)
    await zalo_account.channel.articles.abandoned_calls.sweep()
    assert len(zalo_account.articles) == 2, "nothing is removed before one of them is ours"
    await publish_with_broadcast(zalo_account)
    assert len(zalo_account.articles) == 1
    assert len(zalo_account.visible) == 1


async def test_a_correction_that_is_just_being_made_is_no_text_that_came_back(zalo_account):
    await too_late(zalo_account)
    strays = zalo_account.channel.articles.abandoned_calls
    before = await zalo_account.article_store.read(ITEM)
    await publish_with_broadcast(zalo_account, sample_correction())
    with structlog.testing.capture_logs() as logs:
        await strays.check(ITEM, before)
    assert event_names(logs) == []
