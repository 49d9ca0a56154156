"""Verdict on a mail that came back: by the standards, by its words, or none at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email import status_codes
from channels.email.inbound import bounce_parser
from channels.email.inbound.bounce_parser import ReportKind
from consumers.email.inbound import PARSER_ERRORS
from tests.support.bounce_mails import BOUNCE, bounce_mail, complaint_mail, crlf, plain_mail


def test_a_bounce_by_the_standard():
    found = bounce_parser.parse_report(bounce_mail("5.1.1", envelope_id="p1.2.3.ff"), "")
    assert (found.kind, found.code, found.guessed) == (ReportKind.BOUNCE, "5.1.1", False)
    assert found.envelope_id == "p1.2.3.ff"
    assert found.message_id == "a" * 32
    assert found.publication_key == "tin-moi.1"
    assert set(found.addresses) == {"an@example.com"}


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.0.0", "smtp; 550 5.7.26 unauthenticated", "5.7.26"),
        ("5.0.0 (unknown)", "smtp; 550 no words", "5.0.0"),
        ("5.2.2 (mailbox full)", "smtp; 552 full", "5.2.2"),
        ("none", "smtp;550 5.1.1 <a@b>: gone", "5.1.1"),
        ("none", "smtp; 550 from 5.1.1.1", ""),
        ("4.4.1", "x; timed out", "4.4.1"),
    ],
)
def test_the_code_is_the_status_or_what_the_far_server_said(status, diagnostic, code):
    assert bounce_parser.parse_report(bounce_mail(status, diagnostic=diagnostic), "").code == code


AFTER_DATA = [
    "host mx.far.example said: 554 Transaction failed (in\nreply to end of DATA command)",
    "SMTP error from remote mail server after end of data:\n550 Service not available",
    "SMTP error from remote mail server after pipelined end of data: 554 no",
]


@pytest.mark.parametrize("words", AFTER_DATA)
def test_a_whole_mail_that_was_refused_far_away_says_nothing_of_its_mailbox(words):
    def code(status, diagnostic="smtp; 554 Transaction failed"):
        mail = bounce_mail(status, diagnostic=diagnostic).replace(b"I'm sorry.", words.encode())
        return bounce_parser.parse_report(mail, "").code

    assert code("5.0.0") == code("none") == code("5.3.0") == "5.6.0"
    assert status_codes.classify_bounce("5.6.0") not in status_codes.UNREACHABLE_CLASSES
    assert (code("5.1.1"), code("5.2.2"), code("5.7.1")) == ("5.1.1", "5.2.2", "5.7.1")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delayed", ReportKind.DELAY),
        ("relayed", ReportKind.NO_REPORT),
        ("Delivered", ReportKind.NO_REPORT),
    ],
)
def test_a_delay_is_no_bounce_and_a_success_is_nothing(action, kind):
    assert bounce_parser.parse_report(bounce_mail("4.4.1", action=action), "").kind is kind


def test_of_several_recipients_the_worst_counts():
    two = bounce_mail("4.4.1", action="delayed").replace(
        b"--x1\r\nContent-Type: text/rfc822-headers",
        b"Final-Recipient: rfc822; b@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"--x1\r\nContent-Type: text/rfc822-headers",
    )
    found = bounce_parser.parse_report(two, "")
    assert (found.kind, found.code) == (ReportKind.BOUNCE, "5.1.1")


def test_an_international_report_is_read_as_well():
    mail = bounce_mail("5.6.7").replace(b"message/delivery-", b"message/global-delivery-")
    found = bounce_parser.parse_report(mail, "")
    assert (found.kind, found.code) == (ReportKind.BOUNCE, "5.6.7")


@pytest.mark.parametrize("kind", ["abuse", "fraud", "Opt-Out"])
def test_a_complaint_by_the_standard(kind):
    complaint = complaint_mail("b+p1.2.3=ff@x.example", kind)
    found = bounce_parser.parse_report(complaint, "feedback@provider.example")
    assert (found.kind, found.return_path) == (ReportKind.COMPLAINT, "b+p1.2.3=ff@x.example")
    assert "an@example.com" in found.addresses
    assert found.message_id == "a" * 32


def test_feedback_that_takes_a_complaint_back_is_nothing():
    report = bounce_parser.parse_report(complaint_mail(kind="not-spam"), "")
    assert report.kind is ReportKind.NO_REPORT


@pytest.mark.parametrize(
    ("mail", "sender", "kind", "code"),
    [
        (plain_mail("<a@b>: 550 5.1.1 unknown"), "", ReportKind.BOUNCE, "5.1.1"),
        (plain_mail("will retry: 451 4.4.1 busy"), "", ReportKind.DELAY, "4.4.1"),
        (plain_mail("your server 10.5.1.1 is fine, and 5.1.1.9"), "", ReportKind.NO_REPORT, ""),
        (plain_mail("see 5.1.1", sender="An <an@example.com>"), "", ReportKind.NO_REPORT, ""),
        (plain_mail("550 5.1.1 unknown"), "somebody@example.com", ReportKind.NO_REPORT, ""),
        (plain_mail("I am away until Monday"), "", ReportKind.NO_REPORT, ""),
        (b"", "", ReportKind.NO_REPORT, ""),
    ],
)
def test_words_count_only_from_machines_that_want_no_answer(mail, sender, kind, code):
    found = bounce_parser.parse_report(mail, sender)
    assert (found.kind, found.code) == (kind, code)
    assert found.guessed == bool(code)


@settings(max_examples=300)
@given(st.data())
def test_a_broken_report_breaks_nothing(data):
    whole = bounce_mail("5.1.1")
    start = data.draw(st.integers(0, len(whole)))
    size = data.draw(st.integers(0, 200))
    junk = data.draw(st.binary(max_size=60))
    try:
        found = bounce_parser.parse_report(whole[:start] + junk + whole[start + size :], "")
    except PARSER_ERRORS:
        return
    assert len(found.code) <= 9
    assert "\n" not in found.message_id + found.publication_key + found.envelope_id


def test_a_report_that_hides_its_code_in_many_parts_is_read_as_far_as_is_worth_it():
    many = BOUNCE.split("--x1\n")[0] + "--x1\nContent-Type: text/plain\n\nx\n" * 200
    assert bounce_parser.parse_report(crlf(many), "").kind is ReportKind.NO_REPORT


def test_a_mail_of_parts_in_parts_is_not_taken_apart():
    nested = "".join(f"Content-Type: multipart/mixed; BOUNDARY=b{n}\n\n--b{n}\n" for n in range(21))
    with pytest.raises(ValueError, match="parts in parts"):
        bounce_parser.parse_report(crlf(nested), "")
