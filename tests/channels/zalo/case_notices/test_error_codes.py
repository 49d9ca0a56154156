"""Every error code of template messages, through the sandbox: the outcome of the row.

The tables are copied from Zalo's own error pages, not from the product's.
"""

from typing import NamedTuple

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.zalo.client import error_codes
from channels.zalo.client.clock import vietnam_time
from channels.zalo.outcomes import OPERATOR_RETRY_S
from tests.support.zalo_notices import (
    BY_PHONE,
    BY_USER_ID,
    PHONE,
    USER_ID,
    add_person,
    open_zalo_notices,
)

TO_USER = f"zalo:{USER_ID}"
BUSINESS = """
-101 A  -102 A  -103 A  -104 A  -105 A  -106 A  -107 C  -108 U 90  -109 A  -1091 A  -110 U 30
-111 C  -112 C  -1121 C  -1122 C  -1123 C  -1124 C  -113 C  -1131 C  -1132 C  -114 U 30  -115 A
-116 C  -117 A  -118 U 90  -119 U 30  -120 A  -1201 A  -1202 A  -121 A  -122 A  -123 A  -124 T
-1241 A  -125 A  -126 A  -127 A  -128 A  -129 A  -130 C  -131 A  -132 C  -133 Q morning  -134 U 0
-135 A  -1351 A  -136 A  -137 A  -138 A  -1381 A  -139 U 0  -140 U 0  -141 U 180  -142 A  -143 A
-144 Q day  -1441 Q month  -145 A  -146 A  -147 Q day  -1471 Q month  -1472 Q day  -148 C  -149 C
-1491 C  -150 C  -151 A  -152 A  -153 C  -158 C  -159 C  -160 Q day  -161 A  -162 A  -32 Q minute
-100 D  -99999 C
"""
OA = """
-32 Q minute  -201 C  -204 A  -205 A  -209 A  -210 C  -211 Q day  -212 A  -213 U 30  -216 T
-217 U 180  -218 Q day  -219 A  -220 T  -221 A  -223 A  -224 A  -227 U 45  -230 U 30  -232 U 30
-233 C  -234 Q morning  -235 A  -239 R  -240 A  -242 A  -244 U 30  -248 C  -249 S  -320 A  -321 A
-200 D  -99999 C
"""
VERDICTS = {
    "U": Verdict.SUPPRESSED,
    "S": Verdict.SUPPRESSED,
    "C": Verdict.FAILED,
    "A": Verdict.HELD,
    "Q": Verdict.HELD,
    "R": Verdict.DEFERRED,
    "T": Verdict.DELIVERED,  # renewed, and sent
    "D": Verdict.DOUBT,
}
TOLD = (-211, -248)
"""Codes without an operator's action that an operator should nevertheless know."""
MOMENTS = {"minute": "12:01", "morning": "06:10", "day": "00:10", "month": "00:10"}


class CodeRow(NamedTuple):
    """A code, its class, and its details: days of silence, or the time of the next attempt."""

    code: int
    kind: str
    details: str = ""

    def __str__(self):
        return str(self.code)


def code_rows(table):
    words = table.split()
    starts = [n for n, word in enumerate(words) if word.startswith("-")]
    ends = [*starts[1:], len(words)]
    return [
        CodeRow(int(words[one]), *words[one + 1 : end])
        for one, end in zip(starts, ends, strict=True)
    ]


@pytest.fixture
async def zalo_notices(tmp_path, clock):
    async with open_zalo_notices(tmp_path, clock) as house:
        add_person(house.account)
        yield house


async def refused(house, line, route, address):
    """The outcome, and the operator's log line."""
    house.account.fault(route, "refuse", code=line.code, words="no")
    with structlog.testing.capture_logs() as logs:
        outcome = await house.send(address=address)
    return outcome, [one for one in logs if one["event"] == "zalo_operator_needed"]


async def ends(house, line, outcome, asked, address):
    """The promises of the class: row, money, operator, next attempt."""
    assert outcome.verdict is VERDICTS[line.kind]
    assert bool(asked) == (line.kind == "A" or line.code in TOLD)
    assert all(one["fix"] for one in asked)
    assert await house.amount_reserved("notices") == (line.kind in "TD")
    assert len(house.messages) == (line.kind == "T")
    if line.kind in "US":
        assert outcome.mute_s == 86400 * int(line.details or 0)
    if line.kind == "D":
        assert (await house.resolve(address=address)).verdict is Verdict.UNKNOWN
    if line.kind in "AQR":
        await goes_on(house, line, outcome, address)


async def goes_on(house, line, outcome, address):
    """Nothing is lost: at its time the row goes out, once."""
    if line.kind == "A":
        assert outcome.retry_after_s == OPERATOR_RETRY_S
    if line.kind == "Q":
        assert (
            f"{vietnam_time(house.clock() + outcome.retry_after_s):%H:%M}" == MOMENTS[line.details]
        )
    house.clock.advance(outcome.retry_after_s or 0)
    house.account.sandbox.world.tokens.expires = 1e12
    again = await house.send(address=address, again=True)
    assert again == Outcome(Verdict.DELIVERED)
    assert len(house.messages) == 1


@pytest.mark.parametrize("line", code_rows(BUSINESS), ids=str)
async def test_a_code_of_the_business_host_ends_as_its_class_says(zalo_notices, line):
    outcome, asked = await refused(zalo_notices, line, BY_PHONE, PHONE)
    await ends(zalo_notices, line, outcome, asked, PHONE)


@pytest.mark.parametrize("line", code_rows(OA), ids=str)
async def test_a_code_of_the_account_s_host_ends_as_its_class_says(zalo_notices, line):
    outcome, asked = await refused(zalo_notices, line, BY_USER_ID, TO_USER)
    await ends(zalo_notices, line, outcome, asked, TO_USER)


def test_no_code_of_the_business_host_was_forgotten():
    known = {line.code for line in code_rows(BUSINESS)} - {-99999}
    tokens = {216, -216, 401, -401, -220}  # the other host's codes for the same thing
    assert set(error_codes.rules_by_code(error_codes.BUSINESS_HOST)) - known == tokens | {-404}
    assert known <= set(error_codes.rules_by_code(error_codes.BUSINESS_HOST))


async def test_a_token_that_stays_refused_holds_the_row(zalo_notices):
    zalo_notices.account.fault(BY_PHONE, "refuse", code=-124, words="Access token invalid", times=9)
    outcome = await zalo_notices.send()
    assert (outcome.verdict, outcome.retry_after_s) == (Verdict.HELD, OPERATOR_RETRY_S)
    assert await zalo_notices.amount_reserved("notices") == 0
    assert zalo_notices.messages == []


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"uid_templates": False}, -235),
        ({"free_package": True}, -224),
        ({"zca_linked": False}, -320),
    ],
)
async def test_an_account_that_may_not_send_to_user_ids_holds_the_row(zalo_notices, rules, code):
    zalo_notices.account.set_rules(**rules)
    outcome = await zalo_notices.send(address=TO_USER)
    assert outcome.verdict is Verdict.HELD
    assert f"zalo {code}" in outcome.reason


async def test_a_template_that_can_not_go_to_a_user_id_is_left_to_another_channel(zalo_notices):
    await zalo_notices.set_template("2", by_uid=False)
    outcome = await zalo_notices.send(address=TO_USER)
    assert (outcome.verdict, outcome.mute_s) == (Verdict.SUPPRESSED, 0)
    assert (await zalo_notices.send()).verdict is Verdict.DELIVERED, "by phone it goes"


@pytest.mark.parametrize("code", [-110, -114, -118, -119, -140, -141])
async def test_what_zalo_says_of_one_person_is_said_of_that_person_alone(zalo_notices, code):
    add_person(zalo_notices.account, template_code=code)
    assert (await zalo_notices.send()).verdict is Verdict.SUPPRESSED
    assert (await zalo_notices.send(address="84987654321")).verdict is Verdict.DELIVERED
