"""A text changes around its digest: whoever had the old one hears of it, others get the new one."""

import asyncio

import pytest

from tests.digest_house import BUSY, OTHER, SATURDAY, opened
from tests.fakes import OK


@pytest.fixture
async def press(bus, tmp_path):
    async with opened(bus, tmp_path) as press:
        yield press


async def test_a_correction_reaches_exactly_those_who_got_the_item_in_a_digest(press):
    press.folk.settle("all", frequency="daily")
    press.folk.settle("one", frequency="daily", topics=[OTHER])
    await press.out("tin-mot")
    await press.out("tin-hai", topic=OTHER)
    await press.cut()
    await press.deliver()
    await press.out("tin-mot", 2)
    await press.deliver()
    assert press.postman.got["all"][-1] == ("tin-mot.2", "tin-mot", 2, True)
    assert press.postman.items("one") == [("tin-hai", 1)]
    await press.out("tin-hai", 2, topic=OTHER, action="withdrawn")
    await press.deliver()
    assert press.postman.items("all")[-1] == press.postman.items("one")[-1] == ("tin-hai", 2)
    await press.cut()
    await press.deliver()
    assert [len(press.postman.mails(id)) for id in ("all", "one")] == [3, 2], "no item twice"


async def test_whoever_had_not_got_the_old_text_gets_the_digest_with_the_new_one(press):
    """One of two readers has the digest when a text changes and another one is withdrawn."""
    press.folk.settle("an", frequency="daily")
    press.folk.settle("binh", frequency="daily")
    for name in ("tin-mot", "tin-hai", "tin-ba"):
        await press.out(name)
    press.postman.answer = lambda row: OK if row.id == "an" else BUSY
    await press.cut()
    await press.deliver()
    await press.out("tin-hai", 2, action="withdrawn")
    await press.out("tin-ba", 2)
    press.postman.answer = lambda row: OK
    await press.insist(press.turn)
    await press.deliver()
    assert press.postman.items("binh") == [("tin-mot", 1), ("tin-ba", 2)]
    last = (await press.service.book.every(SATURDAY.content_id))[-1].issue
    assert [(item.content_id, item.out) for item in last.items] == [
        ("tin-mot", False), ("tin-hai", True), ("tin-ba", False),
    ]  # fmt: skip
    assert await press.picks(last.plan) == {"binh": 0b101}
    assert press.postman.outdated == []
    assert press.postman.items("an")[3:] == [("tin-hai", 2), ("tin-ba", 2)]
    await press.cut()
    await press.deliver()
    assert len(press.postman.mails("binh")) == 1, "the next digest has nothing new"
    assert await press.violations() == []


async def test_a_correction_waits_for_a_digest_that_is_on_the_wire(press):
    press.folk.settle("an", frequency="daily")
    await press.out("tin-mot")
    await press.cut()
    press.postman.hold = asyncio.Event()
    sending = asyncio.create_task(press.deliver())
    while not press.postman.windows:
        await asyncio.sleep(0.01)
    second = await press.release("tin-mot", 2)
    assert not await press.dispatch(second)
    press.postman.hold.set()
    await sending
    assert await press.dispatch(second)
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1), ("tin-mot", 2)]
    assert press.postman.outdated == []


@pytest.mark.parametrize("moment", ["before it is written", "before it is planned"])
async def test_a_position_that_is_released_while_a_digest_is_cut_is_never_overlooked(press, moment):
    """Its planner looks for digests before there is one, or before that one is planned."""
    press.folk.settle("an", frequency="daily")
    await press.out("tin-mot")
    owner = press.service.cutter.book if "written" in moment else press.service
    name = "cut" if "written" in moment else "have_planned"
    real = getattr(owner, name)

    async def meanwhile(*args):
        setattr(owner, name, real)
        assert await press.dispatch(await press.release("tin-mot", 2))
        return await real(*args)

    setattr(owner, name, meanwhile)
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 2)]
    assert press.postman.mails("an") == ["digest-daily-2027-01-16.2"]
    await press.cut()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 2)]
    assert await press.violations() == []
