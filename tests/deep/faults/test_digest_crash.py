"""The digest service or a planner dies behind any call to the bus: others finish the digest."""

from collections import Counter

import pytest

from consumers.dispatch import planner as dispatch_planner
from consumers.ledger import cursor
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.digest_pipeline import BUSY
from tests.support.scripted_channel import OK

READERS = ("an", "binh", "chi", "dung", "em")


@pytest.fixture
async def digests(digests, monkeypatch):
    for owner in (cursor, dispatch_planner):
        monkeypatch.setattr(owner, "MAX_BATCH_ROWS", 2)
    for id in READERS:
        digests.directory.add(id, frequency="daily")
    return digests


async def service_dies(digests, call: int) -> bool:
    """Whether a digest service dies at its n-th call to the bus."""
    bus = crashing_bus(digests.bus, call, after=True)
    return await dies(lambda bus: digests.run_service(digests.new_service(bus)), bus)


async def dies(act, bus) -> bool:
    try:
        await act(bus)
    except SimulatedCrash:
        return True
    return False


@pytest.mark.promise("13.2")
async def test_a_cut_that_dies_anywhere_is_made_once_and_whole(digests):
    for call in range(1, 120, 2):
        name = f"tin-{call}"
        await digests.release_and_plan(name)
        digests.clock.advance(86_400.0)
        died = await service_dies(digests, call)
        await digests.repeat_until_done(digests.run_service)
        await digests.deliver()
        last = (await digests.service.store.last_cut("daily")).value.last
        assert len(await digests.service.store.all_issues(last)) == 1
        for id in READERS:
            assert digests.recorder.effects[id][-1][:2] == (f"{last}.1", name)
        if not died:
            assert call > 20, "every call was the last one once"
            assert {len(got) for got in digests.recorder.effects.values()} == {(call + 1) // 2}
            return
    pytest.fail("the cut never ended")


@pytest.mark.promise("13.3")
async def test_a_digests_correction_whose_planner_dies_anywhere_reaches_all_once(digests, bus):
    """Two of five have the old text when it changes; then the planner dies, then the service."""
    for call in range(1, 160, 4):
        name = f"tin-{call}"
        digests.recorder.answer = lambda row: OK if row.id in ("an", "chi") else BUSY
        await digests.release_and_plan(name)
        await digests.deliver_next()
        second = await digests.release(name, 2)
        planner = digests.new_planner(crashing_bus(bus, call, after=True))
        died = await dies(lambda _, p=planner, s=second: digests.dispatch(s, p), bus)
        died |= await service_dies(digests, call)
        digests.recorder.answer = lambda row: OK
        await digests.repeat_until_done(lambda s=second: digests.dispatch(s))
        await digests.repeat_until_done(digests.run_service)
        await digests.deliver()
        got = {id: [one for one in digests.items(id) if one[0] == name] for id in READERS}
        told, fresh = [(name, 1), (name, 2)], [(name, 2)]
        assert got == {"an": told, "binh": fresh, "chi": told, "dung": fresh, "em": fresh}
        if not died:
            assert call > 20, "every call was the last one once"
            assert await digests.violations() == []
            return
    pytest.fail("the correction never ended")


async def test_many_services_that_mostly_die_plan_everybody_once(digests):
    await digests.release_and_plan("tin-mot")
    digests.clock.advance(86_400.0)
    for call in range(3, 60, 7):
        await service_dies(digests, call)
    await digests.repeat_until_done(digests.run_service)
    await digests.deliver()
    counts = Counter(mail for id in READERS for mail, *_ in digests.recorder.effects[id])
    assert counts == {"digest-daily-2027-01-16.1": 5}
