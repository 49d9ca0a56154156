"""The table of SMTP codes: what a relay's answer means for a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from channels.email.smtp import mail_result, outcomes
from channels.email.smtp.mail_result import (
    ACCEPTED,
    STOPPED,
    RefusalHint,
    SendResult,
    Stage,
    doubtful_reply,
    refused_reply,
    unsent_reply,
)

CODES = ("5.0.", "5.1.", "5.2.", "5.3.", "5.4.", "5.5.", "5.6.", "5.7.")
FAILED, HELD, DEFERRED = Verdict.FAILED, Verdict.HELD, Verdict.DEFERRED


@pytest.mark.parametrize(
    ("stage", "text", "verdict", "reason"),
    [
        ("rcpt", "550 5.1.1 <a@b.vn>: Recipient address rejected", FAILED, "550 5.1.1"),
        ("rcpt", "550 5.1.2 bad domain", FAILED, "550 5.1.2"),
        ("rcpt", "550 5.1.10 null MX", FAILED, "550 5.1.10"),
        ("rcpt", "550 5.2.1 disabled", FAILED, "550 5.2.1"),
        ("rcpt", "552 5.2.2 mailbox full", FAILED, "552 5.2.2"),
        ("end", "552 5.3.4 message too big", FAILED, "552 5.3.4"),
        ("rcpt", "550 5.4.4 no route to host", FAILED, "550 5.4.4"),
        ("end", "554 5.6.7 SMTPUTF8 is required", FAILED, "554 5.6.7"),
        ("end", "550 5.6.11 cannot convert", FAILED, "550 5.6.11"),
        ("rcpt", "550 5.7.1 Relaying denied", HELD, "550 5.7.1"),
        ("end", "550 5.7.26 unauthenticated mail", HELD, "550 5.7.26"),
        ("end", "550 5.7.515 access denied", HELD, "550 5.7.515"),
        ("rcpt", "530 5.7.0 must issue STARTTLS", HELD, "530 5.7.0"),
        ("mail", "550 5.1.8 sender rejected", HELD, "550 5.1.8"),
        ("mail", "553 5.1.1 who are you", HELD, "553 5.1.1"),
        ("data", "503 5.5.1 no valid recipients", HELD, "503 5.5.1"),
        ("rcpt", "501 5.5.4 syntax", HELD, "501 5.5.4"),
        ("rcpt", "550 5.5.0 mailbox unavailable", FAILED, "550 5.5.0 no such user"),
        ("rcpt", "550 5.0.0 hm", FAILED, "550 5.0.0"),
        ("rcpt", "550 no such user here", FAILED, "550 no such user"),
        ("rcpt", "551 user not local", FAILED, "551"),
        ("rcpt", "552 over quota", FAILED, "552 mailbox full"),
        ("rcpt", "550 relaying denied", HELD, "550 policy"),
        ("end", "554 your mail looks like spam", HELD, "554 policy"),
        ("end", "554 transaction failed", FAILED, "554"),
        ("rcpt", "550 you are graylisted", HELD, "550 greylisted"),
        ("rcpt", "500 what?", HELD, "500"),
        ("rcpt", "535 sign in first", HELD, "535"),
        ("rcpt", "450 4.2.1 try later", DEFERRED, "450 4.2.1"),
        ("rcpt", "451 4.7.1 greylisted", DEFERRED, "451 4.7.1"),
        ("mail", "452 4.3.1 no space", DEFERRED, "452 4.3.1"),
        ("end", "451 not now", DEFERRED, "451"),
        ("end", "421 4.4.2 closing", DEFERRED, "421 4.4.2"),
    ],
)
def test_a_refusal(stage, text, verdict, reason):
    outcome = outcomes.outcome_of(refused_reply(Stage(stage), text.encode()))
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_a_channel_in_trouble_waits_minutes_and_a_slow_one_a_minute():
    assert outcomes.outcome_of(refused_reply(Stage.RCPT, b"550 5.7.1 no")).retry_after_s == 300
    assert outcomes.outcome_of(refused_reply(Stage.RCPT, b"451 4.7.28 no")).retry_after_s == 60
    assert outcomes.outcome_of(refused_reply(Stage.RCPT, b"451 4.7.1 no")).retry_after_s == 300
    assert (
        outcomes.outcome_of(
            refused_reply(Stage.RCPT, b"450 4.2.0 Greylisted, see ...")
        ).retry_after_s
        == 300
    )
    assert outcomes.outcome_of(refused_reply(Stage.RCPT, b"451 4.3.0 no")).retry_after_s is None


@pytest.mark.parametrize(
    ("stage", "text", "code", "trouble"),
    [
        ("rcpt", b"550 5.7.1 no", "5.7.1", False),
        ("end", b"550 5.7.26 unauthenticated", "5.7.26", True),
        ("end", b"554 spam", "5.7.0", True),
        ("rcpt", b"550 5.1.8 sender", "5.1.8", True),
        ("mail", b"553 5.1.1 who are you", "5.1.1", True),
        ("rcpt", b"550 5.1.1 gone", "5.1.1", False),
        ("rcpt", b"550 no such user", "5.1.0", False),
        ("rcpt", b"552 over quota", "5.2.2", False),
        ("end", b"550 Requested action not taken: mailbox unavailable", "5.1.0", False),
        ("rcpt", b"550 5.5.0 no such user", "5.1.0", False),
        ("rcpt", b"501 5.5.4 syntax", "5.5.4", False),
        ("rcpt", b"500 what?", "5.5.0", False),
        ("rcpt", b"551 hm", "5.0.0", False),
        ("rcpt", b"451 4.7.1 come back later", "4.7.1", False),
        ("end", b"450 4.7.1 come back later", "4.7.1", False),
        ("rcpt", b"451 4.7.0 greylisted", "4.7.1", False),
        ("rcpt", b"450 4.7.25 Graylisted", "4.7.1", False),
        ("rcpt", b"450 4.2.0 Greylisted", "4.2.0", False),
        ("mail", b"451 4.7.1 come back later", "4.7.0", False),
        ("mail", b"421 too many connections from you", "4.7.0", False),
        ("rcpt", b"451 rate limited, slow down", "4.7.0", False),
        ("rcpt", b"452 too many recipients", "", False),
        ("rcpt", b"451 greylisted", "", False),
        ("rcpt", b"421 4.7.1 come back later", "4.7.0", False),
        ("rcpt", b"451 4.7.1 too many mails from you", "4.7.0", False),
        ("rcpt", b"450 4.7.1 rate limit", "4.7.0", False),
        ("rcpt", b"451 4.7.1 your reputation is low", "4.7.0", False),
        ("end", b"421 4.7.28 unusual rate", "4.7.28", False),
        ("rcpt", b"421 4.7.0 TSS04", "4.7.0", False),
        ("rcpt", b"451 4.7.500 Server busy", "4.7.500", False),
    ],
)
def test_what_else_a_refusal_says_goes_by_a_code_that_it_may_have_in_words_alone(
    stage, text, code, trouble
):
    outcome = outcomes.outcome_of(refused_reply(Stage(stage), text))
    assert (outcome.code, outcome.channel_wide) == (code, trouble)


@pytest.mark.parametrize(
    ("stage", "text", "turned_away", "trouble"),
    [
        ("rcpt", b"554 5.7.1 <a@b.vn>: Recipient address rejected: Access denied", True, False),
        ("rcpt", b"554 5.7.1 Relay access denied", True, False),
        ("rcpt", b"550 5.7.26 unauthenticated", True, False),
        ("rcpt", b"550 relaying denied", True, False),
        ("rcpt", b"554 blocked", True, False),
        ("mail", b"554 5.7.1 Relay access denied", False, True),
        ("mail", b"550 5.7.1 sender rejected", False, True),
        ("data", b"554 5.7.1 no", False, True),
        ("end", b"554 5.7.1 no", False, True),
        ("rcpt", b"530 5.7.0 sign in first", False, True),
        ("rcpt", b"535 sign in first", False, True),
        ("rcpt", b"550 5.7.8 who are you", False, True),
        ("rcpt", b"550 5.7.14 trust required", False, True),
        ("rcpt", b"553 5.1.8 sender's domain", False, True),
        ("rcpt", b"553 5.1.7 sender's address", False, True),
        ("rcpt", b"550 5.1.1 gone", False, False),
        ("rcpt", b"501 5.5.4 syntax", False, False),
        ("rcpt", b"451 4.7.1 come back later", False, False),
    ],
)
def test_policy_at_rcpt_may_be_the_recipients_and_anywhere_else_it_is_ours(
    stage, text, turned_away, trouble
):
    outcome = outcomes.outcome_of(refused_reply(Stage(stage), text))
    assert (outcome.policy_rejected, outcome.channel_wide) == (turned_away, trouble)


def test_a_letter_whose_addressee_is_turned_away_has_ended_and_nothing_else_has():
    away = outcomes.outcome_of(refused_reply(Stage.RCPT, b"554 5.7.1 no"))
    assert outcomes.failed_if_rejected(away) == Outcome(FAILED, "554 5.7.1")
    assert outcomes.failed_if_rejected(away).policy_rejected
    for other in (
        outcomes.outcome_of(refused_reply(Stage.MAIL, b"554 5.7.1 no")),
        outcomes.outcome_of(refused_reply(Stage.RCPT, b"550 5.7.8 no")),
        outcomes.outcome_of(refused_reply(Stage.RCPT, b"450 4.7.1 later")),
        outcomes.outcome_of(ACCEPTED),
    ):
        assert outcomes.failed_if_rejected(other) is other


REPLIES = st.builds(
    mail_result.Reply,
    st.just(SendResult.REFUSED),
    st.sampled_from(Stage),
    st.sampled_from([451, 500, 501, 503, 535, 550, 552, 554, 555]),
    st.sampled_from(["", "2.0.0", "4.2.2", "4.7.1", "5.5.1", *(code + "1" for code in CODES)]),
    st.sampled_from(RefusalHint),
)


@given(REPLIES)
def test_the_reason_that_a_row_keeps_leads_to_the_code_that_its_refusal_went_by(reply):
    said = outcomes.outcome_of(reply)
    found = outcomes.code_in_reason(said.reason)
    assert found == ("" if said.verdict is DEFERRED else said.code)


@pytest.mark.parametrize("reason", ["", "timeout", "250", "451 4.2.1", "5 of us, by An", "550 ???"])
def test_what_is_no_refusal_for_good_has_no_code(reason):
    assert outcomes.code_in_reason(reason) == ""


def test_accepted_unsent_and_doubtful():
    assert outcomes.outcome_of(ACCEPTED) == Outcome(Verdict.DELIVERED)
    assert outcomes.outcome_of(unsent_reply("deadline")) == Outcome(Verdict.UNSENT, "deadline")
    assert outcomes.outcome_of(unsent_reply("421"), 30.0) == Outcome(Verdict.UNSENT, "421", 30.0)
    assert outcomes.outcome_of(doubtful_reply("timeout")) == Outcome(Verdict.DOUBT, "timeout", 60.0)
    assert outcomes.outcome_of(doubtful_reply(STOPPED)) == Outcome(Verdict.DOUBT, STOPPED), (
        "ours, not the relay's"
    )


@pytest.mark.parametrize("words", [b"a@b.vn", b"Nguyen Van An", b"secret"])
def test_a_reason_never_repeats_the_relays_own_words(words):
    for code in (b"550 5.1.1 ", b"550 ", b"451 4.7.1 ", b"554-", b"550 no such user "):
        reason = outcomes.outcome_of(refused_reply(Stage.RCPT, code + words)).reason
        assert words.decode() not in reason
        assert len(reason) <= 24


def test_a_hint_is_found_fast_in_hostile_text():
    assert mail_result.find_hint(b"a" * 100_000) == ""
