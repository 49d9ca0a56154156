"""After a restore our records are older than Zalo's list: still one visible article."""

from contextlib import asynccontextmanager

import pytest
import structlog

from channels.base import Verdict
from channels.zalo.publications import reconcile
from channels.zalo.publications.reconcile import UNDATED_PAGES_MAX
from channels.zalo.publications.record import ArticleRecord
from consumers.operations import backup, restore
from consumers.zalo.stores import BusArticleStore, BusKeyValueStore
from contracts.base.times import utc_time
from contracts.delivery import Status
from producers.bus import Bus
from producers.nats_server import NatsServer
from tests.support.publications import a_publication
from tests.support.restored_bus import backup_folder, opened_backup
from tests.support.zalo_account import SITE, memory_stores, sample_correction, sample_withdrawal
from tests.support.zalo_pipeline import ZaloPipeline, open_zalo_pipeline

DAY_S = 86400.0
ITEM = "lich-nghi-tet-2027"


async def shown(account, publication=None) -> None:
    assert (await account.send(publication or a_publication())).verdict is Verdict.DELIVERED


def forget(account) -> None:
    """The records are those of a backup that was taken before."""
    account.article_store.pages.clear()
    account.article_store.revisions.clear()
    account.new_channel()


@pytest.fixture
async def forgotten(zalo_account):
    """An account whose article is public, and whose records do not know it."""
    await shown(zalo_account)
    forget(zalo_account)
    return zalo_account


async def change(account, publication, *, doubtful=False) -> Verdict:
    """Send or resolve the row of a recipient who may have got an earlier text."""
    act = account.resolve if doubtful else account.send
    return (await act(publication, correction=True)).verdict


async def others(account, count: int) -> None:
    """The Official Account goes on publishing."""
    payload = account.channel.render(a_publication(content_id="khac"))
    for number in range(count):
        account.clock.advance(60)
        body = payload.payload(f"loa-khac-{number}", SITE.cover_url, "show")
        account.sandbox.world.record(
            "article_created", id=f"k{number}", token=f"k{number}", payload=body
        )


def mine(account) -> list:
    return [one for one in account.articles if not one.id.startswith("k")]


async def test_an_article_that_is_out_is_found_and_counts_as_delivered(forgotten):
    [before] = forgotten.articles
    assert (await forgotten.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert [one.id for one in forgotten.visible] == [before.id]
    note = forgotten.article_store.record()
    assert (note.article_id, note.shown, note.revision) == (before.id, 1, 1)


async def test_a_hidden_one_is_found_and_shown_instead_of_a_second(zalo_account):
    zalo_account.fault("article.verify", "html_before", times=99)
    await zalo_account.send(a_publication())
    zalo_account.sandbox.faults.planned.clear()
    forget(zalo_account)
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    await shown(zalo_account)
    assert len(zalo_account.articles) == 1
    assert len(zalo_account.visible) == 1


async def test_it_is_found_behind_everything_that_was_published_since(forgotten):
    """A backup may be a week old, and the list begins with the newest."""
    await others(forgotten, 10 * UNDATED_PAGES_MAX + 15)
    forgotten.clock.advance(7 * DAY_S)
    assert (await forgotten.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert len(mine(forgotten)) == 1


async def test_an_item_that_is_released_again_finds_what_was_out_before(forgotten):
    """Its first release is lost with the machine, and days ago."""
    forgotten.clock.advance(9 * DAY_S)
    now = utc_time(forgotten.clock())
    again = a_publication(first_released_at=now, released_at=now)
    assert (await forgotten.resolve(again)).verdict is Verdict.DELIVERED
    assert len(forgotten.articles) == 1


async def test_a_search_reads_no_more_than_it_may(zalo_account, monkeypatch):
    monkeypatch.setattr(reconcile, "OTHER_TITLES_MAX", 7)
    await others(zalo_account, 25)
    read = []
    zalo_account.before_request = lambda request: read.append(request.url.rpartition("/")[2])
    with structlog.testing.capture_logs() as logs:
        assert await change(zalo_account, sample_correction()) is Verdict.DELIVERED
    assert [
        (line["read"], line["left"]) for line in logs if line["event"] == "zalo_search_cut"
    ] == [(7, 18)]
    found = read[: read.index("create")]
    assert (found.count("getslice"), found.count("getdetail")) == (3, 7)


async def test_a_correction_updates_the_article_of_which_no_note_is_left(forgotten):
    await others(forgotten, 25)
    assert await change(forgotten, sample_correction()) is Verdict.DELIVERED
    [article] = mine(forgotten)
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_a_withdrawal_hides_the_article_of_which_no_note_is_left(forgotten):
    assert await change(forgotten, sample_withdrawal()) is Verdict.DELIVERED
    assert forgotten.visible == []
    assert forgotten.article_store.record().hidden


@pytest.mark.parametrize("newer", [sample_correction(), sample_withdrawal()])
async def test_a_newer_revision_in_doubt_is_not_done_by_finding_the_older_text(forgotten, newer):
    assert await change(forgotten, newer, doubtful=True) is Verdict.ABSENT
    assert await change(forgotten, newer) is Verdict.DELIVERED
    assert len(forgotten.articles) == 1
    assert len(forgotten.visible) == (newer.action == "corrected")


async def test_where_nothing_is_out_the_note_says_that_it_was_looked_for(zalo_account):
    await others(zalo_account, 3)
    assert await change(zalo_account, sample_withdrawal()) is Verdict.DELIVERED
    note = zalo_account.article_store.record()
    assert (note.sought, note.article_id) == (3, "")
    assert mine(zalo_account) == []


async def test_what_was_looked_for_once_is_not_looked_for_again(zalo_account):
    assert await change(zalo_account, sample_correction(), doubtful=True) is Verdict.ABSENT
    zalo_account.fault("article.getslice", "html_before", times=99)
    assert await change(zalo_account, sample_correction()) is Verdict.DELIVERED
    assert len(zalo_account.visible) == 1


async def test_a_later_doubt_looks_again(zalo_account):
    """The backup's answer is older than an article created after it."""
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    before = dict(zalo_account.article_store.pages), dict(zalo_account.article_store.revisions)
    await shown(zalo_account)
    zalo_account.article_store.pages, zalo_account.article_store.revisions = before
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert len(zalo_account.articles) == 1


async def test_a_zalo_that_can_not_be_asked_creates_nothing_and_hides_nothing(forgotten):
    forgotten.fault("article.getslice", "html_before", times=99)
    assert (await forgotten.resolve(a_publication())).verdict is Verdict.DOUBT
    assert await change(forgotten, sample_withdrawal()) is Verdict.HELD
    assert await change(forgotten, sample_correction()) is Verdict.HELD
    assert len(forgotten.articles) == 1


async def test_an_article_of_another_item_is_left_alone(zalo_account):
    """Its name only begins with ours."""
    await shown(zalo_account, a_publication(content_id=f"x-{ITEM}"))
    await shown(zalo_account, a_publication(content_id=f"{ITEM}-2"))
    assert (await zalo_account.resolve(a_publication())).verdict is Verdict.ABSENT
    assert await change(zalo_account, sample_withdrawal()) is Verdict.DELIVERED
    assert len(zalo_account.visible) == 2


async def test_a_token_from_an_old_backup_still_leads_to_its_article(zalo_account):
    """Handed in before the backup, verified and shown after it: Zalo has forgotten the token."""
    tokens = []
    zalo_account.article_store.after = lambda number: tokens.append(
        (dict(zalo_account.article_store.pages), dict(zalo_account.article_store.revisions))
    )
    await shown(zalo_account)
    handed_in = next(one for one in tokens if ArticleRecord.decode(one[0][ITEM]).token)
    zalo_account.article_store.after = lambda number: None
    zalo_account.article_store.pages, zalo_account.article_store.revisions = handed_in
    zalo_account.new_channel()
    zalo_account.clock.advance(7 * DAY_S)
    zalo_account.fault("article.verify", "refuse", code=-201, words="token is invalid!")
    await zalo_account.send(a_publication())
    zalo_account.clock.advance(20 * 60)
    await zalo_account.send(a_publication())
    assert len(zalo_account.articles) == 1
    assert len(zalo_account.visible) == 1


@asynccontextmanager
async def lost_after_the_backup(bus, tmp_path, clock):
    """The article's row is open in the backup; then it is published, and the disk is lost."""
    async with (
        open_zalo_pipeline(bus, tmp_path, clock) as lost,
        NatsServer(tmp_path / "nats") as server,
    ):
        batch = await lost.publish(a_publication())
        await backup.save_backup(bus, backup_folder(tmp_path / "backup"), clock)
        await lost.finish(batch)
        assert len(lost.account.visible) == len(lost.account.broadcasts) == 1
        async with await Bus.connect(server.url) as new:
            await restore.restore_backup(new, opened_backup(tmp_path / "backup"), clock)
            notebook = BusArticleStore(new, lost.account.sandbox.settings.app_id)
            lost.account.elsewhere = memory_stores(
                BusKeyValueStore(new), notebook, lost.account.key
            )
            pipeline = ZaloPipeline(
                new, tmp_path / "new-slots", lost.account, released=lost.released
            )
            try:
                yield pipeline, batch
            finally:
                pipeline.worker.slot.close()


async def test_a_restore_makes_no_second_article_and_no_second_broadcast(bus, tmp_path, clock):
    async with lost_after_the_backup(bus, tmp_path, clock) as (pipeline, batch):
        said = await pipeline.finish(batch)
        assert said == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
        assert pipeline.account.effects("article_created") == 1
        assert len(pipeline.account.visible) == len(pipeline.account.broadcasts) == 1


async def test_a_withdrawal_after_a_restore_hides_what_went_out_later(bus, tmp_path, clock):
    async with lost_after_the_backup(bus, tmp_path, clock) as (pipeline, _):
        batch = await pipeline.publish(sample_withdrawal(2))
        assert await pipeline.finish(batch) == {"article": Status.DELIVERED}
        assert pipeline.account.visible == []


async def test_an_app_s_notes_are_its_own(bus):
    mine, theirs = BusArticleStore(bus, "app"), BusArticleStore(bus, "app2")
    written = {name: await mine.write(name, ArticleRecord(title=name)) for name in ("a", "b")}
    await theirs.write("c", ArticleRecord())
    assert {content_id: note async for content_id, note in mine.all()} == written
