"""Sending hours of case notices: a person's own dossier at any hour, other news by day."""

from datetime import datetime

import pytest

from channels.base import Verdict
from contracts.base.times import vietnam_time
from contracts.text.moments import VIETNAM
from tests.support.zalo_notices import USER_ID, add_person

TO_USER = f"zalo:{USER_ID}"


@pytest.mark.parametrize("time", ["00:00:00", "03:30:00", "06:59:59", "21:30:00", "23:59:59"])
async def test_news_of_ones_own_dossier_goes_at_any_hour(zalo_notices, time):
    zalo_notices.set_time(time)
    await zalo_notices.set_template("2", tag="TRANSACTION")
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("tag", ["CUSTOMER_CARE", "PROMOTION"])
@pytest.mark.parametrize(
    ("time", "goes", "release"),
    [
        ("06:59:59", False, "16 07:10"),
        ("07:00:00", True, ""),
        ("12:00:00", True, ""),
        ("21:29:59", True, ""),
        ("21:30:00", False, "17 07:10"),
        ("23:59:59", False, "17 07:10"),
        ("00:00:00", False, "16 07:10"),
    ],
)
async def test_what_can_wait_goes_by_day(zalo_notices, tag, time, goes, release):
    add_person(zalo_notices.account)
    zalo_notices.set_time(time)
    await zalo_notices.set_template("2", tag=tag)
    outcome = await zalo_notices.send(address=TO_USER)
    assert (outcome.verdict is Verdict.DELIVERED) == goes, outcome
    if not goes:
        assert (outcome.verdict, outcome.reached_provider) == (Verdict.HELD, False)
        assert f"{vietnam_time(zalo_notices.clock() + outcome.retry_after_s):%d %H:%M}" == release
        assert zalo_notices.messages == []


async def test_the_hours_are_zalos_even_when_our_clock_is_wrong(zalo_notices):
    await zalo_notices.set_template("2", tag="CUSTOMER_CARE")
    noon = datetime(2027, 1, 15, 12, tzinfo=VIETNAM).timestamp()
    zalo_notices.clock.advance(12 * 3600)
    zalo_notices.account.sandbox.world.tokens.expires = 1e12
    zalo_notices.account.sandbox.clock.set(noon)
    await zalo_notices.start()
    assert vietnam_time(zalo_notices.clock()).hour == 0
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED


async def test_without_zalos_time_what_can_wait_waits(zalo_notices):
    await zalo_notices.set_template("2", tag="CUSTOMER_CARE")
    await zalo_notices.start()
    zalo_notices.account.fault("business.quota", "html_before", times=9)
    assert (await zalo_notices.send()).verdict is Verdict.HELD
    assert zalo_notices.messages == []
