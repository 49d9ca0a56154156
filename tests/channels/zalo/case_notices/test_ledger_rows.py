"""Case notices through the sandbox, from the event to the ledger: the status of the row."""

import pytest

from contracts.delivery import Status
from sandbox.zalo.state.templates import shipped_routes
from tests.support.case_pipeline import EMAIL, ZALO
from tests.support.crashing_bus import crash_at
from tests.support.zalo_notices import BY_PHONE, PHONE, USER_ID, add_person


async def test_who_refuses_us_is_not_asked_again_and_gets_mail(notice_case):
    notice_case.phone = lambda number: "84912345678"
    notice_case.notices.account.fault(BY_PHONE, "refuse", code=-141)
    first = await notice_case.happens()
    assert await notice_case.works(first) == Status.SUPPRESSED
    second = await notice_case.happens()
    assert await notice_case.works(second) == Status.SUPPRESSED
    assert notice_case.notices.messages == []
    assert await notice_case.pipeline.status(EMAIL, second) == Status.PENDING


async def test_a_template_that_is_approved_late_lets_its_rows_go(notice_case):
    """Forty notices wait while Zalo's people look at the template."""
    notices = notice_case.notices
    await notices.set_template("2", status="PENDING_REVIEW")
    numbers = [await notice_case.happens() for _ in range(40)]
    for number in numbers:
        assert await notice_case.works(number) == Status.DEFERRED
    await notices.templates.apply_template_event(shipped_routes()["2"], state="ENABLE")
    notices.clock.now = max([await notice_case.due(number) for number in numbers]) + 1
    await notices.set_template("2", status="ENABLE")
    for number in numbers:
        assert await notice_case.works(number) == Status.DELIVERED
    assert len(notices.messages) == 40


@pytest.mark.parametrize(
    ("point", "messages", "ends"),
    [
        ("zalo.notice_due", 0, Status.UNKNOWN),
        ("zalo.notice_answered", 1, Status.UNKNOWN),
        ("zalo.notice_kept", 1, Status.DELIVERED),
    ],
)
@pytest.mark.parametrize("address", ["phone", "zalo_user_id"])
async def test_a_death_around_the_call_sends_no_more(notice_case, point, messages, ends, address):
    """The next process asks Zalo where it can; it never sends again."""
    add_person(notice_case.notices.account)
    notice_case.contact = {"phone": PHONE} if address == "phone" else {"zalo_user_id": USER_ID}
    number = await notice_case.happens()
    with crash_at(point):
        await notice_case.pipeline.work(ZALO, number)
    await notice_case.new_process()
    notice_case.notices.clock.advance(66)
    assert await notice_case.works(number) == ends
    assert len(notice_case.notices.messages) == messages
    assert await notice_case.notices.amount_reserved("notices") == 1
