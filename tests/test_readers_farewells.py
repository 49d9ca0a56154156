"""The last letter to an address: whatever dies between a change and its letter, it goes, once."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from contracts.letter import LetterKind
from contracts.links import LinkRefused
from producers.bus import Silence
from tests.conftest import Clock
from tests.crashing import Crash, doomed
from tests.reader_house import ADDRESS, House, act

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
NEW = "moi@example.com"
CALLS = 40
"""More than any of these deeds needs."""


class Ways:
    """What a reader may do, by the letter that tells of it."""

    @staticmethod
    async def leave(house, person, _link):
        await house.own.leave(person)

    @staticmethod
    async def erase(house, person, _link):
        await house.own.erase(person)

    @staticmethod
    async def move(house, _person, link):
        await house.own.move(link)


WAYS = {
    LetterKind.GOODBYE: Ways.leave,
    LetterKind.ERASED: Ways.erase,
    LetterKind.CHANGED: Ways.move,
}


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path, Clock(NOON.timestamp()))


async def a_link(house, person):
    """The token of a letter that asks to confirm a new address; the letter has gone."""
    await house.own.ask_to_move(person, NEW)
    token = (await house.last()).path.rpartition("/")[2]
    await house.post()
    return token


async def state_of(house, kind):
    """What has become of the reader: as before, or changed."""
    [one] = [*await house.readers()] or [None]
    if kind is LetterKind.CHANGED:
        return "changed" if one and one.email == NEW else "as before"
    return "as before" if one and one.active else "changed"


@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
@pytest.mark.parametrize("kind", WAYS)
async def test_a_process_that_dies_anywhere_loses_no_letter_and_doubles_none(
    bus, tmp_path, kind, after
):
    clock, outcomes, calls = Clock(NOON.timestamp()), [], 0
    while not outcomes or outcomes[-1] != "done":
        calls, survivor = calls + 1, House(bus, tmp_path / str(calls), clock)
        assert calls < CALLS
        clock.advance(timedelta(days=1).total_seconds())  # nobody has got a letter today
        person = await survivor.joined()
        link = await a_link(survivor, person)
        dying = House(doomed(bus, calls, after=after), tmp_path / f"dying {calls}", clock)
        try:
            await WAYS[kind](dying, person, link)
            outcomes.append("done")
        except Crash:
            outcomes.append(await state_of(survivor, kind))
        for _ in range(2):
            await survivor.farewells.finish_all()
        sent = [one.kind for one in await survivor.post()]
        assert sent == ([] if outcomes[-1] == "as before" else [kind]), calls
        await nothing_is_left(survivor, kind, outcomes[-1])
    assert {"as before", "changed"} < {*outcomes}


async def nothing_is_left(house, kind, outcome):
    """Of the reader no more than is due; then the ground is cleared."""
    subscribers = house.bus.bucket(subjects.SUBSCRIBERS.name)
    assert await subscribers.keys("f.") == []
    if outcome != "as before":
        assert ADDRESS.encode() not in await house.everything()
    if kind is LetterKind.ERASED and outcome != "as before":
        assert await subscribers.keys() == []
    for key in await subscribers.keys():
        await subscribers.purge(key)


async def test_the_same_press_again_finishes_what_a_silent_bus_has_cut_short(house, monkeypatch):
    link = await a_link(house, await house.joined())
    begin = house.letters.begin

    async def silent(*_: object) -> None:
        raise Silence("no answer")

    monkeypatch.setattr(house.letters, "begin", silent)
    with pytest.raises(Silence):
        await house.own.move(link)
    monkeypatch.setattr(house.letters, "begin", begin)
    for _ in range(2):
        await house.own.move(link)
    assert [one.kind for one in await house.post()] == [LetterKind.CHANGED]


async def test_who_comes_back_before_an_erasure_is_finished_stays(house, monkeypatch):
    before = await house.joined(topics=["viec-lam"])

    async def dead(_: str) -> bool:
        return False

    with monkeypatch.context() as dying:
        dying.setattr(house.farewells, "finish", dead)
        await house.own.erase(before)
    house.clock.advance(60)
    after = await house.joined(topics=["tuyen-dung"])
    await house.farewells.finish_all()
    assert await house.reader() == after
    assert [one.kind for one in await house.post()] == [LetterKind.ERASED]


async def test_a_farewell_counts_with_no_letter_that_others_can_ask_for(house):
    await house.joined()
    async with house.inside() as browser:
        for _ in range(4):
            await house.office.ask(ADDRESS)
        await act(browser, "/ngung")
    assert LetterKind.GOODBYE in [one.kind for one in await house.post()]


async def test_moving_back_does_not_make_the_first_link_good_again(house):
    person = await house.joined()
    link = await a_link(house, person)
    await house.own.move(link)
    moved = await house.reader(NEW)
    await house.people.move(moved.id, NEW, ADDRESS)
    with pytest.raises(LinkRefused):
        await house.own.move(link)
    assert (await house.reader()).email == ADDRESS
