"""A create that lands too late leaves a hidden copy: it is searched for a day, and removed."""

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Unreachable
from channels.zalo.clock import SETTLE_S
from channels.zalo.publications.abandoned_calls import WATCH_S
from tests.support.publications import a_publication
from tests.support.zalo_account import sample_correction, sample_withdrawal
from tests.support.zalo_late_effects import CREATE, LateEffects, event_names, publish_article

ITEM = "lich-nghi-tet-2027"
RESTARTED = pytest.mark.parametrize("restarted", [False, True])


@pytest.fixture
async def copied(zalo_account):
    """An article that was created twice: the first `create` landed a minute after its time."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 60)
    await publish_article(zalo_account)
    assert zalo_account.effects("article_created") == 1
    zalo_account.clock.advance(61)
    assert zalo_account.effects("article_created") == 2
    assert article_ids(zalo_account.visible) == [zalo_account.article_store.record().article_id]
    return zalo_account


def article_ids(articles) -> list[str]:
    return [article.id for article in articles]


async def sweep(account) -> list[str]:
    """One background search; the log events."""
    with structlog.testing.capture_logs() as logs:
        await account.channel.articles.abandoned_calls.sweep()
    return event_names(logs)


@pytest.mark.promise("6.2")
@RESTARTED
async def test_the_copy_is_removed_by_the_next_sweep_of_any_process(copied, restarted):
    if restarted:
        copied.new_channel()
    assert await sweep(copied) == ["zalo_copy_removed"]
    assert article_ids(copied.articles) == [copied.article_store.record().article_id]
    assert len(copied.visible) == 1


async def test_a_sweep_before_it_lands_does_not_end_the_search(zalo_account):
    LateEffects(zalo_account, CREATE, SETTLE_S + 60)
    await publish_article(zalo_account)
    assert await sweep(zalo_account) == []
    zalo_account.clock.advance(61)
    assert await sweep(zalo_account) == ["zalo_copy_removed"]


@RESTARTED
async def test_after_a_day_the_search_ends(copied, restarted):
    copied.clock.advance(WATCH_S + 1)
    if restarted:
        copied.new_channel()
    assert await sweep(copied) == []
    assert copied.channel.articles.abandoned_calls.begun_at == {}
    assert len(copied.articles) == 2


async def test_the_items_next_revision_removes_the_copy(copied):
    await publish_article(copied, sample_correction())
    [article] = copied.articles
    assert article.payload["title"].startswith("Đính chính")


@pytest.mark.parametrize("name", ["all", "read"])
async def test_records_that_cannot_be_read_are_read_at_the_next_sweep(copied, monkeypatch, name):
    store = copied.new_channel().articles.abandoned_calls.records

    async def away(*_):
        raise Unreachable("bus")

    async def all_away():
        raise Unreachable("bus")
        yield

    with monkeypatch.context() as patched, pytest.raises(Unreachable):
        patched.setattr(store, name, all_away if name == "all" else away)
        await sweep(copied)
    await sweep(copied)
    assert len(copied.articles) == 1


@RESTARTED
async def test_a_second_abandoned_call_does_not_hide_the_first(zalo_account, restarted):
    """Both creates land in the end, under the titles and markers of two revisions."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 3 * 3600, calls=2)
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    await publish_article(zalo_account, sample_correction())
    titles = [a_publication().title, sample_correction().title]
    assert [call.title for call in zalo_account.article_store.record().strays] == titles
    zalo_account.clock.advance(4 * 3600)
    assert len(zalo_account.articles) == 3
    if restarted:
        zalo_account.new_channel()
    await sweep(zalo_account)
    [article] = zalo_account.articles
    assert article.visible


async def test_a_failed_search_is_repeated(copied):
    copied.fault("article.getslice", "html_before", times=3)
    assert "zalo_stray_not_sought" in await sweep(copied)
    await sweep(copied)
    assert len(copied.articles) == 1


@pytest.mark.parametrize("item", [sample_correction(), sample_withdrawal()])
async def test_a_failed_search_delays_no_correction(copied, item):
    copied.fault("article.getslice", "html_before", times=99)
    assert (await copied.send(item)).verdict is Verdict.DELIVERED


async def test_a_copy_that_a_person_has_shown_is_reported_and_left(copied):
    ours = copied.article_store.record().article_id
    [copy] = [article for article in copied.articles if article.id != ours]
    copy.payload["status"] = "show"
    assert await sweep(copied) == ["zalo_copy_left"]
    assert len(copied.articles) == 2


async def test_a_sweep_makes_no_call_when_no_call_was_abandoned(zalo_account):
    await publish_article(zalo_account)
    before = zalo_account.sandbox.world.calls.total()
    await sweep(zalo_account)
    assert zalo_account.sandbox.world.calls.total() == before


async def test_an_article_that_is_just_being_created_is_no_copy(zalo_account):
    """The repeated `create` is in doubt as well: which one is ours is not decided yet."""
    LateEffects(zalo_account, CREATE, SETTLE_S + 5, calls=1)
    await zalo_account.send(a_publication())
    zalo_account.clock.advance(SETTLE_S)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    zalo_account.fault("article.create", "drop_after")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    zalo_account.clock.advance(6)
    await sweep(zalo_account)
    assert len(zalo_account.articles) == 2, "nothing is removed before one of them is ours"
    await publish_article(zalo_account)
    assert len(zalo_account.articles) == len(zalo_account.visible) == 1


async def test_a_correction_that_is_just_being_made_is_no_text_that_came_back(copied):
    before = await copied.article_store.read(ITEM)
    await publish_article(copied, sample_correction())
    with structlog.testing.capture_logs() as logs:
        await copied.channel.articles.abandoned_calls.check(ITEM, before)
    assert event_names(logs) == []
