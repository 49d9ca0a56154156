"""Ten thousand spoiled inputs for what reads heads, cookies, tokens, paths and commands.

With test_fuzzed_parsers.py it covers all that strangers send: events in each mode (HTTP and NATS),
batches, Markdown, feeds, returned mails, Zalo's events, CSV, forms, links, heads, cookies, tokens,
the provider's documents, paths, queries, SMTP commands, and files of a sender's spool.
"""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.requests import Request

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.smtp_server import ServerLimits, SmtpServer
from channels.fetch.fetcher import parse_max_age, parse_retry_after
from channels.portal.http.file_app import _is_not_modified
from channels.portal.http.file_cache import FileCache
from channels.portal.http.negotiation import accepted_formats
from channels.portal.search.query import InvalidQuery, parse_query
from consumers.app.web.proxies import TrustedProxies
from consumers.staff.oidc.authorization import Transaction, Transactions
from consumers.staff.oidc.errors import OidcRefused, ProviderUnavailable
from consumers.staff.oidc.metadata import parse_metadata
from consumers.staff.oidc.signature import SigningKeys, verify
from contracts import envelope, events
from contracts.errors import ContractError
from contracts.staff.sign_in import local_path
from contracts.vocabulary import DEFAULT
from producers import event_file
from producers.bus.client import BusClient
from producers.desk.web_session import ProviderCookie, SessionCookie, visitor_token
from producers.spool import Spool
from tests.deep.attack.test_fuzzed_parsers import EVENTS, JSON, NOW, TARGETS
from tests.support.fuzzing import INPUTS, Target, fuzz
from tests.support.gateway_client import sample_event
from tests.support.oidc_tokens import ISSUER, id_claims, key_set, sign
from tests.support.processor_time import at_most

LONGEST = 64 << 10
"""Bytes of a head, and of the longest input of a test."""
WORK_S = 10
"""Seconds of a processor for one long input: more than linear work takes by far."""
PAIR = "{}: {}\r\n"


def head(data: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Header lines, as a server hands them on, and the body behind them."""
    lines, _, body = data.partition(b"\r\n\r\n")
    pairs = [line.partition(": ") for line in lines.decode("latin-1").split("\r\n")]
    return [(name, value) for name, _, value in pairs if name], body


def binary_event(data: bytes) -> None:
    pairs, body = head(data)
    events.check(envelope.from_binary(dict(pairs), body), DEFAULT, accepted_types=events.HTTP_TYPES)


def bus_message(data: bytes) -> None:
    """The client reads the headers first, then intake the event."""
    pairs, body = head(data)
    raw = "NATS/1.0\r\n" + "".join(PAIR.format(*pair) for pair in pairs) + "\r\n"
    read = asyncio.run(BusClient()._process_headers(raw.encode("latin-1", "replace")))
    events.check(envelope.decode(None, read, body), DEFAULT)


def mode(data: bytes) -> None:
    pairs, _ = head(data)
    envelope.mode(None, dict(pairs))


def accept(data: bytes) -> None:
    assert set(accepted_formats(data.decode("latin-1"))) <= {"atom", "rss", "json", "html"}


def conditions(data: bytes) -> None:
    value = data.decode("latin-1")
    _is_not_modified('W/"a"', 0, value, None)
    _is_not_modified('"a"', 0, None, value)
    parse_retry_after(value, NOW)
    parse_max_age(value)


PROXIES = TrustedProxies.parse("10.0.0.0/8, fd00::/8, 203.0.113.9")


def forwarded(data: bytes) -> None:
    """The result is an address, or the peer."""
    said = PROXIES.client_address("10.0.0.1", data.decode("latin-1"))
    assert said == "10.0.0.1" or ("," not in said and not set(said) & set(" \r\n<>\"'"))


TRANSACTION = Transactions(b"k" * 32)
SEALED = TRANSACTION.seal(Transaction(started=0.0))


def cookies(data: bytes) -> None:
    request = Request({"type": "http", "headers": [(b"cookie", data)]})
    for is_https in (True, False):
        token = SessionCookie(is_https).read(request)
        assert token == "" or token.replace("-", "").replace("_", "").isalnum()
        value = ProviderCookie(is_https).read(request)
        with suppress(OidcRefused):
            assert TRANSACTION.read(value, 1.0) == TRANSACTION.read(SEALED, 1.0)


KEYS = SigningKeys.parse(key_set())
TOKEN = sign(id_claims())


def token(data: bytes) -> None:
    """A spoiled token that is verified says what the genuine one says."""
    assert verify(data.decode("latin-1"), KEYS, ("jwt",)) == id_claims()


METADATA = {
    "issuer": ISSUER,
    **{
        name: f"{ISSUER}/{name}"
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    },
}


def provider_document(data: bytes) -> None:
    document = json.loads(data)
    if isinstance(document, dict):
        SigningKeys.parse(document)
        parse_metadata(document, ISSUER)


def path(data: bytes) -> None:
    """No path leads out of the folder."""
    text = data.decode("latin-1")
    located = FileCache.locate(FILES, text)
    assert located is None or (located.startswith("/nowhere/") and ".." not in located)
    assert MAILS.find(text) is None
    kept = local_path(text)
    assert kept.startswith("/") and not kept.startswith(("//", "/\\"))


class _Root:
    _root = "/nowhere"


FILES, MAILS = _Root(), MailFolder(Path("/nowhere"))


def query(data: bytes) -> None:
    names, pairs = ("q", "chu-de", "don-vi", "tu", "den", "trang", "xep"), data.decode("latin-1")
    parse_query(dict(zip(names, pairs.split("&"), strict=False)))


class _Sink:
    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    async def drain(self) -> None: ...
    def get_extra_info(self, name: str) -> None: ...


class _Store:
    def accepts(self, recipient: str) -> bool:
        return len(recipient) % 2 == 0

    async def deliver(self, sender: str, recipients: list[str], mail: bytes) -> str:
        assert recipients and len(mail) <= LIMITS.stored_bytes + LIMITS.line_bytes
        return ""

    def broken_reply(self, error: Exception) -> str:
        return ""


LIMITS = ServerLimits(65_536, 4_096, 512, 2_000, 256, 10, errors=20)


def smtp_session(data: bytes) -> None:
    async def serve() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        await SmtpServer(_Store(), LIMITS).serve_client(reader, _Sink())

    asyncio.run(serve())


def spool_file(data: bytes) -> None:
    class File:
        @staticmethod
        def read_bytes() -> bytes:
            return data

    Spool.read(Spool(Path()), File)
    event_file.read_event(data, "van-phong-bo")


def binary(event: dict) -> bytes:
    headers, body = envelope.to_binary(envelope.from_structured(event))
    return "".join(PAIR.format(*pair) for pair in headers.items()).encode() + b"\r\n" + body


HEADERS = (
    *(b"ce-id: ", b"ce-", b"\r\n", b"\r\n\r\n", b"%25", b"%zz", b'"', b"\\", b": "),
    *(
        b"content-type: ",
        b"application/cloudevents+json; charset=",
        b"Nats-Msg-Id: ",
        b"Status: 503",
    ),
)
BINARY = [binary(sample_event(kind)) for kind in ("submitted", "corrected", "withdrawn")]
DIALOGUE = (
    b"EHLO a\r\nMAIL FROM:<a@b.vn>\r\nRCPT TO:<bb@c.vn>\r\nDATA\r\nTo: a\r\n\r\n.\r\nQUIT\r\n"
)
COOKIES = f"loa-desk={visitor_token()}; __Host-loa-desk={visitor_token()}; loa-desk-oidc={SEALED}"
REQUESTS = {
    "binary event": Target(binary_event, BINARY, (*HEADERS, *JSON), (ContractError,)),
    "NATS message": Target(bus_message, BINARY, (*HEADERS, *JSON), (ContractError,)),
    "mode": Target(mode, BINARY, HEADERS, (ContractError,)),
    "Accept": Target(accept, [b"text/html, application/atom+xml;q=0.9, */*;q=0.1"],
                     (b"a/", b"/", b"*", b";q=", b"q=1.", b",", b";", b" ", b"a")),
    "conditions": Target(conditions, [b'W/"a", "b"', b"Fri, 15 Jan 2027 07:00:00 GMT"],
                         (b'"', b"W/", b"*", b",", b"GMT", b"max-age=", b"9", b" ")),
    "X-Forwarded-For": Target(forwarded, [b"198.51.100.7, 10.0.0.2", b"[fd00::1]:80"],
                              (b",", b"[", b"]", b":", b".", b"10.0.0.1,", b"::1,", b" ")),
    "cookies": Target(cookies, [COOKIES.encode()], (b";", b"=", b'"', b"\\", b"loa-desk=", b"%")),
    "token": Target(token, [TOKEN.encode()], (b".", b"=", b"eyJ", b"e30.", b"-", b"_", b"A"),
                    (OidcRefused,)),
    "provider's documents": Target(
        provider_document, [json.dumps(one).encode() for one in (METADATA, key_set())],
        (*JSON, b'"n":"', b'"kty":"RSA"', b'"https://'),
        (ProviderUnavailable, ValueError, RecursionError)),
    "path": Target(path, [b"/tin/mot-bai/", b"/nguon-tin/tat-ca.rss", b"/anh/a.jpg"],
                   (b"/", b"..", b"%2e", b"\\", b"//", b"/a", b".html", b"a")),
    "query": Target(query, ["cải cách&tin-tuc&van-phong-bo&2027-01-15&15/01/2027&2&moi".encode()],
                    (b"&", b'"', b"*", b"(", b"AND", b"NEAR(", b"-", b"1", b"a "), (InvalidQuery,)),
    "SMTP session": Target(
        smtp_session, [DIALOGUE], (b"\r\n", b"\n", b"\r", b".\r\n", b"RCPT TO:<", b">", b"DATA\r\n",
                                   b"MAIL FROM:<>\r\n", b"TO:", b" ", b"RSET\r\n", b"a")),
    "spooled event": Target(
        spool_file, [*EVENTS, json.dumps({"unit": "a", "event": sample_event()}).encode()], JSON,
        (ContractError,)),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_no_spoiled_input_ends_a_parser(name):
    found = fuzz(REQUESTS[name])
    story = f"{name}: {found.inputs} inputs, {found.refused} refused"
    assert not found.crash, f"{story}\n{found.crash}"
    assert found.inputs >= INPUTS, story


@pytest.mark.parametrize("name", [*TARGETS, *REQUESTS])
def test_no_long_input_takes_long(name):
    """Each word of a format as often as it fits, alone and behind a sample."""
    target = (TARGETS | REQUESTS)[name]
    for word in target.tokens:
        many = word * (LONGEST // len(word))
        for data in (many, target.samples[0] + many, many + target.samples[0]):
            with at_most(WORK_S):
                try:
                    target.parse(data)
                except target.refusals:
                    continue
