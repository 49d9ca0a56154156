"""Zalo's codes, one by one: each has the outcome of its class; the sandbox says one of each."""

import pytest
import structlog

from channels.base import Verdict
from channels.zalo import error_codes
from channels.zalo.error_codes import ErrorKind, classify
from channels.zalo.errors import Refused
from channels.zalo.outcomes import outcome_of
from tests.support.publications import a_publication
from tests.support.zalo_account import BROADCAST, NOON
from tests.support.zalo_error_codes import BUSINESS, FIX, OA, CodeRow, code_rows

TABLES = {error_codes.OA_HOST: code_rows(OA), error_codes.BUSINESS_HOST: code_rows(BUSINESS)}
TOKEN = ErrorKind.TOKEN
TOKEN_CODES = [row for row in code_rows(OA) if row.kind is TOKEN]
ROWS = [(host, row) for host, rows in TABLES.items() for row in rows]
ANSWERED = [(host, row) for host, row in ROWS if not (row.is_ambiguous or row.kind is TOKEN)]
SAMPLES = {(row.kind, row.is_ambiguous): row for row in code_rows(OA) if row.kind is not TOKEN}
"""The client refreshes a refused token, and doubts an ambiguous answer; one code of each other kind
goes through the sandbox.
"""


@pytest.fixture
def operator_hints():
    """The expected places that the operator is sent to, compared at the end."""
    with structlog.testing.capture_logs() as logs:
        expected: list[str] = []
        yield expected
        fixes = [line["fix"] for line in logs if line["event"] == "zalo_operator_needed"]
        assert len(fixes) == len(expected)
        assert all(place in fix for place, fix in zip(expected, fixes, strict=True))


@pytest.mark.parametrize("host", TABLES)
def test_the_table_has_every_code_of_zalos_lists_and_no_other(host):
    rules, rows = error_codes.rules_by_code(host), TABLES[host]
    assert {row.code: row.kind for row in rows} == {
        code: classify(host, code, "").kind for code in rules
    }
    ambiguous = {code for code, entry in rules.items() if any(rule.ambiguous for rule in entry)}
    assert ambiguous == {row.code for row in rows if row.is_ambiguous}


@pytest.mark.parametrize(("host", "row"), ANSWERED, ids=str)
def test_each_code_has_its_outcome(operator_hints, host, row):
    refusal = Refused("call", row.code, "no", classify(host, row.code, "no"))
    row.check(outcome_of(refusal, NOON, lambda: 0.5))
    operator_hints += [row.fix] if row.fix else []


@pytest.mark.parametrize("row", SAMPLES.values(), ids=str)
async def test_a_code_of_each_kind_ends_so_at_the_account_host(zalo_account, operator_hints, row):
    zalo_account.fault("article.create", "refuse", code=row.code, words="no")
    outcome = await zalo_account.send(a_publication())
    row.check(outcome)
    assert zalo_account.articles == []
    operator_hints += [row.fix] if row.fix else []
    if outcome.verdict not in (Verdict.DOUBT, Verdict.FAILED, Verdict.SUPPRESSED):
        zalo_account.clock.advance(outcome.retry_after_s or 0)
        assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("row", TOKEN_CODES, ids=str)
async def test_each_token_code_costs_one_refresh_and_no_row(zalo_account, operator_hints, row):
    zalo_account.fault("article.create", "refuse", code=row.code, words="no")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("granted") == 2, "the consent, and one refresh"


@pytest.mark.parametrize("row", TOKEN_CODES, ids=str)
async def test_a_token_that_stays_refused_is_refreshed_once_and_then_the_operator_is_needed(
    zalo_account, operator_hints, row
):
    zalo_account.fault("article.create", "refuse", code=row.code, words="no", times=9)
    row.check(await zalo_account.send(a_publication()))
    assert zalo_account.effects("granted") == 2
    operator_hints.append(row.fix)


WORDS = [
    (-32, "Your application reached limit call api", "Q minute", "app rate"),
    (-32, "Your OA reached limit call api", "Q minute", "oa rate"),
    (-200, "Send message failed", "R ambiguous", ""),
    (-200, "Upload media failed", "A cover", "cover"),
    (-200, "Too many failed attempts", "R 300", "cover attempts"),
    (-200, "POST not supported", "A program", ""),
    (-201, "photo_url https://x is invalid!", "A cover", "cover"),
    (-201, "cover value is invalid", "A cover", "cover"),
    (-201, "title allow 1 to 150 characters", "C", ""),
    (-201, "maximum limit is 10", "A program", ""),
    (-201, "type accept only 2 value normal and video.", "A program", ""),
    (-223, "OA has not authorized this API", "A consent", ""),
    (-223, "Your OA has reach the limit quota create article", "Q month articles", "article quota"),
    (-240, "MessageV2 API is shut down, switch to V3", "A program", "message call shut down"),
    (-240, "UserInfo API is shut down, switch to V3", "A program", "user call shut down"),
]


@pytest.mark.parametrize(("code", "words", "expected", "reason"), WORDS)
async def test_where_a_code_means_several_things_its_words_decide(
    zalo_account, operator_hints, code, words, expected, reason
):
    zalo_account.fault("article.create", "refuse", code=code, words=words)
    outcome, row = await zalo_account.send(a_publication()), CodeRow.read(f"{code} {expected}")
    assert outcome.reason == f"zalo {code} {reason}".rstrip()
    if row.kind is ErrorKind.RETRY:
        assert outcome.verdict is row.outcome[0]
        assert "300" not in row.details or outcome.retry_after_s == 300
    else:
        row.check(outcome)
    operator_hints += [row.fix] if row.fix else []
    host = error_codes.OA_HOST
    assert classify(host, code, words.upper()) == classify(host, code, words)


@pytest.mark.parametrize(
    ("code", "words"),
    [(-999, "Access token is invalid"), (-201, "access_token has expired"), (-1, "access_token")],
)
def test_a_bad_token_is_also_known_by_its_words(code, words):
    assert (classify(error_codes.OA_HOST, code, words).kind is ErrorKind.TOKEN) is (" " in words)


def test_the_articles_own_token_is_no_access_token():
    assert classify(error_codes.OA_HOST, -201, "token is invalid!").reason == error_codes.TOKEN_LOST


async def test_a_used_up_quota_waits_a_day_and_the_operator_is_needed(zalo_account, operator_hints):
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    zalo_account.set_rules(broadcast_quota=0)
    outcome = await zalo_account.send(a_publication(), BROADCAST)
    CodeRow.read("-211 Q day quota").check(outcome)
    operator_hints.append(FIX["quota"])


async def test_an_unknown_code_fails_the_content_and_its_words_are_logged(zalo_account):
    words = "who knows 84900000001 " + "x" * 999
    zalo_account.fault("article.create", "refuse", code=-98765, words=words)
    with structlog.testing.capture_logs() as logs:
        outcome = await zalo_account.send(a_publication())
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "zalo -98765 unknown code")
    [line] = [line for line in logs if line["event"] == "zalo_unknown_code"]
    assert (line["code"], line["call"]) == (-98765, "/v2.0/article/create")
    assert line["words"].startswith("who knows # xxx")
    assert len(line["words"]) <= 300


@pytest.mark.parametrize("host", [*TABLES, error_codes.OAUTH_HOST])
def test_every_operator_code_names_its_fix_and_every_quota_its_end(host):
    rules = [rule for entry in error_codes.rules_by_code(host).values() for rule in entry]
    assert all(rule.fix for rule in rules if rule.kind is ErrorKind.OPERATOR)
    assert all(rule.until for rule in rules if rule.kind is ErrorKind.QUOTA)


def test_the_reason_of_a_refusal_is_without_its_message():
    refusal = Refused("call", -210, "secret text", classify(error_codes.OA_HOST, -210, ""))
    reason = outcome_of(refusal, NOON, lambda: 0.5).reason
    assert (reason, f"{refusal}") == ("zalo -210", "call: -210")
