"""The portal channel: shown and refused publications, and the outcome of a row in doubt."""

import asyncio
import errno
from datetime import timedelta

import pytest

from channels.base import Recipient, Verdict
from channels.errors import Misconfigured, Unreachable
from channels.portal.storage import atomic_files
from channels.portal.storage.lock import folder_lock
from contracts.vocabulary import DEFAULT
from tests.support.portal_dir import (
    CORRECTED,
    FIRST,
    PUBLIC_URL,
    ROW,
    WORDS,
    feed,
    guids,
    never_expired,
    new_writer,
    open_portal,
    page,
    public_files,
    publish,
    send_to,
    text_of,
    verdicts,
)
from tests.support.publications import RELEASED_AT, a_publication

WITHDRAWN = a_publication(
    action="withdrawn",
    revision=3,
    reason="Đăng nhầm bản dự thảo.",
    released_at=RELEASED_AT + timedelta(days=2),
)
PAGE = "public/tin/lich-nghi-tet-2027/index.html"
URL = f"{PUBLIC_URL}/tin/lich-nghi-tet-2027"


@pytest.fixture
async def channel(tmp_path):
    async with open_portal(tmp_path) as channel:
        yield channel


async def test_a_publication_gets_a_page_and_stands_in_every_feed_it_belongs_to(channel, tmp_path):
    assert verdicts(await send_to(channel, FIRST)) == [Verdict.DELIVERED]
    assert text_of(page(tmp_path, "tin/lich-nghi-tet-2027").find(".//h1")) == FIRST.title
    assert FIRST.title in text_of(page(tmp_path, "."))
    for slug in ("tat-ca", FIRST.topic, FIRST.unit):
        assert guids(feed(tmp_path, f"{slug}.rss")) == [URL]
        assert URL.encode() in feed(tmp_path, f"{slug}.atom")
        assert URL.encode() in feed(tmp_path, f"{slug}.json")
    assert (tmp_path / PAGE).is_file()


@pytest.mark.promise("4.2")
async def test_sending_the_same_revision_again_changes_no_byte(channel, tmp_path):
    await send_to(channel, FIRST)
    before = public_files(tmp_path)
    assert verdicts(await send_to(channel, FIRST, FIRST)) == [Verdict.DELIVERED] * 2
    assert public_files(tmp_path) == before


async def test_sending_again_or_resolving_repairs_damaged_and_missing_files(channel, tmp_path):
    await send_to(channel, FIRST)
    before = public_files(tmp_path)
    async with channel.session() as session:
        for repair in (session.resolve(FIRST, [ROW]), session.send(FIRST, [ROW], never_expired)):
            (tmp_path / "public/nguon-tin/tat-ca.rss").write_bytes(b"<rss")
            (tmp_path / PAGE).unlink()
            assert verdicts(await repair) == [Verdict.DELIVERED]
            assert public_files(tmp_path) == before


@pytest.mark.promise("4.3")
async def test_an_older_revision_is_refused_and_changes_nothing(channel, tmp_path):
    await send_to(channel, CORRECTED)
    before = public_files(tmp_path)
    [outcome] = await send_to(channel, FIRST)
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "superseded_by_newer")
    assert public_files(tmp_path) == before


async def test_a_withdrawn_item_leaves_a_notice_until_it_comes_back(channel, tmp_path):
    await send_to(channel, FIRST, WITHDRAWN)
    assert FIRST.title not in text_of(page(tmp_path, "."))
    notice = page(tmp_path, "tin/lich-nghi-tet-2027")
    assert notice.get("data-state") == "withdrawn"
    assert "Đăng nhầm bản dự thảo." in text_of(notice)
    assert "04 đến hết ngày 10" not in text_of(notice)
    folder = tmp_path / "public/tin/lich-nghi-tet-2027"
    assert (folder / "410.html").read_bytes() == (folder / "index.html").read_bytes()
    again = a_publication(revision=4, released_at=RELEASED_AT + timedelta(days=3))
    await send_to(channel, again)
    assert FIRST.title in text_of(page(tmp_path, "."))
    assert not (folder / "410.html").exists()


async def test_a_row_in_doubt_is_answered_by_what_is_there(channel, tmp_path):
    async with channel.session() as session:
        assert verdicts(await session.resolve(FIRST, [ROW])) == [Verdict.ABSENT]
        await session.send(FIRST, [ROW], never_expired)
        assert verdicts(await session.resolve(FIRST, [ROW])) == [Verdict.DELIVERED]
        await session.send(CORRECTED, [ROW], never_expired)
        assert verdicts(await session.resolve(FIRST, [ROW])) == [Verdict.DELIVERED]
        skipped = a_publication(content_id="khac", revision=1)
        await session.send(skipped.model_copy(update={"revision": 2}), [ROW], never_expired)
        assert verdicts(await session.resolve(skipped, [ROW])) == [Verdict.ABSENT]


async def test_nothing_is_shown_after_the_deadline(channel, tmp_path):
    async with channel.session() as session:
        [outcome] = await session.send(FIRST, [ROW], lambda: True)
    assert outcome.verdict is Verdict.UNSENT
    assert not (tmp_path / PAGE).exists()


async def test_only_the_portal_itself_is_a_recipient(channel):
    async with channel.session() as session:
        rows = [Recipient(id="an", delivery_key="k" * 52), ROW]
        outcomes = await session.send(FIRST, rows, never_expired)
    assert verdicts(outcomes) == [Verdict.FAILED, Verdict.DELIVERED]


@pytest.mark.promise("4.4")
async def test_a_full_disk_holds_the_row_and_shows_nothing_of_it(channel, tmp_path, monkeypatch):
    await send_to(channel, FIRST)
    before = public_files(tmp_path)
    monkeypatch.setattr(atomic_files, "_write", full_disk)
    [outcome] = await send_to(channel, CORRECTED)
    assert (outcome.verdict, outcome.reason) == (Verdict.HELD, "enospc")
    assert public_files(tmp_path) == before
    monkeypatch.undo()
    assert verdicts(await send_to(channel, CORRECTED)) == [Verdict.DELIVERED]


def full_disk(path, body):
    path.write_bytes(body[: len(body) // 2])
    raise OSError(errno.ENOSPC, "full")


async def test_while_files_cannot_follow_the_index_the_row_is_in_doubt(tmp_path, monkeypatch):
    writer = new_writer(tmp_path)
    monkeypatch.setattr(atomic_files, "_sync_all", folders_fail)
    assert writer.show(FIRST, never_expired).verdict is Verdict.DOUBT
    outcome = writer.resolve(FIRST)
    assert (outcome.verdict, outcome.reason) == (Verdict.DOUBT, "eio")
    monkeypatch.undo()
    assert writer.resolve(FIRST).verdict is Verdict.DELIVERED
    writer.close()


def folders_fail(paths):
    if any(path.is_dir() for path in paths):
        raise OSError(errno.EIO, "broken")


async def test_a_folder_that_cannot_be_written_is_for_an_operator(tmp_path):
    (tmp_path / "public").write_text("a file stands in the way")
    with pytest.raises(Misconfigured, match="eexist"):
        async with open_portal(tmp_path) as channel:
            await send_to(channel, FIRST)


async def test_a_folder_that_another_writer_holds_is_asked_again_later(channel, tmp_path):
    await send_to(channel, FIRST)
    async with open_portal(tmp_path, lock_timeout_s=0.05) as hasty:
        with folder_lock(tmp_path / "state/lock", 1.0), pytest.raises(Unreachable):
            await send_to(hasty, CORRECTED)
        assert verdicts(await send_to(hasty, CORRECTED)) == [Verdict.DELIVERED]


async def test_two_writers_of_one_folder_take_turns(tmp_path):
    items = [a_publication(content_id=f"tin-{n}", revision=n % 3 + 1) for n in range(9)]
    shared = tmp_path / "shared"
    async with open_portal(shared) as one, open_portal(shared) as other:
        turns = (one, items[::2]), (other, items[1::2]), (one, items[::4])
        await asyncio.gather(*(send_to(channel, *some) for channel, some in turns))
    publish(tmp_path / "clean", *items)
    assert public_files(tmp_path / "clean") == public_files(tmp_path / "shared")


def test_an_operators_own_words_are_used_and_unknown_ids_are_shown_as_they_are(tmp_path):
    publish(tmp_path, a_publication(unit="don-vi-la", topic="chu-de-la", audiences=["nhom-la"]))
    story = page(tmp_path, "tin/lich-nghi-tet-2027")
    assert text_of(story.find_class("facts")[0]).startswith("don-vi-la đăng lúc")
    assert "chu-de-la" in text_of(story.find_class("about")[0])
    assert text_of(story.find_class("for")[0]) == "Dành cho: nhom-la"
    assert guids(feed(tmp_path, "chu-de-la.rss")) == [URL]
    assert "don-vi-la" in text_of(page(tmp_path, "nguon-tin"))


def test_a_unit_is_named_as_it_was_called_on_the_day(tmp_path):
    unit, known = next((i, u) for i, u in DEFAULT.units.items() if u.formerly and u.formerly[0].id)
    words = WORDS.model_copy(update={"units": {unit: known}})
    former = known.formerly[0]
    day = RELEASED_AT.replace(year=former.until.year - 1)
    old = a_publication(unit=former.id, first_released_at=day, released_at=day)
    publish(tmp_path, old, words=words)
    assert former.name in text_of(page(tmp_path, "tin/lich-nghi-tet-2027"))
    assert guids(feed(tmp_path, f"{unit}.rss")) == [URL]
