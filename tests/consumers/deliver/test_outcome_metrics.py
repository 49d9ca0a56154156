"""Final outcomes of rows are counted by a reason of a short list."""

import pytest

from channels.base import Outcome, Verdict
from channels.email.smtp.mail_result import MailResult, MailStatus, Stage
from channels.email.smtp.outcomes import outcome_of
from consumers.deliver.outcome_metrics import count_outcomes, reason_of
from contracts.delivery import ChannelName
from producers import metrics


def refused(code: int, enhanced: str = "", stage: Stage = Stage.RCPT) -> Outcome:
    return outcome_of(MailResult(MailStatus.REFUSED, stage, code, enhanced))


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome(Verdict.DELIVERED), "none"),
        (Outcome(Verdict.RESEND, "no answer"), "none"),
        (refused(550, "5.1.1"), "no_mailbox"),
        (refused(552, "5.2.2"), "mailbox_full"),
        (refused(550), "no_cause"),
        (refused(550, "5.7.1"), "policy"),
        (refused(450, "4.7.1"), "greylisted"),
        (refused(451), "temporary"),
        (Outcome(Verdict.UNSENT, "connection lost"), "connection"),
        (Outcome(Verdict.DOUBT, "no answer"), "connection"),
        (Outcome(Verdict.DOUBT, "not_seen: HTTP 404"), "not_seen"),
        (Outcome(Verdict.HELD, "our articles quota"), "quota"),
        (Outcome(Verdict.HELD, "zalo -223 article quota"), "quota"),
        (Outcome(Verdict.FAILED, "zalo -201 whatever"), "other"),
        (Outcome(Verdict.SUPPRESSED, "no address that zalo has"), "recipient"),
        (Outcome(Verdict.HELD, "the consent is lost: spent"), "token"),
        (Outcome(Verdict.FAILED, "not_the_portal"), "other"),
    ],
)
def test_an_answer_has_a_reason(outcome, reason):
    assert reason_of(outcome) == reason and reason in metrics.REASONS


def test_a_window_is_counted_by_row():
    def value(outcome, reason):
        labels = {"channel": "email", "outcome": outcome, "reason": reason}
        return metrics.REGISTRY.get_sample_value("loa_delivery_attempts_total", labels) or 0.0

    before = value("delivered", "none"), value("failed", "no_mailbox")
    count_outcomes(ChannelName.EMAIL, [Outcome(Verdict.DELIVERED)] * 24 + [refused(550, "5.1.1")])
    assert (value("delivered", "none"), value("failed", "no_mailbox")) == (
        before[0] + 24,
        before[1] + 1,
    )
