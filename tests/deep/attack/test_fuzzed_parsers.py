"""Ten thousand spoiled inputs for each parser of what strangers send: none ends it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from channels.email.inbound.autoreply import autoreply_address
from channels.email.inbound.bounce_parser import parse_report
from channels.email.render import markdown as mail_markdown
from channels.email.return_path import ReturnPaths
from channels.email.unsubscribe import HmacSigner
from channels.errors import ChannelError
from channels.portal.model import body as portal_body
from channels.zalo.client.response import json_object
from channels.zalo.errors import UnusableEvent
from channels.zalo.webhook import events as zalo_events
from channels.zalo.webhook.signature import SignatureVerifier
from consumers.email.inbound import PARSER_ERRORS
from consumers.subscribers.csv_rows import CsvRows
from consumers.subscribers.tokens import LinkOwner, LinkTokens, TokenPurpose
from contracts import envelope, events
from contracts.base.conditional_response import ConditionalResponse
from contracts.errors import ContractError
from contracts.subscriptions.errors import LinkRefused
from contracts.vocabulary import DEFAULT
from producers.imports.errors import NotAFeed
from producers.pages import forms
from tests.support.fuzzing import INPUTS, Target, fuzz
from tests.support.hostile_feeds import taken
from tests.support.hostile_text import KNOWN_XSS

GOLDEN = Path(__file__).parents[2] / "golden"
EVENTS = [path.read_bytes() for path in sorted(GOLDEN.glob("vn.gov.moha.c*.json"))]
JSON = (
    b'{"a":',
    b"[" * 200,
    b"1e999",
    b"-0",
    b"NaN",
    b'"id":"x",',
    b'"data":{}',
    b"\\ud800",
    b"null",
    b'"revision":',
    b"18446744073709551616",
    b"true",
    b'"specversion":"1.0"',
    b"}",
    b"]",
)
MARKS = (
    b"*",
    b"_",
    b"[",
    b"](",
    b"![",
    b"`",
    b"```\n",
    b"> ",
    b"- ",
    b"1. ",
    b"# ",
    b"|",
    b"---\n",
    b"<b>",
    b"&amp;",
    b"[a]: /\n",
    b"[a]",
    b"\\",
    b"~~",
    b"  \n",
    b"\t",
    b"https://a.vn/",
)
TEXT = "# Tin\n\nMột **đoạn** có [liên kết](https://moha.gov.vn/a) và ![ảnh](/a.png)\n"
MARKDOWN = [
    TEXT.encode(),
    *(one.encode() for one in KNOWN_XSS),
    b"| a | b |\n| - | - |\n| c | d |\n" * 3,
]
RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>Tin</title><ttl>60</ttl>
<item><title>Tin &amp; bài</title><link>https://tcnn.example.vn/1</link><guid>1</guid><description>
<![CDATA[<p>Nội dung</p>]]></description><pubDate>Fri, 15 Jan 2027 07:00:00 +0700</pubDate>
<enclosure url="/a.pdf" length="9" type="application/pdf"/></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Tin</title><entry><id>a</id><title>Bài</title>
<link href="https://tcnn.example.vn/2"/><updated>2027-01-15T07:00:00+07:00</updated>
<content type="html">&lt;p&gt;Nội dung&lt;/p&gt;</content></entry></feed>"""
TAGS = (
    b"<item>",
    b"</item>",
    b"<title>",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"<entry>",
    b"</rss>",
    b"<?xml encoding='utf-16'?>",
    b"<link href='",
    b"<!--",
    b"-->",
    b"&#xD800;",
    b"<pubDate>",
    b"<guid>",
    b"<description>",
    b"xml:base='//a'",
    b"<a:b xmlns:a='c'>",
)
BOUNCE = b"""From: MAILER-DAEMON@relay.example
To: b+p1.0.1=00@loa.example
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

550 5.1.1 unknown
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
Original-Envelope-Id: p1.0.1.00

Final-Recipient: rfc822; a@example.vn
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1

--b
Content-Type: message/rfc822

Message-ID: <a@b>
To: a@example.vn

x
--b--
""".replace(b"\n", b"\r\n")
MIME = (
    b"Content-Type: ",
    b"multipart/mixed; boundary=",
    b"--b\r\n",
    b"--b--",
    b"=?utf-8?b?YQ==?=",
    b"\r\n\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"message/feedback-report",
    b"Final-Recipient: ",
    b"charset=x",
    b"Action: ",
    b"; ",
    b"Content-Transfer-Encoding: base64\r\n",
    b"filename*0*=",
    b"\r\n ",
    b"<",
    b"@",
    b"()" * 50,
)
ZALO = json.dumps(
    {
        "app_id": "app",
        "oa_id": "oa",
        "event_name": "user_send_text",
        "timestamp": "1800000000000",
        "sender": {"id": "user"},
        "recipient": {"id": "oa"},
        "message": {"msg_id": "m", "text": "chào"},
    }
).encode()
CSV = """email,name,topics,audiences,units,frequency
a@example.vn,An,cai-cach-hanh-chinh,,,daily
b@example.vn,,,,,
"""
FORM = b"email=a%40example.vn&name=An&topics=cai-cach-hanh-chinh&frequency=daily&consent=1"
TOKENS = LinkTokens(lambda purpose: purpose.encode().ljust(32, b"k")[:32], lambda: 1_800_000_000.0)
SIGNER, PATHS = HmacSigner(b"k" * 32), ReturnPaths(b"k" * 32, "loa.example")
OWNER = LinkOwner(id="r1", address="a")
NOW = datetime(2027, 1, 15, tzinfo=UTC)


def structured(data: bytes) -> None:
    events.check(envelope.from_structured(data), DEFAULT)


def batch(data: bytes) -> None:
    for entry in envelope.batch_entries(data):
        events.check(envelope.from_batch_entry(entry), DEFAULT)


def markdown(data: bytes) -> None:
    text = data.decode(errors="replace")
    portal_body.to_html(text, "https://moha.gov.vn/")
    mail_markdown.render_html(mail_markdown.parse(text, "https://moha.gov.vn/"))


def feed(data: bytes) -> None:
    taken(ConditionalResponse(url="https://tcnn.example.vn/rss", body=data, charset=""))


def webhook(data: bytes) -> None:
    verifier = SignatureVerifier("app", "secret", "other")
    assert not verifier.signs("0" * 64, data)
    raw = json_object(data)
    verifier.explain_mismatch("0" * 64, data, raw or {})
    if raw is not None:
        zalo_events.parse_event(raw)


def returned_mail(data: bytes) -> None:
    parse_report(data, "")
    autoreply_address(data, "a@example.vn", "tin@loa.example")


def csv_rows(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    list(CsvRows(iter(text.splitlines(keepends=True)), DEFAULT, lambda: "r1").read([]))


def form(data: bytes) -> None:
    fields = parse_qs(data.decode(), max_num_fields=100, errors="strict")
    forms.parse_application(fields)
    for name in fields:
        forms.parse_future_day(forms.single_value(fields, name), NOW.date())


def tokens(data: bytes) -> None:
    """No spoiled token opens anything; envelope ids and addresses may differ in case and spaces."""
    text = data.decode("utf-8", "replace")
    if text.strip().lower() in {one.lower() for one in GENUINE}:
        return
    assert SIGNER.subscriber_of(text) is None
    assert PATHS.row_ref_of_address(text) is None
    assert PATHS.row_ref_of_envelope_id(text) is None
    for purpose in TokenPurpose:
        with pytest.raises(LinkRefused):
            TOKENS.read(purpose, text, LinkOwner)


GENUINE = {
    SIGNER.token("r1"),
    *(one.decode() for one in PATHS.return_path("p1.0.1")),
    *(TOKENS.issue(purpose, OWNER).token for purpose in TokenPurpose),
}
LETTERS = (b"A", b"=", b"-", b"_", b".", b"+", b"/", b"gAAAA", b"@loa.example", b"b+p1.0.1=")
TARGETS = {
    "structured event": Target(structured, EVENTS, JSON, (ContractError,)),
    "batch": Target(batch, [b"[%b]" % b",".join(EVENTS[:3])], JSON, (ContractError,)),
    "Markdown": Target(markdown, MARKDOWN, MARKS, (ContractError, ChannelError)),
    "feed": Target(feed, [RSS.encode(), ATOM.encode()], TAGS, (NotAFeed,)),
    "returned mail": Target(returned_mail, [BOUNCE], MIME, PARSER_ERRORS),
    "Zalo webhook": Target(webhook, [ZALO], JSON, (UnusableEvent,)),
    "CSV": Target(csv_rows, [CSV.encode()], (b",", b'"', b'""', b"\n", b";", b"=cmd|x")),
    "form": Target(
        form,
        [FORM],
        (b"&", b"=", b"%", b"%zz", b"email=", b"topics="),
        (ValueError, ValidationError),
    ),
    "signed tokens": Target(tokens, [one.encode() for one in sorted(GENUINE)], LETTERS),
}


@pytest.mark.parametrize("name", TARGETS)
def test_no_spoiled_input_ends_a_parser(name):
    found = fuzz(TARGETS[name])
    story = f"{name}: {found.inputs} inputs, {found.refused} refused"
    assert not found.crash, f"{story}\n{found.crash}"
    assert found.inputs >= INPUTS, story
