"""A template that Zalo has not approved holds its own notices, and nothing else."""

import pytest
import structlog

from channels.base import Verdict
from channels.zalo import error_codes
from channels.zalo.case_notices.template_holds import OPERATOR_HOLD_S
from channels.zalo.errors import OPERATOR_RETRY_S
from sandbox.zalo.state.templates import shipped_routes
from tests.support.zalo_notices import (
    BY_PHONE,
    BY_USER_ID,
    USER_ID,
    add_person,
    count_calls,
    sample_notice,
)

TO_USER = f"zalo:{USER_ID}"


@pytest.mark.parametrize("state", ["PENDING_REVIEW", "REJECT", "DISABLE", "DELETE"])
async def test_a_template_that_is_not_approved_holds_its_rows_and_nothing_else(zalo_notices, state):
    await zalo_notices.set_template("2", status=state)
    outcome = await zalo_notices.send(sample_notice("2"))
    assert (outcome.verdict, outcome.reached_provider) == (Verdict.HELD, False)
    assert state in outcome.reason
    assert (await zalo_notices.send(sample_notice("4"))).verdict is Verdict.DELIVERED
    assert len(zalo_notices.messages) == 1


async def test_rows_that_wait_go_when_zalo_approves_and_wait_when_it_no_longer_does(zalo_notices):
    id = shipped_routes()["2"]
    for _ in range(3):
        await zalo_notices.templates.apply_template_event(id, state="DISABLE")
        held = await zalo_notices.send()
        assert held.verdict is Verdict.HELD
        zalo_notices.clock.advance(held.retry_after_s)
        assert (await zalo_notices.send(again=True)).verdict is Verdict.HELD
        await zalo_notices.templates.apply_template_event(id, state="ENABLE")
        assert (await zalo_notices.send(again=True)).verdict is Verdict.DELIVERED
    assert len(zalo_notices.messages) == 3


async def test_a_kind_without_a_template_waits_and_somebody_is_told_once(zalo_notices):
    await zalo_notices.templates.remove("5")
    with structlog.testing.capture_logs() as logs:
        outcomes = [await zalo_notices.send(sample_notice("5")) for _ in range(20)]
    assert {(one.verdict, one.retry_after_s) for one in outcomes} == {
        (Verdict.HELD, OPERATOR_RETRY_S)
    }
    [line] = [one for one in logs if one["event"] == "zalo_operator_needed"]
    assert line["fix"] == error_codes.operator_fix("route")
    assert zalo_notices.messages == []


async def test_an_approval_that_ended_unheard_holds_the_row_and_asks_the_operator(zalo_notices):
    world = zalo_notices.account.sandbox.world
    now = world.templates.templates[shipped_routes()["2"]].model_copy(update={"status": "DISABLE"})
    world.record("template_set", template=now.model_dump(mode="json"))
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_notices.send()
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, OPERATOR_RETRY_S)
    assert "zalo_operator_needed" in [line["event"] for line in logs]
    assert await zalo_notices.amount_reserved("today") == 0
    calls = count_calls(zalo_notices)
    assert [(await zalo_notices.send()).verdict for _ in range(9)] == [Verdict.HELD] * 9
    assert not calls, "one refusal was enough"


async def test_what_wants_an_operator_is_not_asked_by_every_row(zalo_notices):
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-115, times=99)
    calls = count_calls(zalo_notices)
    outcomes = [await zalo_notices.send() for _ in range(50)]
    assert {one.verdict for one in outcomes} == {Verdict.HELD}
    assert [one.reached_provider for one in outcomes].count(True) == calls["template"] == 1
    assert all(one.retry_after_s <= OPERATOR_HOLD_S for one in outcomes[1:])
    zalo_notices.clock.advance(OPERATOR_HOLD_S + 1)
    await zalo_notices.send()
    assert calls["template"] == 2


async def test_a_template_zalo_calls_good_and_refuses_is_asked_about_once_a_minute(zalo_notices):
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-117, times=99)
    calls = count_calls(zalo_notices)
    for _ in range(9):
        assert (await zalo_notices.send()).verdict is Verdict.HELD
    assert (calls["template"], calls["v2"]) == (1, 1)
    zalo_notices.account.fault("business.info", "html_before", times=9)
    zalo_notices.clock.advance(OPERATOR_HOLD_S + 1)
    assert (await zalo_notices.send()).verdict is Verdict.HELD


@pytest.mark.parametrize("code", [-235, -240, -212, -224])
async def test_what_stops_messages_by_user_id_stops_none_by_phone(zalo_notices, code):
    add_person(zalo_notices.account)
    zalo_notices.account.fault(BY_USER_ID, "refuse", code=code, words="no", times=9)
    assert [(await zalo_notices.send(address=TO_USER)).reached_provider for _ in range(3)] == [
        True,
        False,
        False,
    ]
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-115, times=9)
    assert [(await zalo_notices.send()).reached_provider for _ in range(3)] == [True, False, False]
    zalo_notices.clock.advance(OPERATOR_HOLD_S + 1)
    zalo_notices.account.sandbox.faults.planned.clear()
    assert (await zalo_notices.send(address=TO_USER)).verdict is Verdict.DELIVERED
