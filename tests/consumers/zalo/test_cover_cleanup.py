"""Cover cleanup: copies go when their item is withdrawn or has another cover."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.portal.storage.pictures import PictureStore
from consumers.intake.items import Item
from consumers.restored import RESTORE_KEY, RestoreRecord
from consumers.zalo.cover_cleanup import GRACE_S, CoverCleanup
from consumers.zalo.stores import BusArticleStore
from contracts import subjects
from tests.support.crashing_bus import crash_at

HOME = "https://thong-bao.moha.example"


class CoverFolder:
    """The folder, the records and the items; every cover is old unless a test says otherwise."""

    def __init__(self, bus, folder, clock):
        self.bus, self.folder, self.clock = bus, folder, clock
        self.pictures = PictureStore(folder)
        self.old = CoverCleanup(bus, self.pictures, clock)

    async def picture(self, number: int, age_s: float = 2 * GRACE_S) -> str:
        path = await self.pictures.save(b"jpeg %d" % number)
        at = self.clock() - age_s
        os.utime(self.folder / "public" / path, (at, at))
        return path

    async def item(self, content_id: str, picture: str, shown: str = "", state="released") -> None:
        store = BusArticleStore(self.bus, "app-2" if content_id == "other" else "app-1")
        record = await store.read(content_id)
        cover = f"{HOME}/{shown or picture}"
        await store.write(
            content_id, replace(record, revision=1, picture=picture, cover=cover, shown=1)
        )
        item = Item(unit="u", state=state)
        bucket = self.bus.bucket(subjects.PUBLISHED.name)
        await bucket.put(content_id, item.model_dump_json().encode())

    async def left(self) -> set[str]:
        return set(await self.pictures.paths())


@pytest.fixture
def cover_folder(bus, tmp_path, clock):
    return CoverFolder(bus, tmp_path, clock)


async def test_a_withdrawn_items_picture_goes_and_no_other(cover_folder):
    gone, stays, others = [await cover_folder.picture(number) for number in range(3)]
    await cover_folder.item("a", gone)
    await cover_folder.item("b", stays)
    await cover_folder.item("other", others)
    assert await cover_folder.old.remove_unused() == 0
    await cover_folder.item("a", gone, state="withdrawn")
    assert await cover_folder.old.remove_unused() == 1
    assert await cover_folder.left() == {stays, others}
    assert await cover_folder.old.remove_unused() == 0


async def test_what_another_live_item_shows_stays(cover_folder):
    shared = await cover_folder.picture(1)
    await cover_folder.item("a", shared, state="withdrawn")
    await cover_folder.item("b", shared)
    assert await cover_folder.old.remove_unused() == 0
    await cover_folder.item("b", shared, state="withdrawn")
    assert await cover_folder.old.remove_unused() == 1


async def test_a_corrected_cover_goes_once_zalo_has_the_new_one(cover_folder):
    first, second = await cover_folder.picture(1), await cover_folder.picture(2)
    await cover_folder.item("a", second, shown=first)
    assert await cover_folder.old.remove_unused() == 0
    await cover_folder.item("a", second)
    assert await cover_folder.old.remove_unused() == 1
    assert await cover_folder.left() == {second}


async def test_one_that_is_just_being_made_has_no_note_yet_and_stays(cover_folder):
    await cover_folder.picture(1, age_s=GRACE_S - 1)
    assert await cover_folder.old.remove_unused() == 0
    cover_folder.clock.advance(2)
    assert await cover_folder.old.remove_unused() == 1


async def test_after_a_restore_what_the_notes_may_have_forgotten_stays(cover_folder):
    kept, gone = await cover_folder.picture(1), await cover_folder.picture(2, age_s=7200)
    at = datetime.fromtimestamp(cover_folder.clock(), UTC)
    restored = RestoreRecord(backup=at - timedelta(hours=1), at=at, publications=0)
    bucket = cover_folder.bus.bucket(subjects.CONTROL.name)
    await bucket.put(RESTORE_KEY, restored.model_dump_json().encode())
    assert await cover_folder.old.remove_unused() == 1
    assert await cover_folder.left() == {kept} != {gone}


async def test_a_death_in_the_middle_is_made_good(cover_folder):
    for number in range(3):
        await cover_folder.picture(number)
    with crash_at("portal.all_in_place"):
        await cover_folder.old.remove_unused()
    await cover_folder.old.remove_unused()
    assert await cover_folder.left() == set()
