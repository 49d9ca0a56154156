"""Zalo's codes, one by one: each is said by the sandbox and has the outcome its class wants."""

from dataclasses import dataclass

import pytest
import structlog

from channels.base import Outcome, Verdict
from channels.zalo.client import error_codes
from channels.zalo.client.error_codes import ErrorKind, classify
from channels.zalo.client.errors import Refused
from channels.zalo.factory import open_client
from channels.zalo.outcomes import ROW_ERRORS, outcome_of
from sandbox.zalo.api import oauth
from tests.support.publications import a_publication
from tests.support.zalo_account import BROADCAST, NOON
from tests.support.zalo_error_codes import AMBIGUOUS, BUSINESS, FIX, OA, CodeRow, code_rows

HOSTS = [(error_codes.OA_HOST, code_rows(OA)), (error_codes.BUSINESS_HOST, code_rows(BUSINESS))]


@dataclass
class OperatorHints:
    """Where operators were sent."""

    fixes: list[str]


@pytest.fixture
def operator_hints():
    with structlog.testing.capture_logs() as logs:
        asked = OperatorHints([])
        yield asked
        named = [line["fix"] for line in logs if line["event"] == "zalo_operator_needed"]
        assert len(named) == len(asked.fixes)
        assert all(place in said for place, said in zip(asked.fixes, named, strict=True))


def same(said: Outcome, line: CodeRow) -> bool:
    verdict, after_s = line.outcome
    near = after_s is None or said.retry_after_s == pytest.approx(after_s, abs=5)
    return said.verdict is verdict and near


@pytest.mark.parametrize(
    ("host", "table"), HOSTS, ids=[error_codes.OA_HOST, error_codes.BUSINESS_HOST]
)
def test_no_code_is_missing_and_none_is_made_up(host, table):
    assert sorted(line.code for line in table) == sorted(error_codes.rules_by_code(host))
    assert {line.code: line.kind for line in table} == {
        code: classify(host, code, "").kind for code in error_codes.rules_by_code(host)
    }


@pytest.mark.parametrize(
    "line", [one for one in code_rows(OA) if one.kind is not ErrorKind.TOKEN], ids=str
)
async def test_each_code_of_the_account_host_has_its_outcome(zalo_account, operator_hints, line):
    zalo_account.fault("article.create", "refuse", code=line.code, words="no")
    said = await zalo_account.send(a_publication())
    assert same(said, line), said
    assert zalo_account.articles == []
    operator_hints.fixes += [line.fix] if line.fix else []
    if said.verdict not in (Verdict.DOUBT, Verdict.FAILED, Verdict.SUPPRESSED):
        zalo_account.clock.advance(said.retry_after_s or 0)
        assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    "line", [one for one in code_rows(OA) if one.kind is ErrorKind.TOKEN], ids=str
)
async def test_each_token_code_costs_one_refresh_and_no_row(zalo_account, operator_hints, line):
    zalo_account.fault("article.create", "refuse", code=line.code, words="no")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    assert zalo_account.effects("granted") == 2, "the consent, and one refresh"


@pytest.mark.parametrize(
    "line", [one for one in code_rows(OA) if one.kind is ErrorKind.TOKEN], ids=str
)
async def test_a_token_that_stays_bad_is_renewed_once_and_then_a_person_is_asked(
    zalo_account, operator_hints, line
):
    zalo_account.fault("article.create", "refuse", code=line.code, words="no", times=9)
    assert same(await zalo_account.send(a_publication()), line)
    assert zalo_account.effects("granted") == 2
    operator_hints.fixes.append(line.fix)


@pytest.fixture
async def template_outcome(zalo_account):
    """Send one template message through the channel; the outcome of its row."""
    tokens = zalo_account.channel.api.tokens
    api = open_client(
        zalo_account.sandbox.settings,
        zalo_account.stores,
        tokens,
        error_codes.BUSINESS_HOST,
        zalo_account.timing,
    )
    body = {"phone": "84900000001", "template_id": "1", "template_data": {}, "tracking_id": "t"}

    async def template() -> Outcome:
        try:
            await api.write(api.post_call("/message/template", body), lambda: False)
        except ROW_ERRORS as why:
            return outcome_of(why, api.clock.now(), lambda: 0.5)
        return Outcome(Verdict.DELIVERED)

    return template


@pytest.mark.parametrize("line", code_rows(BUSINESS), ids=str)
async def test_each_code_of_the_template_host_has_its_outcome(
    zalo_account, operator_hints, template_outcome, line
):
    zalo_account.fault("business.template", "refuse", code=line.code, words="no", times=2)
    assert same(await template_outcome(), line)
    operator_hints.fixes += [line.fix] if line.fix else []
    assert zalo_account.effects("granted") == (2 if line.kind is ErrorKind.TOKEN else 1)
    assert zalo_account.effects("template_sent") == 0


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
    said = await zalo_account.send(a_publication())
    line = CodeRow.read(f"{code} {expected}")
    assert said.verdict is line.outcome[0]
    assert said.reason == f"zalo {code} {reason}".rstrip()
    if line.kind is ErrorKind.RETRY:
        assert said.retry_after_s == (300 if "300" in line.details else said.retry_after_s)
    else:
        assert same(said, line)
    operator_hints.fixes += [line.fix] if line.fix else []


@pytest.mark.parametrize(("code", "words"), [(code, words) for code, words, _, _ in WORDS])
def test_words_count_whatever_their_case(code, words):
    assert classify(error_codes.OA_HOST, code, words.upper()) == classify(
        error_codes.OA_HOST, code, words
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [(-999, "Access token is invalid"), (-201, "access_token has expired"), (-1, "access_token")],
)
def test_a_bad_token_is_also_known_by_its_words(code, words):
    assert (classify(error_codes.OA_HOST, code, words).kind is ErrorKind.TOKEN) is (" " in words)


async def test_the_articles_own_token_is_no_access_token(zalo_account):
    assert classify(error_codes.OA_HOST, -201, "token is invalid!").reason == error_codes.TOKEN_LOST


async def test_a_used_up_broadcast_quota_waits_a_day_and_somebody_is_told(
    zalo_account, operator_hints
):
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DELIVERED
    zalo_account.set_rules(broadcast_quota=0)
    assert same(
        await zalo_account.send(a_publication(), BROADCAST), CodeRow.read("-211 Q day quota")
    )
    operator_hints.fixes.append(FIX["quota"])


async def test_an_unknown_code_fails_the_content_and_its_words_are_kept_for_us(zalo_account):
    zalo_account.fault(
        "article.create", "refuse", code=-98765, words="who knows 84900000001 " + "x" * 999
    )
    with structlog.testing.capture_logs() as logs:
        said = await zalo_account.send(a_publication())
    assert (said.verdict, said.reason) == (Verdict.FAILED, "zalo -98765 unknown code")
    [line] = [line for line in logs if line["event"] == "zalo_unknown_code"]
    assert (line["code"], line["call"]) == (-98765, "/v2.0/article/create")
    assert line["words"].startswith("who knows # xxx")
    assert len(line["words"]) <= 300


@pytest.mark.parametrize(
    ("host", "table"), HOSTS, ids=[error_codes.OA_HOST, error_codes.BUSINESS_HOST]
)
def test_only_a_failed_send_may_have_had_its_effect(host, table):
    doubtful = {
        code
        for code, rulings in error_codes.rules_by_code(host).items()
        if any(ruling.ambiguous for ruling in rulings)
    }
    assert doubtful == {line.code for line in table if AMBIGUOUS in line.details}


@pytest.mark.parametrize(
    "host", [error_codes.OA_HOST, error_codes.BUSINESS_HOST, error_codes.OAUTH_HOST]
)
def test_every_operator_code_says_where_it_is_put_right(host):
    rulings = [ruling for entry in error_codes.rules_by_code(host).values() for ruling in entry]
    assert all(ruling.fix for ruling in rulings if ruling.kind is ErrorKind.OPERATOR)
    assert all(ruling.until for ruling in rulings if ruling.kind is ErrorKind.QUOTA)


def test_the_sandbox_speaks_the_same_codes():
    assert classify(error_codes.OA_HOST, oauth.DEAD_TOKEN["error"], "").known is False, (
        "the OAuth host has its own"
    )
    assert (
        error_codes.rules_by_code(error_codes.OAUTH_HOST)[oauth.DEAD_TOKEN["error"]][0].kind
        is ErrorKind.TOKEN
    )


async def test_what_was_refused_is_said_without_the_message(zalo_account):
    refusal = Refused("call", -210, "secret text", classify(error_codes.OA_HOST, -210, ""))
    said = outcome_of(refusal, NOON, lambda: 0.5)
    assert (said.reason, f"{refusal}") == ("zalo -210", "call: -210")
