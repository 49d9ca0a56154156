"""Accounts that were not used for 45 days are disabled; who signs in, or is enabled, stays."""

from datetime import timedelta

import pytest

from consumers.app.wiring.retention import build_retention
from consumers.audit.log import AuditLog, parse_record
from consumers.intake.draft_decisions import DraftDecisions
from contracts.base.retention import DEFAULT
from tests.support.staff import KEYS, StaffHarness

DAY_S = timedelta(days=1).total_seconds()


@pytest.fixture
def staff(bus, clock) -> StaffHarness:
    return StaffHarness(bus, clock)


async def states(staff):
    """The states after a pass of the retention."""
    await build_retention(DraftDecisions(staff.bus, staff.clock), KEYS, DEFAULT).run_once(
        is_clock_right=True
    )
    return {account.login: account.state for account in await staff.accounts.all()}


async def test_only_who_has_not_signed_in_for_45_days_is_disabled(staff, clock):
    for login in ("an", "binh", "cuong"):
        await staff.active(login)
    token = await staff.sessions.start(await staff.accounts.require("binh"))
    clock.advance(44 * DAY_S)
    await staff.sessions.start(await staff.accounts.require("an"))
    assert set((await states(staff)).values()) == {"active"}
    clock.advance(DAY_S + 60)
    assert await states(staff) == {"an": "active", "binh": "disabled", "cuong": "disabled"}
    assert await staff.sessions.find(token) is None


async def test_the_disabling_is_in_the_audit_log_once(staff, clock):
    account = await staff.active()
    clock.advance(46 * DAY_S)
    for _ in range(2):
        await states(staff)
    found = [parse_record(one) async for one in AuditLog(staff.bus, clock).messages()]
    disabled = [one for one in found if one.action == "staff.disable"]
    told = [(one.object, one.actor, one.step) for one in disabled]
    assert told == [(account.id, "Loa", step) for step in ("intent", "done")]


async def test_an_account_that_was_enabled_again_has_45_days(staff, clock):
    account = await staff.active()
    clock.advance(46 * DAY_S)
    await states(staff)
    await staff.accounts.set_state(account.id, "active")
    assert await states(staff) == {"an": "active"}
    clock.advance(45 * DAY_S + 60)
    assert await states(staff) == {"an": "disabled"}
