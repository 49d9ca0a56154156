"""What a mail that came back says: by the standards, by its words, or nothing at all."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email import reports
from channels.email.reports import Kind
from consumers.mail.inbox import UNREADABLE
from tests.returned_mail import BOUNCE, bounce, complaint, crlf, plain


def test_a_bounce_by_the_standard():
    found = reports.read(bounce("5.1.1", envelope_id="p1.2.3.ff"), "")
    assert (found.kind, found.code, found.guessed) == (Kind.BOUNCE, "5.1.1", False)
    assert found.envelope_id == "p1.2.3.ff"
    assert found.message_id == "a" * 32
    assert found.publication == "tin-moi.1"
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
    assert reports.read(bounce(status, diagnostic=diagnostic), "").code == code


def test_a_delay_is_no_bounce_and_a_success_is_nothing():
    assert reports.read(bounce("4.4.1", action="delayed"), "").kind is Kind.DELAY
    assert reports.read(bounce("2.0.0", action="relayed"), "").kind is Kind.NOTHING
    assert reports.read(bounce("2.0.0", action="Delivered"), "").kind is Kind.NOTHING


def test_of_several_recipients_the_worst_counts():
    two = bounce("4.4.1", action="delayed").replace(
        b"--x1\r\nContent-Type: text/rfc822-headers",
        b"Final-Recipient: rfc822; b@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        b"--x1\r\nContent-Type: text/rfc822-headers",
    )
    found = reports.read(two, "")
    assert (found.kind, found.code) == (Kind.BOUNCE, "5.1.1")


def test_an_international_report_is_read_as_well():
    mail = bounce("5.6.7", to="an@example.com").replace(
        b"message/delivery-status", b"message/global-delivery-status"
    )
    found = reports.read(mail, "")
    assert (found.kind, found.code) == (Kind.BOUNCE, "5.6.7")


@pytest.mark.parametrize("kind", ["abuse", "fraud", "Opt-Out"])
def test_a_complaint_by_the_standard(kind):
    found = reports.read(complaint("b+p1.2.3=ff@x.example", kind), "feedback@provider.example")
    assert (found.kind, found.return_path) == (Kind.COMPLAINT, "b+p1.2.3=ff@x.example")
    assert "an@example.com" in found.addresses
    assert found.message_id == "a" * 32


def test_feedback_that_takes_a_complaint_back_is_nothing():
    assert reports.read(complaint(kind="not-spam"), "").kind is Kind.NOTHING


@pytest.mark.parametrize(
    ("mail", "sender", "kind", "code"),
    [
        (plain("<a@b>: 550 5.1.1 unknown"), "", Kind.BOUNCE, "5.1.1"),
        (plain("will retry: 451 4.4.1 busy"), "", Kind.DELAY, "4.4.1"),
        (plain("your server 10.5.1.1 is fine, and 5.1.1.9"), "", Kind.NOTHING, ""),
        (plain("see chapter 5.1.1", sender="An <an@example.com>"), "", Kind.NOTHING, ""),
        (plain("550 5.1.1 unknown"), "somebody@example.com", Kind.NOTHING, ""),
        (plain("I am away until Monday"), "", Kind.NOTHING, ""),
        (b"", "", Kind.NOTHING, ""),
    ],
)
def test_words_count_only_from_machines_that_want_no_answer(mail, sender, kind, code):
    found = reports.read(mail, sender)
    assert (found.kind, found.code) == (kind, code)
    assert found.guessed == bool(code)


@settings(max_examples=300)
@given(st.data())
def test_a_broken_report_breaks_nothing(data):
    whole = bounce("5.1.1")
    start = data.draw(st.integers(0, len(whole)))
    size = data.draw(st.integers(0, 200))
    junk = data.draw(st.binary(max_size=60))
    try:
        found = reports.read(whole[:start] + junk + whole[start + size :], "")
    except UNREADABLE:
        return
    assert len(found.code) <= 9
    assert "\n" not in found.message_id + found.publication + found.envelope_id


def test_a_mail_that_is_nested_without_end_is_given_up():
    deep = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(3000)
    )
    with suppress(UNREADABLE):
        assert reports.read(crlf(deep), "").kind is Kind.NOTHING


def test_a_report_that_hides_its_code_in_many_parts_is_read_as_far_as_is_worth_it():
    many = BOUNCE.split("--x1\n")[0] + "--x1\nContent-Type: text/plain\n\nx\n" * 200
    assert reports.read(crlf(many), "").kind is Kind.NOTHING
