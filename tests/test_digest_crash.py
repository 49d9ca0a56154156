"""Whoever cuts, plans or corrects a digest dies behind any call to the bus: others finish it."""

from collections import Counter

import pytest

from channels.base import Outcome, Verdict
from consumers import plans
from consumers.ledger import cursor
from tests.crashing import Crash, doomed
from tests.digest_house import Press

READERS = ("an", "binh", "chi", "dung", "em")
OK, BUSY = Outcome(Verdict.DELIVERED), Outcome(Verdict.DEFERRED, "451")


@pytest.fixture
async def press(bus, tmp_path, monkeypatch):
    for owner in (cursor, plans):
        monkeypatch.setattr(owner, "BATCH_ROWS", 2)
    press = Press(bus, tmp_path)
    for id in READERS:
        press.folk.settle(id, frequency="daily")
    await press.turn()
    yield press
    press.folk.store.close()


async def dies(act, bus) -> bool:
    try:
        await act(bus)
    except Crash:
        return True
    return False


async def test_a_cut_that_dies_anywhere_is_made_once_and_whole(press, bus):
    for call in range(1, 120, 2):
        name = f"tin-{call}"
        await press.out(name)
        press.clock.forward(86_400.0)
        died = await dies(
            lambda bus: press.turn(press.a_service(bus)), doomed(bus, call, after=True)
        )
        await press.insist(press.turn)
        await press.deliver()
        last = (await press.service.book.now("daily")).known.last
        assert len(await press.service.book.every(last)) == 1
        for id in READERS:
            assert press.postman.got[id][-1][:2] == (f"{last}.1", name)
        if not died:
            assert call > 20, "every call was the last one once"
            assert {len(got) for got in press.postman.got.values()} == {(call + 1) // 2}
            return
    pytest.fail("the cut never ended")


async def test_a_correction_of_a_digest_whose_planner_dies_anywhere_reaches_everybody_once(
    press, bus
):
    """Two of five have the old text when it changes; then the planner dies, then the service."""
    for call in range(1, 160, 4):
        name = f"tin-{call}"
        press.postman.answer = lambda row: OK if row.id in ("an", "chi") else BUSY
        await press.out(name)
        await press.cut()
        await press.deliver()
        second = await press.release(name, 2)
        planner = press.a_planner(doomed(bus, call, after=True))
        died = await dies(lambda _, p=planner, s=second: press.dispatch(s, p), bus)
        service = press.a_service(doomed(bus, call, after=True))
        died |= await dies(lambda _, s=service: press.turn(s), bus)
        press.postman.answer = lambda row: OK
        await press.insist(lambda s=second: press.dispatch(s))
        await press.insist(press.turn)
        await press.deliver()
        got = {id: [one[1:3] for one in press.postman.got[id] if one[1] == name] for id in READERS}
        told, fresh = [(name, 1), (name, 2)], [(name, 2)]
        assert got == {"an": told, "binh": fresh, "chi": told, "dung": fresh, "em": fresh}
        if not died:
            assert call > 20, "every call was the last one once"
            assert await press.violations() == []
            return
    pytest.fail("the correction never ended")


async def test_many_services_that_mostly_die_plan_everybody_once(press, bus):
    await press.out("tin-mot")
    press.clock.forward(86_400.0)
    for call in range(3, 60, 7):
        await dies(lambda bus: press.turn(press.a_service(bus)), doomed(bus, call, after=True))
    await press.insist(press.turn)
    await press.deliver()
    counts = Counter(mail for id in READERS for mail, *_ in press.postman.got[id])
    assert counts == {"digest-daily-2027-01-16.1": 5}
