"""The table of SMTP codes: what a relay's answer means for a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from channels.email.smtp import outcomes
from channels.email.smtp.mail_result import (
    ACCEPTED,
    STOPPED,
    MailResult,
    MailStatus,
    RefusalHint,
    Stage,
    parse_refusal,
)

CODES = ("5.0.", "5.1.", "5.2.", "5.3.", "5.4.", "5.5.", "5.6.", "5.7.")
FAILED, HELD, DEFERRED = Verdict.FAILED, Verdict.HELD, Verdict.DEFERRED
NONE, THEM, US = (False, False), (True, False), (False, True)
"""Whose matter a refusal by policy is: (the recipient's, perhaps; the whole channel's)."""


@pytest.mark.parametrize(
    ("stage", "text", "verdict", "reason", "code", "policy", "wait_s"),
    [
        ("rcpt", "550 5.1.1 <a@b.vn>: rejected", FAILED, "550 5.1.1", "5.1.1", NONE, None),
        ("rcpt", "550 5.2.1 disabled", FAILED, "550 5.2.1", "5.2.1", NONE, None),
        ("rcpt", "552 5.2.2 mailbox full", FAILED, "552 5.2.2", "5.2.2", NONE, None),
        ("end", "552 5.3.4 message too big", FAILED, "552 5.3.4", "5.3.4", NONE, None),
        ("rcpt", "550 5.4.4 no route to host", FAILED, "550 5.4.4", "5.4.4", NONE, None),
        ("end", "554 5.6.7 SMTPUTF8 is required", FAILED, "554 5.6.7", "5.6.7", NONE, None),
        ("end", "550 5.6.11 cannot convert", FAILED, "550 5.6.11", "5.6.11", NONE, None),
        ("rcpt", "550 5.5.0 not found", FAILED, "550 5.5.0 no such user", "5.1.0", NONE, None),
        ("rcpt", "550 no such user here", FAILED, "550 no such user", "5.1.0", NONE, None),
        ("rcpt", "551 user not local", FAILED, "551", "5.0.0", NONE, None),
        ("rcpt", "552 over quota", FAILED, "552 mailbox full", "5.2.2", NONE, None),
        ("end", "554 transaction failed", FAILED, "554 message refused", "5.6.0", NONE, None),
        ("end", "550 mailbox unavailable", FAILED, "550 message refused", "5.6.0", NONE, None),
        ("end", "554 5.3.0 spam?", FAILED, "554 5.3.0 message refused", "5.6.0", NONE, None),
        ("end", "552 over quota", FAILED, "552 message refused", "5.6.0", NONE, None),
        ("end", "552 5.2.2 over quota", FAILED, "552 5.2.2", "5.2.2", NONE, None),
        ("end", "550 5.1.1 no such user", FAILED, "550 5.1.1", "5.1.1", NONE, None),
        ("data", "503 5.5.1 no valid recipients", HELD, "503 5.5.1", "5.5.1", NONE, 300),
        ("rcpt", "501 5.5.4 syntax", HELD, "501 5.5.4", "5.5.4", NONE, 300),
        ("rcpt", "500 what?", HELD, "500", "5.5.0", NONE, 300),
        ("rcpt", "555 bad parameter", HELD, "555", "5.5.0", NONE, 300),
        ("mail", "555 bad parameter", HELD, "555", "5.5.0", US, 300),
        ("rcpt", "550 5.7.1 Relaying denied", HELD, "550 5.7.1", "5.7.1", THEM, 300),
        ("rcpt", "550 relaying denied", HELD, "550 policy", "5.7.0", THEM, 300),
        ("rcpt", "550 you are graylisted", HELD, "550 greylisted", "5.7.0", THEM, 300),
        ("rcpt", "554 5.7.1 <a@b.vn>: Access denied", HELD, "554 5.7.1", "5.7.1", THEM, 300),
        ("rcpt", "550 5.7.26 unauthenticated", HELD, "550 5.7.26", "5.7.26", THEM, 300),
        ("rcpt", "554 blocked", HELD, "554 policy", "5.7.0", THEM, 300),
        ("end", "550 5.7.26 unauthenticated mail", HELD, "550 5.7.26", "5.7.26", US, 300),
        ("rcpt", "530 5.7.0 must issue STARTTLS", HELD, "530 5.7.0", "5.7.0", US, 300),
        ("mail", "550 5.1.8 sender rejected", HELD, "550 5.1.8", "5.1.8", US, 300),
        ("mail", "553 5.1.1 who are you", HELD, "553 5.1.1", "5.1.1", US, 300),
        ("end", "554 your mail looks like spam", HELD, "554 policy", "5.7.0", US, 300),
        ("rcpt", "535 sign in first", HELD, "535", "5.7.0", US, 300),
        ("rcpt", "550 5.1.8 sender", HELD, "550 5.1.8", "5.1.8", US, 300),
        ("mail", "554 5.7.1 Relay access denied", HELD, "554 5.7.1", "5.7.1", US, 300),
        ("data", "554 5.7.1 no", HELD, "554 5.7.1", "5.7.1", US, 300),
        ("end", "554 5.7.1 no", HELD, "554 5.7.1", "5.7.1", US, 300),
        ("rcpt", "550 5.7.8 who are you", HELD, "550 5.7.8", "5.7.8", US, 300),
        ("rcpt", "550 5.7.14 trust required", HELD, "550 5.7.14", "5.7.14", US, 300),
        ("rcpt", "553 5.1.7 sender's address", HELD, "553 5.1.7", "5.1.7", US, 300),
        ("rcpt", "450 4.2.1 try later", DEFERRED, "450 4.2.1", "4.2.1", NONE, None),
        ("rcpt", "451 4.7.1 greylisted", DEFERRED, "451 4.7.1", "4.7.1", NONE, 300),
        ("mail", "452 4.3.1 no space", DEFERRED, "452 4.3.1", "4.3.1", NONE, None),
        ("end", "451 not now", DEFERRED, "451", "", NONE, None),
        ("end", "421 4.4.2 closing", DEFERRED, "421 4.4.2", "4.4.2", NONE, None),
        ("end", "450 4.7.1 come back later", DEFERRED, "450 4.7.1", "4.7.1", NONE, 300),
        ("rcpt", "451 4.7.0 greylisted", DEFERRED, "451 4.7.0", "4.7.1", NONE, 300),
        ("rcpt", "450 4.7.25 Graylisted", DEFERRED, "450 4.7.25", "4.7.1", NONE, 300),
        ("rcpt", "450 4.2.0 Greylisted", DEFERRED, "450 4.2.0", "4.2.0", NONE, 300),
        ("mail", "451 4.7.1 come back later", DEFERRED, "451 4.7.1", "4.7.0", NONE, 60),
        ("mail", "421 too many connections from you", DEFERRED, "421 too fast", "4.7.0", NONE, 60),
        ("rcpt", "451 rate limited, slow down", DEFERRED, "451 too fast", "4.7.0", NONE, 60),
        ("rcpt", "452 too many recipients", DEFERRED, "452", "", NONE, None),
        ("rcpt", "451 greylisted", DEFERRED, "451 greylisted", "", NONE, 300),
        ("rcpt", "421 4.7.1 come back later", DEFERRED, "421 4.7.1", "4.7.0", NONE, 60),
        ("rcpt", "451 4.7.1 too many mails from you", DEFERRED, "451 4.7.1", "4.7.0", NONE, 60),
        ("rcpt", "450 4.7.1 rate limit", DEFERRED, "450 4.7.1", "4.7.0", NONE, 60),
        ("end", "421 4.7.28 unusual rate", DEFERRED, "421 4.7.28", "4.7.28", NONE, 60),
        ("rcpt", "421 4.7.0 TSS04", DEFERRED, "421 4.7.0", "4.7.0", NONE, 60),
        ("rcpt", "451 4.7.500 Server busy", DEFERRED, "451 4.7.500", "4.7.500", NONE, 60),
    ],
)
def test_what_a_refusal_means_for_row_and_relay(stage, text, verdict, reason, code, policy, wait_s):
    outcome = outcomes.outcome_of(parse_refusal(Stage(stage), text.encode()))
    assert (outcome.verdict, outcome.reason, outcome.code) == (verdict, reason, code)
    assert (outcome.policy_rejected, outcome.channel_wide) == policy
    assert outcome.retry_after_s == wait_s


def test_a_letter_whose_addressee_is_turned_away_has_ended_and_nothing_else_has():
    away = outcomes.outcome_of(parse_refusal(Stage.RCPT, b"554 5.7.1 no"))
    assert outcomes.failed_if_rejected(away) == Outcome(FAILED, "554 5.7.1")
    assert outcomes.failed_if_rejected(away).policy_rejected
    for other in (
        outcomes.outcome_of(parse_refusal(Stage.MAIL, b"554 5.7.1 no")),
        outcomes.outcome_of(parse_refusal(Stage.RCPT, b"550 5.7.8 no")),
        outcomes.outcome_of(parse_refusal(Stage.RCPT, b"450 4.7.1 later")),
        outcomes.outcome_of(ACCEPTED),
    ):
        assert outcomes.failed_if_rejected(other) is other


REFUSALS = st.builds(
    MailResult,
    st.just(MailStatus.REFUSED),
    st.sampled_from(Stage),
    st.sampled_from([451, 500, 501, 503, 535, 550, 552, 554, 555]),
    st.sampled_from(["", "2.0.0", "4.2.2", "4.7.1", "5.5.1", *(code + "1" for code in CODES)]),
    st.sampled_from(RefusalHint),
)


@given(REFUSALS)
def test_the_reason_that_a_row_keeps_leads_to_the_code_that_its_refusal_went_by(refusal):
    outcome = outcomes.outcome_of(refusal)
    code = outcomes.code_in_reason(outcome.reason)
    assert code == ("" if outcome.verdict is DEFERRED else outcome.code)


@pytest.mark.parametrize("reason", ["", "timeout", "250", "451 4.2.1", "5 of us, by An", "550 ???"])
def test_what_is_no_refusal_for_good_has_no_code(reason):
    assert outcomes.code_in_reason(reason) == ""


@pytest.mark.parametrize(
    ("status", "cause", "broken_s", "outcome"),
    [
        ("accepted", "", None, Outcome(Verdict.DELIVERED)),
        ("unsent", "deadline", None, Outcome(Verdict.UNSENT, "deadline")),
        ("unsent", "421", 30.0, Outcome(Verdict.UNSENT, "421", 30.0)),
        ("doubt", "timeout", None, Outcome(Verdict.DOUBT, "timeout", 60.0)),
        ("doubt", STOPPED, None, Outcome(Verdict.DOUBT, STOPPED)),  # not the relay's
    ],
)
def test_accepted_unsent_and_doubtful(status, cause, broken_s, outcome):
    result = MailResult(MailStatus(status), cause=cause)
    assert outcomes.outcome_of(result, broken_s) == outcome


@pytest.mark.parametrize("words", [b"a@b.vn", b"Nguyen Van An", b"secret"])
def test_a_reason_never_repeats_the_relays_own_words(words):
    for code in (b"550 5.1.1 ", b"550 ", b"451 4.7.1 ", b"554-", b"550 no such user "):
        reason = outcomes.outcome_of(parse_refusal(Stage.RCPT, code + words)).reason
        assert words.decode() not in reason
        assert len(reason) <= 24


def test_a_hint_is_found_fast_in_hostile_text():
    assert parse_refusal(Stage.RCPT, b"550 " + b"a" * 100_000).hint == ""


MESSAGE_REFUSED = Outcome(Verdict.FAILED, message_refused=True)
TAKEN = Outcome(Verdict.DELIVERED)


@pytest.mark.parametrize(
    ("window", "usually", "verdict"),
    [
        ([MESSAGE_REFUSED], False, Verdict.HELD),
        ([MESSAGE_REFUSED], True, Verdict.FAILED),
        ([MESSAGE_REFUSED] * 5, True, Verdict.HELD),
        ([MESSAGE_REFUSED, TAKEN, TAKEN], False, Verdict.FAILED),
        ([MESSAGE_REFUSED, TAKEN], False, Verdict.HELD),
        ([MESSAGE_REFUSED] * 12 + [TAKEN] * 13, False, Verdict.FAILED),
    ],
)
def test_few_refusals_among_acceptances_are_those_mails_own(window, usually, verdict):
    judged = outcomes.judge_messages(window, usually)
    assert {one.verdict for one in judged if one.message_refused} == {verdict}
