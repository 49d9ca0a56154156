"""Whoever cuts, plans or corrects a digest dies behind any call to the bus: others finish it."""

from collections import Counter

import pytest

from channels.base import Outcome, Verdict
from consumers.dispatch import planner as dispatch_planner
from consumers.ledger import cursor
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.digest_pipeline import DigestPipeline

READERS = ("an", "binh", "chi", "dung", "em")
OK, BUSY = Outcome(Verdict.DELIVERED), Outcome(Verdict.DEFERRED, "451")


@pytest.fixture
async def digest_pipeline(bus, tmp_path, monkeypatch):
    for owner in (cursor, dispatch_planner):
        monkeypatch.setattr(owner, "MAX_BATCH_ROWS", 2)
    press = DigestPipeline(bus, tmp_path)
    for id in READERS:
        press.directory.add(id, frequency="daily")
    await press.run_service()
    yield press
    press.directory.store.close()


async def dies(act, bus) -> bool:
    try:
        await act(bus)
    except SimulatedCrash:
        return True
    return False


@pytest.mark.promise("13.2")
async def test_a_cut_that_dies_anywhere_is_made_once_and_whole(digest_pipeline, bus):
    for call in range(1, 120, 2):
        name = f"tin-{call}"
        await digest_pipeline.release_and_plan(name)
        digest_pipeline.clock.advance(86_400.0)
        died = await dies(
            lambda bus: digest_pipeline.run_service(digest_pipeline.new_service(bus)),
            crashing_bus(bus, call, after=True),
        )
        await digest_pipeline.repeat_until_done(digest_pipeline.run_service)
        await digest_pipeline.deliver()
        last = (await digest_pipeline.service.store.last_cut("daily")).value.last
        assert len(await digest_pipeline.service.store.all_issues(last)) == 1
        for id in READERS:
            assert digest_pipeline.recorder.effects[id][-1][:2] == (f"{last}.1", name)
        if not died:
            assert call > 20, "every call was the last one once"
            assert {len(got) for got in digest_pipeline.recorder.effects.values()} == {
                (call + 1) // 2
            }
            return
    pytest.fail("the cut never ended")


@pytest.mark.promise("13.3")
async def test_a_correction_of_a_digest_whose_planner_dies_anywhere_reaches_everybody_once(
    digest_pipeline, bus
):
    """Two of five have the old text when it changes; then the planner dies, then the service."""
    for call in range(1, 160, 4):
        name = f"tin-{call}"
        digest_pipeline.recorder.answer = lambda row: OK if row.id in ("an", "chi") else BUSY
        await digest_pipeline.release_and_plan(name)
        await digest_pipeline.pass_days()
        await digest_pipeline.deliver()
        second = await digest_pipeline.release(name, 2)
        planner = digest_pipeline.new_planner(crashing_bus(bus, call, after=True))
        died = await dies(lambda _, p=planner, s=second: digest_pipeline.dispatch(s, p), bus)
        service = digest_pipeline.new_service(crashing_bus(bus, call, after=True))
        died |= await dies(lambda _, s=service: digest_pipeline.run_service(s), bus)
        digest_pipeline.recorder.answer = lambda row: OK
        await digest_pipeline.repeat_until_done(lambda s=second: digest_pipeline.dispatch(s))
        await digest_pipeline.repeat_until_done(digest_pipeline.run_service)
        await digest_pipeline.deliver()
        got = {
            id: [one[1:3] for one in digest_pipeline.recorder.effects[id] if one[1] == name]
            for id in READERS
        }
        told, fresh = [(name, 1), (name, 2)], [(name, 2)]
        assert got == {"an": told, "binh": fresh, "chi": told, "dung": fresh, "em": fresh}
        if not died:
            assert call > 20, "every call was the last one once"
            assert await digest_pipeline.violations() == []
            return
    pytest.fail("the correction never ended")


async def test_many_services_that_mostly_die_plan_everybody_once(digest_pipeline, bus):
    await digest_pipeline.release_and_plan("tin-mot")
    digest_pipeline.clock.advance(86_400.0)
    for call in range(3, 60, 7):
        await dies(
            lambda bus: digest_pipeline.run_service(digest_pipeline.new_service(bus)),
            crashing_bus(bus, call, after=True),
        )
    await digest_pipeline.repeat_until_done(digest_pipeline.run_service)
    await digest_pipeline.deliver()
    counts = Counter(mail for id in READERS for mail, *_ in digest_pipeline.recorder.effects[id])
    assert counts == {"digest-daily-2027-01-16.1": 5}
