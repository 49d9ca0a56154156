"""No text of a unit or a reader adds a header, a recipient, a command or a second mail.

What breaks a line is refused at intake, and again where the mail is built; what merely looks like
an encoded word is text. All of it is sent to a receiver that counts.
"""

import itertools
import re
from dataclasses import replace
from email import message_from_bytes, policy
from functools import cache
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from channels.base import Verdict
from channels.email import header_injection
from channels.email.settings import EmailSettings
from contracts.base.addresses import Email
from contracts.content import Submitted
from contracts.vocabulary import DEFAULT
from tests.support.mails import (
    decoded_header,
    decoded_name,
    deliver,
    email_channel,
    mail_recipient,
    never_expired,
    recipients,
    sent_mail,
    verdicts,
    without_dot_stuffing,
)
from tests.support.publications import a_publication
from tests.support.smtp_receiver import SmtpReceiver

DELIVERED, FAILED = Verdict.DELIVERED, Verdict.FAILED
EVIL = re.compile(rb"(?im)^(bcc|x-evil|folded)|RCPT TO|evil\.example>?\r\n\r\n")
FIELDS = sent_mail(a_publication())[1].keys()
"""The names of a mail's fields when nobody is up to anything."""

BREAKS = ("\r\n", *"\n\r\x00\x85\u2028\u2029\x0b\x0c\x1c\x7f")
BEHIND = (
    "Bcc: x@evil.example",
    " Bcc: x@evil.example",
    "\tfolded: yes",
    "\r\n\r\n<script>alert(1)</script>",
    "RCPT TO:<x@evil.example>",
    ".\r\nMAIL FROM:<x@evil.example>",
    "Content-Type: text/html",
    "",
)
FRAMES = ("{}", "Tin {}", "{} tin", "Tin mới {} hôm nay", "Đính chính: {}")
BROKEN = [frame.format(cut + end) for frame, cut, end in itertools.product(FRAMES, BREAKS, BEHIND)]
ENCODED = [
    f"{before}=?{charset}?{how}?{payload}?={after}"
    for before, charset, (how, payload), after in itertools.product(
        ("", "Tin ", "Đính chính "),
        ("utf-8", "us-ascii", "iso-8859-1", "utf-7"),
        (
            ("q", "hello=0ABcc:_evil=40x"),
            ("q", "hello=0D=0ABcc:_x=40evil.example"),
            ("Q", "=0D=0A=0D=0A<script>"),
            ("b", "DQpCY2M6IHhAZXZpbC5leGFtcGxl"),
            ("B", "CkJjYzogeEBldmlsLmV4YW1wbGU="),
        ),
        ("", " tin", "\u00a0ngày"),
    )
]
GOOD = {"content_id": "tin", "revision": 1, "topic": "lich-nghi-le", "title": "Tin", "body": "x"}
LOCALS = (
    "a", '"a b"', "a%evil.example", "evil.example!a", "@relay.example:a", "a(x)", "<a", "ă", "",
    ".a", "a.", "a..b",
)  # fmt: skip
DOMAINS = (
    "example.com", "[127.0.0.1]", "thông-báo.example", "-a.example", "a..b", "b" * 64 + ".com", "",
)  # fmt: skip
TAILS = (
    "", ">\r\nRCPT TO:<b@evil.example", "\r\nBcc: b@evil.example", "\n", "\r", "\x00", "> SIZE=1",
    ",b@evil.example", " b@evil.example", "\u2028x", "=?utf-8?q?=0D=0A?=", "\u00a0", "%0d%0aBcc:x",
)  # fmt: skip
ADDRESSES = [
    f"{local}@{domain}{tail}"
    for local, domain, tail in itertools.product(LOCALS, DOMAINS, TAILS)
    if (local, domain, tail) != ("a", "example.com", "")
]
ADDRESSES += ["a", "", *("a" * many + "@example.com" for many in (65, 65536))]
ADDRESSES += ["a@" + "b." * many + "example" for many in (200, 32768)]


# --- refused at intake


@pytest.mark.parametrize("field", ["title", "author"])
def test_intake_refuses_line_breaks_and_encoded_words(field):
    Submitted.model_validate(GOOD)
    for value in (*filter(breaks_a_line, BROKEN), *ENCODED):
        with pytest.raises(ValidationError, match=field):
            Submitted.model_validate(GOOD | {field: value})


def breaks_a_line(value):
    """A break at either end is cut off when the text is read, as blanks are."""
    return re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", value.strip())


def test_an_import_lets_nothing_in_that_is_more_than_one_address():
    read = TypeAdapter(Email)
    for address in ADDRESSES:
        try:
            known = read.validate_python(address)
        except ValidationError:
            continue
        assert re.fullmatch(r"[!-~]+@[!-~]+", known) and not re.search(r'[<>(),;:"\s\[]', known)


# --- refused where the mail is built


def named_topic(value):
    topic = DEFAULT.topics["lich-nghi-le"].model_copy(update={"name": value})
    return DEFAULT.model_copy(update={"topics": {**DEFAULT.topics, "lich-nghi-le": topic}})


default_channel = cache(email_channel)


def build(value, place):
    publication, row, channel = a_publication(), mail_recipient(1), default_channel()
    if place == "title":
        publication = publication.model_copy(update={"title": value})
    elif place == "name":
        row = mail_recipient(1, name=value)
    elif place == "Message-ID":
        row = mail_recipient(1, delivery_key=value)
    elif place == "List-Unsubscribe":
        channel = email_channel(signer=SimpleNamespace(token=lambda _id: value))
    elif place == "List-Id":
        channel = email_channel()
        channel.context = replace(channel.context, vocabulary=named_topic(value))
    return sent_mail(publication, row, channel)


@pytest.mark.parametrize("place", ["title", "name", "Message-ID", "List-Unsubscribe", "List-Id"])
def test_no_mail_is_built_with_a_line_break_in(place):
    for value in BROKEN:
        with pytest.raises(header_injection.UnsafeHeader):
            build(value, place)


@pytest.mark.parametrize(
    "changes",
    [
        {"from_": "{} <a@moha.example>"},
        {"from_": "Bộ <a@moha.example{}>"},
        {"reply_to": "{} <a@moha.example>"},
        {"unsubscribe_to": "a@moha.example{}"},
    ],
)
def test_no_setting_brings_a_line_break_in(changes):
    for value in BROKEN[::3]:
        with pytest.raises(ValidationError):
            EmailSettings(**{name: text.format(value) for name, text in changes.items()})


def test_no_command_is_made_of_an_address_that_is_more_than_one():
    for address in ADDRESSES:
        with pytest.raises(header_injection.UnsafeHeader, match="address"):
            header_injection.check_recipient(address)


# --- what is not refused is text


async def test_encoded_words_and_hostile_texts_arrive_as_what_was_written_and_nothing_else():
    publications = [
        a_publication(summary=text, body=text).model_copy(update={"title": text, "author": text})
        for text in ENCODED
    ]
    rows = [mail_recipient(n, name=value) for n, value in enumerate(ENCODED)]
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        for publication, row in zip(publications, rows, strict=True):
            await deliver(channel, [row], never_expired, publication)
    assert [mail.recipient for mail in receiver.mails] == [row.address for row in rows]
    commands = {line.split(b" ")[0] for line in receiver.commands}
    assert commands == {b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"}
    for mail, publication, row in zip(receiver.mails, publications, rows, strict=True):
        check_arrived(mail.data, publication, row)


def check_arrived(data, publication, row):
    mail = message_from_bytes(data, policy=policy.compat32)
    assert mail.keys() == FIELDS
    assert decoded_header(mail, "Subject") == publication.title
    assert decoded_name(mail, "To") == row.name
    assert len(mail.get_payload()) == 2
    assert not EVIL.search(data.partition(b"\r\n\r\n")[0])


SMUGGLED = (
    "\n.\n", "\r.\r\n", "\n.\r\n", "\r\n.\n", "\r\n.\r\n", "\n.\nMAIL FROM:<x@evil.example>\n", ".",
)  # fmt: skip


@pytest.mark.parametrize("pipelining", [True, False])
async def test_one_mail_is_one_mail_whatever_its_text_holds(pipelining):
    publications = [
        a_publication().model_copy(update={field: f"Đầu{evil}RCPT TO:<x@evil.example>{evil}cuối"})
        for evil in SMUGGLED
        for field in ("body", "summary")
    ]
    async with SmtpReceiver(pipelining=pipelining) as receiver:
        for publication in publications:
            channel = email_channel(receiver.port)
            outcomes = await deliver(channel, recipients(2), never_expired, publication)
            assert verdicts(outcomes) == [DELIVERED] * 2
    assert len(receiver.mails) == 2 * len(publications)
    assert {mail.recipient for mail in receiver.mails} == {"a0@example.com", "a1@example.com"}
    for mail in receiver.mails:
        assert without_dot_stuffing(mail.raw) == mail.data
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mail.raw)
        assert re.search(rb"\r\n--=_loa_\w+--\r\n\Z", mail.data)


HOSTILE = (
    "a@x>\r\nRCPT TO:<b@y.example",
    '"a@x>\r\nRCPT TO:<b@y"@example.com',
    "@relay.example:a@example.com",
    "a%evil.example@example.com",
    "a@example.com> NOTIFY=NEVER",
    "a" * 65536 + "@example.com",
    "a@thông-báo.example",
)


async def test_no_address_adds_a_command_to_the_conversation():
    some = [mail_recipient(n, address=address) for n, address in enumerate(HOSTILE)]
    async with SmtpReceiver() as receiver:
        outcomes = await deliver(email_channel(receiver.port), [*some, mail_recipient(99)])
    assert verdicts(outcomes) == [FAILED] * len(HOSTILE) + [DELIVERED]
    commands = [line[:5] for line in receiver.commands if line != b"QUIT"]
    assert commands == [b"EHLO ", b"MAIL ", b"RCPT ", b"DATA"]
