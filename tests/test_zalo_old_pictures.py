"""Copies of covers go with the item that was withdrawn, or that has another cover by now."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from channels.portal.pictures import Pictures
from channels.zalo.notebook import Note
from consumers import restore
from consumers.items import Item
from consumers.vault import BusNotebook
from consumers.zalo.pictures import GRACE_S, OldPictures
from contracts import crash, subjects

HOME = "https://thong-bao.moha.example"


class Wall:
    """The folder, the notes and the items; every picture is old unless a test says otherwise."""

    def __init__(self, bus, folder, clock):
        self.bus, self.folder, self.clock = bus, folder, clock
        self.pictures = Pictures(folder)
        self.old = OldPictures(bus, self.pictures, clock)

    async def picture(self, number: int, age_s: float = 2 * GRACE_S) -> str:
        path = await self.pictures.keep(b"jpeg %d" % number)
        at = self.clock() - age_s
        os.utime(self.folder / "public" / path, (at, at))
        return path

    async def item(self, content_id: str, picture: str, shown: str = "", state="released") -> None:
        note = Note(revision=1, picture=picture, cover=f"{HOME}/{shown or picture}", shown=1)
        book = BusNotebook(self.bus, "app-2" if content_id == "other" else "app-1")
        held = await book.read(content_id)
        await book.write(content_id, note if held is None else Note(**said(note, held.at)))
        item = Item(unit="u", state=state)
        bucket = self.bus.bucket(subjects.PUBLISHED.name)
        await bucket.put(content_id, item.model_dump_json().encode())

    async def left(self) -> set[str]:
        return set(await self.pictures.paths())


def said(note: Note, at: int) -> dict:
    names = ("revision", "picture", "cover", "shown")
    return {name: getattr(note, name) for name in names} | {"at": at}


@pytest.fixture
def wall(bus, tmp_path, clock):
    return Wall(bus, tmp_path, clock)


async def test_a_withdrawn_items_picture_goes_and_no_other(wall):
    gone, stays, others = [await wall.picture(number) for number in range(3)]
    await wall.item("a", gone)
    await wall.item("b", stays)
    await wall.item("other", others)
    assert await wall.old.clear() == 0
    await wall.item("a", gone, state="withdrawn")
    assert await wall.old.clear() == 1
    assert await wall.left() == {stays, others}
    assert await wall.old.clear() == 0


async def test_what_another_live_item_shows_stays(wall):
    shared = await wall.picture(1)
    await wall.item("a", shared, state="withdrawn")
    await wall.item("b", shared)
    assert await wall.old.clear() == 0
    await wall.item("b", shared, state="withdrawn")
    assert await wall.old.clear() == 1


async def test_a_corrected_cover_goes_once_zalo_has_the_new_one(wall):
    first, second = await wall.picture(1), await wall.picture(2)
    await wall.item("a", second, shown=first)
    assert await wall.old.clear() == 0
    await wall.item("a", second)
    assert await wall.old.clear() == 1
    assert await wall.left() == {second}


async def test_one_that_is_just_being_made_has_no_note_yet_and_stays(wall):
    await wall.picture(1, age_s=GRACE_S - 1)
    assert await wall.old.clear() == 0
    wall.clock.advance(2)
    assert await wall.old.clear() == 1


async def test_after_a_restore_what_the_notes_may_have_forgotten_stays(wall):
    kept, gone = await wall.picture(1), await wall.picture(2, age_s=7200)
    at = datetime.fromtimestamp(wall.clock(), UTC)
    restored = restore.Restored(backup=at - timedelta(hours=1), at=at, publications=0)
    bucket = wall.bus.bucket(subjects.CONTROL.name)
    await bucket.put(restore.RESTORED, restored.model_dump_json().encode())
    assert await wall.old.clear() == 1
    assert await wall.left() == {kept} != {gone}


async def test_a_death_in_the_middle_is_made_good(wall):
    class Killed(Exception):
        pass

    def hook(name):
        if name == "portal.all_in_place":
            raise Killed

    for number in range(3):
        await wall.picture(number)
    crash.arm(hook)
    try:
        with pytest.raises(Killed):
            await wall.old.clear()
    finally:
        crash.arm(None)
    await wall.old.clear()
    assert await wall.left() == set()
