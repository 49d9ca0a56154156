"""A template that Zalo has not approved holds its own notices, and nothing else."""

import pytest
import structlog

from channels.base import Verdict
from channels.zalo import codes
from channels.zalo.outcomes import OPERATOR_S
from channels.zalo.sandbox import shelf
from channels.zalo.shutters import SHUT_S
from tests.notice_stage import BY_PHONE, BY_USER_ID, USER_ID, a_notice, counting, noticing, person

TO_USER = f"zalo:{USER_ID}"


@pytest.fixture
async def house(tmp_path, clock):
    async with noticing(tmp_path, clock) as house:
        yield house


@pytest.mark.parametrize("state", ["PENDING_REVIEW", "REJECT", "DISABLE", "DELETE"])
async def test_a_template_that_is_not_approved_holds_its_rows_and_nothing_else(house, state):
    await house.set_template("2", status=state)
    outcome = await house.send(a_notice("2"))
    assert (outcome.verdict, outcome.asked) == (Verdict.HELD, False)
    assert state in outcome.reason
    assert (await house.send(a_notice("4"))).verdict is Verdict.DELIVERED
    assert len(house.messages) == 1


async def test_rows_that_wait_go_when_zalo_approves_and_wait_again_when_it_no_longer_does(house):
    id = shelf.serving()["2"]
    for _ in range(3):
        await house.templates.heard(id, state="DISABLE")
        held = await house.send()
        assert held.verdict is Verdict.HELD
        house.clock.advance(held.after_s)
        assert (await house.send(again=True)).verdict is Verdict.HELD
        await house.templates.heard(id, state="ENABLE")
        assert (await house.send(again=True)).verdict is Verdict.DELIVERED
    assert len(house.messages) == 3


async def test_another_process_hears_of_it_within_a_minute(house):
    mine = house.templates
    await house.start()
    assert (await house.send()).verdict is Verdict.DELIVERED
    await mine.heard(shelf.serving()["2"], state="DISABLE")
    house.clock.advance(61)
    assert (await house.send()).verdict is Verdict.HELD


async def test_a_kind_without_a_template_waits_and_somebody_is_told_once(house):
    await house.templates.remove("5")
    with structlog.testing.capture_logs() as logs:
        outcomes = [await house.send(a_notice("5")) for _ in range(20)]
    assert {(one.verdict, one.after_s) for one in outcomes} == {(Verdict.HELD, OPERATOR_S)}
    [line] = [one for one in logs if one["event"] == "zalo_operator_needed"]
    assert line["fix"] == codes.fix("route")
    assert house.messages == []


async def test_an_approval_that_ended_unheard_holds_the_row_and_asks_the_operator(house):
    world = house.stage.sandbox.world
    now = world.shelf.templates[shelf.serving()["2"]].model_copy(update={"status": "DISABLE"})
    world.record("template_set", template=now.model_dump(mode="json"))
    with structlog.testing.capture_logs() as logs:
        outcome = await house.send()
    assert (outcome.verdict, outcome.after_s) == (Verdict.HELD, OPERATOR_S)
    assert "zalo_operator_needed" in [line["event"] for line in logs]
    assert await house.used("today") == 0
    calls = counting(house)
    assert [(await house.send()).verdict for _ in range(9)] == [Verdict.HELD] * 9
    assert not calls, "one refusal was enough"


async def test_what_wants_an_operator_is_not_asked_by_every_row(house):
    house.stage.fault(BY_PHONE, "refuse", code=-115, times=99)
    calls = counting(house)
    outcomes = [await house.send() for _ in range(50)]
    assert {one.verdict for one in outcomes} == {Verdict.HELD}
    assert [one.asked for one in outcomes].count(True) == calls["template"] == 1
    assert all(one.after_s <= SHUT_S for one in outcomes[1:])
    house.clock.advance(SHUT_S + 1)
    await house.send()
    assert calls["template"] == 2


async def test_a_template_that_zalo_calls_good_and_refuses_is_asked_about_once_a_minute(house):
    house.stage.fault(BY_PHONE, "refuse", code=-117, times=99)
    calls = counting(house)
    for _ in range(9):
        assert (await house.send()).verdict is Verdict.HELD
    assert (calls["template"], calls["v2"]) == (1, 1)
    house.stage.fault("business.info", "html_before", times=9)
    house.clock.advance(SHUT_S + 1)
    assert (await house.send()).verdict is Verdict.HELD


@pytest.mark.parametrize("code", [-235, -240, -212, -224])
async def test_what_stops_messages_by_user_id_stops_none_by_phone(house, code):
    person(house.stage)
    house.stage.fault(BY_USER_ID, "refuse", code=code, words="no", times=9)
    assert [(await house.send(address=TO_USER)).asked for _ in range(3)] == [True, False, False]
    assert (await house.send()).verdict is Verdict.DELIVERED
    house.stage.fault(BY_PHONE, "refuse", code=-115, times=9)
    assert [(await house.send()).asked for _ in range(3)] == [True, False, False]
    house.clock.advance(SHUT_S + 1)
    house.stage.sandbox.faults.planned.clear()
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED


async def test_what_stops_messages_by_phone_stops_none_by_user_id(house):
    person(house.stage)
    house.stage.fault(BY_PHONE, "refuse", code=-138)
    assert (await house.send()).verdict is Verdict.HELD
    assert (await house.send(address=TO_USER)).verdict is Verdict.DELIVERED
