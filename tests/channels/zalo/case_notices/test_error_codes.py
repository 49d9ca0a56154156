"""An error code of each kind for template messages, through the sandbox: the row's outcome."""

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.zalo.error_codes import ErrorKind
from tests.support.zalo_error_codes import BUSINESS, code_rows
from tests.support.zalo_notices import BY_PHONE, BY_USER_ID, TO_USER, add_person

UNTIL_THEN = (ErrorKind.OPERATOR, ErrorKind.QUOTA, ErrorKind.RETRY)
SAMPLES = {(row.kind, row.is_ambiguous, *row.details): row for row in code_rows(BUSINESS)}


@pytest.mark.parametrize("row", SAMPLES.values(), ids=str)
async def test_a_code_of_the_business_host_ends_as_its_class_says(zalo_notices, row):
    """Row, money, operator, and the next attempt: nothing is lost, and nothing is sent twice."""
    grants = zalo_notices.account.effects("granted")
    zalo_notices.account.fault(BY_PHONE, "refuse", code=row.code, words="no")
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_notices.send()
    is_sent = row.kind is ErrorKind.TOKEN  # refreshed, and sent
    assert len(zalo_notices.messages) == is_sent
    assert await zalo_notices.amount_reserved("notices") == (is_sent or row.is_ambiguous)
    if is_sent:
        assert outcome == Outcome(Verdict.DELIVERED)
        assert zalo_notices.account.effects("granted") == grants + 1
        return
    row.check(outcome)
    fixes = [line["fix"] for line in logs if line["event"] == "zalo_operator_needed"]
    assert [fix.startswith(row.fix) for fix in fixes] == ([True] if row.fix else [])
    if row.is_ambiguous:
        assert (await zalo_notices.resolve()).verdict is Verdict.UNKNOWN
    elif row.kind in UNTIL_THEN:
        zalo_notices.clock.advance(outcome.retry_after_s or 0)
        zalo_notices.account.sandbox.world.tokens.expires = 1e12
        assert await zalo_notices.send(again=True) == Outcome(Verdict.DELIVERED)
        assert len(zalo_notices.messages) == 1


@pytest.mark.parametrize(
    ("code", "verdict", "mute_days"),
    [
        (-217, Verdict.SUPPRESSED, 180),
        (-249, Verdict.SUPPRESSED, 0),
        (-210, Verdict.FAILED, 0),
        (-200, Verdict.DOUBT, 0),
        (-239, Verdict.DEFERRED, 0),
        (-211, Verdict.HELD, 0),
        (-216, Verdict.DELIVERED, 0),
    ],
)
async def test_a_code_of_the_accounts_host_ends_as_classed(zalo_notices, code, verdict, mute_days):
    add_person(zalo_notices.account)
    zalo_notices.account.fault(BY_USER_ID, "refuse", code=code, words="no")
    outcome = await zalo_notices.send(address=TO_USER)
    assert (outcome.verdict, outcome.mute_s) == (verdict, 86400 * mute_days)
    is_reserved = verdict in (Verdict.DOUBT, Verdict.DELIVERED)
    assert await zalo_notices.amount_reserved("notices") == is_reserved


@pytest.mark.parametrize("code", [-110, -114, -118, -119, -140, -141])
async def test_a_refusal_of_one_person_suppresses_that_person_alone(zalo_notices, code):
    add_person(zalo_notices.account, template_code=code)
    assert (await zalo_notices.send()).verdict is Verdict.SUPPRESSED
    assert (await zalo_notices.send(address="84987654321")).verdict is Verdict.DELIVERED
