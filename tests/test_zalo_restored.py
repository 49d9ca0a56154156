"""After a restore our notes are older than what Zalo shows: one visible article all the same."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import structlog

from channels.base import Recipient, Verdict
from channels.zalo import reconcile
from channels.zalo.connect import Stores
from channels.zalo.notebook import Note
from channels.zalo.reconcile import PAGES
from consumers import backup, restore
from consumers.vault import BusNotebook, BusVault
from contracts import keys
from contracts.delivery import ChannelName, Status
from producers.bus import Bus
from producers.server import NatsServer
from tests.builders import a_publication
from tests.zalo_house import ZaloHouse, zalo_house
from tests.zalo_stage import ARTICLE, SITE, a_correction, a_withdrawal, staged

DAY_S = 86400.0
ITEM = "lich-nghi-tet-2027"


@pytest.fixture
async def stage(tmp_path, clock):
    async with staged(tmp_path, clock) as stage:
        yield stage


def forget(stage) -> None:
    """The notes are those of a backup that was taken before."""
    stage.notebook.pages.clear()
    stage.notebook.revisions.clear()
    stage.start()


async def shown(stage, publication=None) -> None:
    assert (await stage.send(publication or a_publication())).verdict is Verdict.DELIVERED


def told(publication) -> Recipient:
    """The row of a reader that got, or may have got, an earlier text."""
    key = keys.delivery_key(ITEM, publication.revision, ChannelName.ZALO, ARTICLE)
    return Recipient(ARTICLE, key, correction=True)


async def tell(stage, publication):
    async with stage.channel.session() as session:
        rendered = stage.channel.render(publication)
        [said] = await session.send(rendered, [told(publication)], lambda: False)
    return said.verdict


async def ask(stage, publication):
    async with stage.channel.session() as session:
        rendered = stage.channel.render(publication)
        [said] = await session.resolve(rendered, [told(publication)])
    return said.verdict


async def others(stage, count: int) -> None:
    """The Official Account goes on publishing."""
    payload = stage.channel.render(a_publication(content_id="khac"))
    for number in range(count):
        stage.clock.advance(60)
        body = payload.payload(f"loa-khac-{number}", SITE.cover_url, "show")
        stage.sandbox.world.record(
            "article_created", id=f"k{number}", token=f"k{number}", payload=body
        )


def mine(stage) -> list:
    return [one for one in stage.articles if not one.id.startswith("k")]


async def test_an_article_that_is_out_is_found_and_counts_as_delivered(stage):
    await shown(stage)
    [before] = stage.articles
    forget(stage)
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert [one.id for one in stage.visible] == [before.id]
    note = stage.notebook.note()
    assert (note.article_id, note.shown, note.revision) == (before.id, 1, 1)


async def test_a_hidden_one_is_found_and_shown_instead_of_a_second(stage):
    stage.fault("article.verify", "html_before", times=99)
    await stage.send(a_publication())
    stage.sandbox.faults.planned.clear()
    forget(stage)
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    await shown(stage)
    assert len(stage.articles) == 1
    assert len(stage.visible) == 1


async def test_it_is_found_behind_everything_that_was_published_since(stage):
    """A backup may be a week old, and the list begins with the newest."""
    await shown(stage)
    forget(stage)
    await others(stage, 10 * PAGES + 15)
    stage.clock.advance(7 * DAY_S)
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert len(mine(stage)) == 1


async def test_an_item_that_is_released_again_finds_what_was_out_before(stage):
    """Its first release is lost with the machine, and days ago."""
    await shown(stage)
    forget(stage)
    stage.clock.advance(9 * DAY_S)
    now = datetime.fromtimestamp(stage.clock(), UTC)
    again = a_publication(first_released_at=now, released_at=now)
    assert (await stage.resolve(again)).verdict is Verdict.DELIVERED
    assert len(stage.articles) == 1


async def test_a_search_reads_no_more_than_it_may(stage, monkeypatch):
    monkeypatch.setattr(reconcile, "MOST_READ", 7)
    await others(stage, 25)
    read = []
    stage.before_request = lambda request: read.append(request.url.rpartition("/")[2])
    with structlog.testing.capture_logs() as logs:
        assert await tell(stage, a_correction()) is Verdict.DELIVERED
    assert [
        (line["read"], line["left"]) for line in logs if line["event"] == "zalo_search_cut"
    ] == [(7, 18)]
    found = read[: read.index("create")]
    assert (found.count("getslice"), found.count("getdetail")) == (3, 7)


async def test_a_correction_updates_the_article_of_which_no_note_is_left(stage):
    await shown(stage)
    forget(stage)
    await others(stage, 25)
    assert await tell(stage, a_correction()) is Verdict.DELIVERED
    [article] = mine(stage)
    assert article.visible
    assert article.payload["title"].startswith("Đính chính")


async def test_a_correction_in_doubt_finds_the_older_text(stage):
    await shown(stage)
    forget(stage)
    assert await ask(stage, a_correction()) is Verdict.ABSENT
    assert await tell(stage, a_correction()) is Verdict.DELIVERED
    assert len(stage.articles) == 1


async def test_a_withdrawal_hides_the_article_of_which_no_note_is_left(stage):
    await shown(stage)
    forget(stage)
    assert await tell(stage, a_withdrawal()) is Verdict.DELIVERED
    assert stage.visible == []
    assert stage.notebook.note().hidden


async def test_a_withdrawal_in_doubt_is_no_withdrawal_that_is_done(stage):
    await shown(stage)
    forget(stage)
    assert await ask(stage, a_withdrawal()) is Verdict.ABSENT
    assert await tell(stage, a_withdrawal()) is Verdict.DELIVERED
    assert stage.visible == []


async def test_a_withdrawal_hides_a_corrected_article_too(stage):
    await shown(stage)
    await shown(stage, a_correction())
    forget(stage)
    assert await tell(stage, a_withdrawal()) is Verdict.DELIVERED
    assert stage.visible == []


async def test_where_nothing_is_out_the_note_says_that_it_was_looked_for(stage):
    await others(stage, 3)
    assert await tell(stage, a_withdrawal()) is Verdict.DELIVERED
    note = stage.notebook.note()
    assert (note.sought, note.article_id) == (3, "")
    assert mine(stage) == []


async def test_what_was_looked_for_once_is_not_looked_for_again(stage):
    assert await ask(stage, a_correction()) is Verdict.ABSENT
    stage.fault("article.getslice", "html_before", times=99)
    assert await tell(stage, a_correction()) is Verdict.DELIVERED
    assert len(stage.visible) == 1


async def test_a_later_doubt_looks_again(stage):
    """The answer of a backup is older than what was created after it."""
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    before = dict(stage.notebook.pages), dict(stage.notebook.revisions)
    await shown(stage)
    stage.notebook.pages, stage.notebook.revisions = before
    assert (await stage.resolve(a_publication())).verdict is Verdict.DELIVERED
    assert len(stage.articles) == 1


async def test_a_zalo_that_can_not_be_asked_creates_nothing_and_hides_nothing(stage):
    await shown(stage)
    forget(stage)
    stage.fault("article.getslice", "html_before", times=99)
    assert (await stage.resolve(a_publication())).verdict is Verdict.DOUBT
    assert await tell(stage, a_withdrawal()) is Verdict.HELD
    assert await tell(stage, a_correction()) is Verdict.HELD
    assert len(stage.articles) == 1


async def test_an_article_of_another_item_is_left_alone(stage):
    """Its name only begins with ours."""
    await shown(stage, a_publication(content_id=f"x-{ITEM}"))
    await shown(stage, a_publication(content_id=f"{ITEM}-2"))
    assert (await stage.resolve(a_publication())).verdict is Verdict.ABSENT
    assert await tell(stage, a_withdrawal()) is Verdict.DELIVERED
    assert len(stage.visible) == 2


async def test_a_token_from_an_old_backup_still_leads_to_its_article(stage):
    """Handed in before the backup, verified and shown after it: Zalo has forgotten the token."""
    tokens = []
    stage.notebook.after = lambda number: tokens.append(
        (dict(stage.notebook.pages), dict(stage.notebook.revisions))
    )
    await shown(stage)
    handed_in = next(one for one in tokens if stage_note(one).token)
    stage.notebook.after = lambda number: None
    stage.notebook.pages, stage.notebook.revisions = handed_in
    stage.start()
    stage.clock.advance(7 * DAY_S)
    stage.fault("article.verify", "refuse", code=-201, words="token is invalid!")
    await stage.send(a_publication())
    stage.clock.advance(20 * 60)
    await stage.send(a_publication())
    assert len(stage.articles) == 1
    assert len(stage.visible) == 1


def stage_note(saved) -> Note:
    return Note.decode(saved[0][ITEM])


@asynccontextmanager
async def lost_after_the_backup(bus, tmp_path, clock):
    """The article's row is open in the backup; then it is published, and the disk is lost."""
    async with zalo_house(bus, tmp_path, clock) as lost, NatsServer(tmp_path / "nats") as server:
        batch = await lost.publish(a_publication())
        await backup.save(bus, tmp_path / "backup", clock)
        await lost.finish(batch)
        assert len(lost.stage.visible) == len(lost.stage.broadcasts) == 1
        async with await Bus.connect(server.url) as new:
            await restore.restore(new, tmp_path / "backup", clock)
            notebook = BusNotebook(new, lost.stage.sandbox.settings.app_id)
            lost.stage.elsewhere = Stores(BusVault(new), notebook, lost.stage.key)
            house = ZaloHouse(new, tmp_path / "new-slots", lost.stage, known=lost.known)
            try:
                yield house, batch
            finally:
                house.worker.slot.close()


async def test_a_restore_makes_no_second_article_and_no_second_broadcast(bus, tmp_path, clock):
    async with lost_after_the_backup(bus, tmp_path, clock) as (house, batch):
        said = await house.finish(batch)
        assert said == {"article": Status.DELIVERED, "broadcast": Status.UNKNOWN}
        assert house.stage.effects("article_created") == 1
        assert len(house.stage.visible) == len(house.stage.broadcasts) == 1


async def test_a_withdrawal_after_a_restore_hides_what_went_out_after_the_backup(
    bus, tmp_path, clock
):
    async with lost_after_the_backup(bus, tmp_path, clock) as (house, _):
        batch = await house.publish(a_withdrawal(2))
        assert await house.finish(batch) == {"article": Status.DELIVERED}
        assert house.stage.visible == []


async def test_an_app_s_notes_are_its_own(bus):
    mine, theirs = BusNotebook(bus, "app"), BusNotebook(bus, "app2")
    written = {name: await mine.write(name, Note(title=name)) for name in ("a", "b")}
    await theirs.write("c", Note())
    assert {content_id: note async for content_id, note in mine.all()} == written
