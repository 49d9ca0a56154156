"""Every error code of a template message, and two hundred lost answers, down to the ledger row."""

from collections import Counter

import pytest

from channels.zalo.case_notices.template_holds import OPERATOR_HOLD_S
from contracts.delivery import Status
from tests.support.case_pipeline import EMAIL
from tests.support.zalo_error_codes import BUSINESS, code_rows
from tests.support.zalo_notices import BY_PHONE, LOST

ENDS = {
    "U": Status.SUPPRESSED,
    "C": Status.FAILED,
    "A": Status.DEFERRED,
    "Q": Status.DEFERRED,
    "T": Status.DELIVERED,
}
CODES = code_rows(BUSINESS)
OF_THE_DAY, OF_THE_TEMPLATE = -144, -147
"""Codes that stop others, too: until a higher quota, for this process."""


async def test_every_code_ends_the_row_as_its_class_says_and_nobody_is_told_twice(notice_case):
    """A person out of reach on Zalo is told by mail, and no other; what waits goes in its time."""
    notices, waiting = notice_case.notices, []
    for line in CODES:
        notices.account.fault(BY_PHONE, "refuse", code=line.code, words="no")
        number = await notice_case.happens()
        assert await notice_case.works(number) == (
            Status.UNKNOWN if line.is_ambiguous else ENDS[line.kind]
        ), line
        by_mail = await notice_case.pipeline.status(EMAIL, number)
        assert by_mail == (Status.PENDING if line.kind == "U" else None), line
        waiting += [number] if line.kind in "AQ" else []
        quiet_s = OPERATOR_HOLD_S + 1 if line.kind == "A" else 0
        notices.clock.advance(70 if "minute" in line.details else quiet_s)
        if line.code == OF_THE_DAY:
            await notices.templates.apply_quota_event(30_000, notices.clock())
        if line.code == OF_THE_TEMPLATE:
            await notice_case.new_process()
    assert len(waiting) > 40
    notices.account.sandbox.world.tokens.expires = 1e12
    due = {number: await notice_case.due(number) for number in waiting}
    for number in sorted(waiting, key=lambda one: due[one]):
        notices.clock.now = max(notices.clock.now, due[number])
        assert await notice_case.works(number) == Status.DELIVERED
    times = Counter(message["phone"] for message in notices.messages)
    told = [n for n, line in enumerate(CODES, 1) if line.kind in "AQT"]
    assert times == Counter(notice_case.phone(number) for number in told)


@pytest.mark.promise("12.3")
async def test_two_hundred_answers_lost_after_their_effect_are_never_repeated(notice_case):
    notices = notice_case.notices
    notices.account.set_rules(per_minute=100_000)
    for turn in range(200):
        notices.account.fault(BY_PHONE, LOST[turn % len(LOST)], code=-100)
        number = await notice_case.happens()
        assert await notice_case.works(number) == Status.UNKNOWN
        assert await notice_case.works(number) == Status.UNKNOWN
        assert await notice_case.pipeline.status(EMAIL, number) is None, "nobody is told twice"
    times = Counter(message["tracking_id"] for message in notices.messages)
    assert (len(times), set(times.values())) == (200, {1})
