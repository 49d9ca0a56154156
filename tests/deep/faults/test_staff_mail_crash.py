"""A process that mails staff and dies at any call to the bus: each act is told each person once."""

import asyncio
from collections import Counter

import pytest

from contracts.editorial import ActionKind as K
from contracts.editorial.action import RULE
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.staff_mail import StaffMailApp, draft

CALLS = 60
"""More than a pass over the story needs."""
HOUR_S = 3600.0
STORY = (
    (K.CONFIRM, "truong", {}),
    (K.PROPOSE, "bien", {}),
    (K.APPROVE, "duyet", {}),
    (K.PUBLISH, "loa", {"role": RULE}),
)
TOLD = {("soan", kind): 1 for kind in ("approved", "published")} | {("soan", "progress"): 2}
"""Of acts an hour apart that are worked through together: what waits no more is not told."""


async def act_out(app: StaffMailApp, item: str) -> None:
    await app.act(K.SAVE, "soan", item, draft())
    await app.act(K.SUBMIT, "soan", item)
    for kind, login, more in STORY:
        app.clock.advance(HOUR_S)
        await app.act(kind, login, item, **more)
    app.clock.advance(HOUR_S)


@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
async def test_a_process_that_dies_anywhere_loses_and_doubles_no_mail(bus, tmp_path, after):
    survivor = await StaffMailApp.staffed(bus, tmp_path)
    finished, calls = False, 0
    while not finished:
        calls += 1
        assert calls < CALLS
        await act_out(survivor, f"tin-{calls}")
        clock = FakeClock(survivor.clock.now)
        dying = StaffMailApp(crashing_bus(bus, calls, after=after), tmp_path / f"{calls}", clock)
        try:
            await dying.service.follow()
            await dying.service.send()
            finished = True
        except SimulatedCrash:
            pass
        mails = await survivor.mails()
        told = Counter((one.address.partition("@")[0], one.lines[0].kind) for one in mails)
        assert told == TOLD, calls
        assert {one.lines[0].content_id for one in mails} == {f"tin-{calls}"}
    assert calls > len(TOLD)
    assert await survivor.mails() == []


async def test_two_processes_at_once_tell_each_act_once(bus, tmp_path):
    app = await StaffMailApp.staffed(bus, tmp_path)
    other = StaffMailApp(bus, tmp_path / "other", app.clock)
    await act_out(app, "tin-1")
    services = (app.service, other.service)
    for _ in range(3):
        await asyncio.gather(*(service.follow() for service in services))
        await asyncio.gather(*(service.send() for service in services))
    assert Counter(await app.told()) == TOLD
