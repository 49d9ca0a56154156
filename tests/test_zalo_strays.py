"""A create that lands too late leaves a hidden copy: it is looked for a day long, and removed."""

import json
import random

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.notebook import Note, Stray
from channels.zalo.pace import SETTLE_S
from channels.zalo.strays import LATEST_S
from tests.builders import a_publication
from tests.zalo_late import CREATE, SEEDS, LateEffects, events, published
from tests.zalo_stage import a_correction, a_withdrawal, staged

ITEM = "lich-nghi-tet-2027"


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


async def too_late(stage) -> LateEffects:
    """An article that was created twice: the first `create` landed a minute after its time."""
    late = LateEffects(stage, CREATE, SETTLE_S + 60)
    await published(stage)
    assert stage.effects("article_created") == 1
    return late


async def test_a_create_that_lands_after_its_time_is_never_seen_by_the_public(stage):
    await too_late(stage)
    stage.clock.advance(61)
    assert stage.effects("article_created") == 2
    assert [item.id for item in stage.visible] == [stage.notebook.note().article_id]


async def test_its_copy_is_removed_by_the_next_look_and_that_is_said(stage):
    await too_late(stage)
    stage.clock.advance(61)
    with structlog.testing.capture_logs() as logs:
        await stage.channel.articles.strays.sweep()
    assert events(logs) == ["zalo_copy_removed"]
    assert [item.id for item in stage.articles] == [stage.notebook.note().article_id]
    assert len(stage.visible) == 1


async def test_a_look_before_it_lands_finds_nothing_and_does_not_end_the_search(stage):
    await too_late(stage)
    strays = stage.channel.articles.strays
    await strays.sweep()
    assert len(stage.articles) == 1
    stage.clock.advance(61)
    await strays.sweep()
    assert len(stage.articles) == 1


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_lands_too_late_is_gone_after_the_next_look(stage, seed):
    chance = random.Random(seed)
    late = LateEffects(stage, CREATE, chance.uniform(SETTLE_S, 20 * 3600))
    await published(stage)
    while late.on_the_way:
        stage.clock.advance(600)
        await stage.channel.articles.strays.sweep()
        assert len(stage.visible) == 1
    assert stage.effects("article_created") == 2
    assert [item.id for item in stage.articles] == [stage.notebook.note().article_id]


async def test_after_a_restart_the_search_goes_on(stage):
    """What the process had in mind is gone; the note still has it."""
    await too_late(stage)
    stage.clock.advance(61)
    stage.start()
    await stage.channel.articles.strays.sweep()
    assert [item.id for item in stage.articles] == [stage.notebook.note().article_id]


async def test_after_a_restart_nobody_looks_for_what_is_a_day_old(stage):
    await too_late(stage)
    stage.clock.advance(LATEST_S + 1)
    stage.start()
    await stage.channel.articles.strays.sweep()
    assert stage.channel.articles.strays.begun_at == {}
    assert len(stage.articles) == 2


async def test_the_item_s_next_revision_removes_the_copy(stage):
    await too_late(stage)
    stage.clock.advance(61)
    await published(stage, a_correction())
    [article] = stage.articles
    assert article.payload["title"].startswith("Đính chính")


async def test_a_notebook_that_is_away_at_the_start_is_read_at_the_next_look(stage, monkeypatch):
    await too_late(stage)
    stage.clock.advance(61)
    strays = stage.start().articles.strays

    async def away():
        raise Unreachable("bus")
        yield

    with monkeypatch.context() as patched, pytest.raises(Unreachable):
        patched.setattr(strays.notebook, "all", away)
        await strays.sweep()
    await strays.sweep()
    assert len(stage.articles) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_second_call_that_is_given_up_does_not_hide_the_first(stage, restarted):
    """Both creates land in the end, under the titles and markers of two revisions."""
    LateEffects(stage, CREATE, SETTLE_S + 3 * 3600, calls=2)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    await published(stage, a_correction())
    assert [one.title for one in stage.notebook.note().strays] == [
        a_publication().title, a_correction().title
    ]  # fmt: skip
    stage.clock.advance(4 * 3600)
    assert len(stage.articles) == 3
    if restarted:
        stage.start()
    await stage.channel.articles.strays.sweep()
    [article] = stage.articles
    assert article.visible


def test_a_note_from_before_still_tells_of_the_one_call_that_it_had_room_for():
    old = json.dumps({"revision": 1, "stray_at": 7.0, "stray_marker": "m", "stray_title": "t"})
    note = Note.decode(old.encode())
    assert note.strays == (Stray(7.0, "m", "t"),)
    assert Note.decode(note.encode()) == note


async def test_a_create_given_up_under_one_revision_is_found_under_the_next(stage):
    """The withdrawal found nothing to hide; a later text then has an article of its own."""
    LateEffects(stage, CREATE, SETTLE_S + 3600)
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    stage.clock.advance(SETTLE_S)
    await published(stage, a_correction())
    stage.clock.advance(3600)
    assert len(stage.articles) == 2
    await stage.channel.articles.strays.sweep()
    [article] = stage.articles
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_what_could_not_be_looked_for_is_looked_for_again(stage):
    await too_late(stage)
    stage.clock.advance(61)
    stage.fault("article.getslice", "html_before", times=3)
    with structlog.testing.capture_logs() as logs:
        await stage.channel.articles.strays.sweep()
    assert "zalo_stray_not_sought" in events(logs)
    await stage.channel.articles.strays.sweep()
    assert len(stage.articles) == 1


@pytest.mark.parametrize("item", [a_correction(), a_withdrawal()])
async def test_a_zalo_that_can_not_be_asked_for_copies_holds_no_correction_up(stage, item):
    await too_late(stage)
    stage.clock.advance(61)
    stage.fault("article.getslice", "html_before", times=99)
    assert (await stage.send(item)).verdict is Verdict.DELIVERED


async def test_a_copy_that_somebody_has_shown_by_hand_is_reported_and_left(stage):
    await too_late(stage)
    stage.clock.advance(61)
    mine = stage.notebook.note().article_id
    [copy] = [item for item in stage.articles if item.id != mine]
    copy.payload["status"] = "show"
    with structlog.testing.capture_logs() as logs:
        await stage.channel.articles.strays.sweep()
    assert [(line["event"], line["article"]) for line in logs] == [("zalo_copy_left", copy.id)]
    assert len(stage.articles) == 2


async def test_after_a_day_nobody_looks_any_more(stage):
    await too_late(stage)
    stage.clock.advance(LATEST_S + 1)
    await stage.channel.articles.strays.sweep()
    assert stage.channel.articles.strays.begun_at == {}


async def test_a_sweep_asks_nothing_when_nothing_was_given_up(stage):
    await published(stage)
    before = stage.sandbox.world.calls.total()
    await stage.channel.articles.strays.sweep()
    assert stage.sandbox.world.calls.total() == before


async def test_a_notebook_that_is_away_ends_a_sweep_early(stage, monkeypatch):
    await too_late(stage)

    async def away(content_id):
        raise Unreachable("bus")

    monkeypatch.setattr(stage.channel.articles.strays.notebook, "read", away)
    with pytest.raises(Unreachable):
        await stage.channel.articles.strays.sweep()


async def test_an_article_that_is_just_being_created_is_no_copy(stage):
    """The repeated `create` is in doubt as well: which one is ours is not decided yet."""
    LateEffects(stage, CREATE, SETTLE_S + 5, calls=1)
    await stage.send(a_publication())
    stage.clock.advance(SETTLE_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    stage.fault("article.create", "drop_after")
    assert (await stage.send(a_publication())).verdict is Verdict.DOUBT
    stage.clock.advance(6)
    await stage.channel.articles.strays.sweep()
    assert len(stage.articles) == 2, "nothing is removed before one of them is ours"
    await published(stage)
    assert len(stage.articles) == 1
    assert len(stage.visible) == 1


async def test_a_correction_that_is_just_being_made_is_no_text_that_came_back(stage):
    await too_late(stage)
    strays = stage.channel.articles.strays
    before = await stage.notebook.read(ITEM)
    await published(stage, a_correction())
    with structlog.testing.capture_logs() as logs:
        await strays.look(ITEM, before)
    assert events(logs) == []
