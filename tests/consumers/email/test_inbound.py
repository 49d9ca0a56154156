"""The inbound mailboxes: foreign mail is refused, our mail is stored before its 250."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import structlog

from channels.email.inbound.server import LIMITS, inbound_server
from channels.email.return_path import ReturnPaths
from consumers.email import inbound as mailboxes
from consumers.email.inbound import (
    MAX_REPORTERS,
    REPORTER_TTL_S,
    BounceMailbox,
    ReportersPerRow,
    TokenBucket,
    UnsubscribeMailbox,
)
from consumers.email.receipts import ReturnedMail
from consumers.feedback.handler import parse_receipt
from consumers.suppression.store import SuppressionStore
from contracts import subjects
from producers.bus import NoReply
from tests.support.bounce_mails import bounce_mail, complaint_mail, plain_mail
from tests.support.waiting import until

PATHS = ReturnPaths(b"k" * 32, "tra-lai.moha.example")
PLACE, OTHER = "p7.2.13", "p7.2.14"
PATH = PATHS.return_path(PLACE)[0].decode()
BOX = "b@tra-lai.moha.example"
LEAVE = "huy@moha.example"
TOKEN = "bmd1b2ktbmhhbg.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


class SmtpClient:
    """An SMTP client that sends exactly the given lines."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> str:
        line = ""
        async with asyncio.timeout(10):
            while not line or line[3:4] == "-":
                line = (await self.reader.readline()).decode()
        return line.strip()

    async def say(self, *lines: str) -> str:
        """Send the lines at once; return the answer to the last one."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        return [await self.hear() for _ in lines][-1]

    async def mail(self, recipient: str, mail: bytes, sender: str = "") -> str:
        """Send a mail; return the code and the first word of the last answer."""
        answer = await self.say(f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>")
        if answer.startswith("250"):
            await self.say("DATA")
            self.writer.write(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            answer = await self.hear()
        return answer


class InboundHarness:
    def __init__(self, bus) -> None:
        self.bus = bus
        self.suppressions = SuppressionStore(bus, b"s" * 32)
        self.left: list[str] = []
        self.door = BounceMailbox(bus, PATHS, self.suppressions.hash_address)
        self.listener = inbound_server([self.door, UnsubscribeMailbox(LEAVE, self.leave)])

    async def leave(self, token: str) -> bool:
        self.left.append(token)
        return token == TOKEN

    def limit(self, **changes) -> None:
        self.listener.limits = replace(self.listener.limits, **changes)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[SmtpClient]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = SmtpClient(reader, writer)
        try:
            assert (await client.hear()).startswith("220")
            assert (await client.say("EHLO relay.example")).startswith("250")
            yield client
        finally:
            writer.close()

    async def take(self, recipient: str, mail: bytes, sender="") -> str:
        """Send one mail on a new connection; return the code of the answer."""
        async with self.client() as client:
            answer = await client.mail(recipient, mail, sender)
            await client.say("QUIT")
            return answer[:3]

    async def stored(self) -> list[ReturnedMail]:
        raw = [one async for one in self.bus.scan(subjects.RECEIPTS.name)]
        assert b"example.com" not in b"".join(one.data for one in raw), "an address was stored"
        assert b"@" not in b"".join(one.data for one in raw)
        return [parse_receipt(one.data) for one in raw]


@pytest.fixture
async def inbound(bus):
    harness = InboundHarness(bus)
    harness.port = await harness.listener.start()
    yield harness
    await harness.listener.stop()


async def test_a_bounce_is_stored_before_its_yes_once_and_holds_no_address(inbound):
    for _ in range(3):
        assert await inbound.take(PATH, bounce_mail("5.1.1")) == "250"
        [one] = await inbound.stored()
    assert (one.returned, one.place, one.code) == ("bounce", PLACE, "5.1.1")
    assert one.seals == (inbound.suppressions.hash_address("AN@example.com"),)
    [raw] = [one async for one in inbound.bus.scan(subjects.RECEIPTS.name)]
    assert set(json.loads(raw.data)) == {"returned", "at", "place", "code", "seals", "final"}


NOT_OURS = (
    PATH.replace("=", "=0"),
    PATH.replace("p7.2.13", OTHER),
    PATH.replace("tra-lai", "tra"),
    f"b+{PLACE}@tra-lai.moha.example",
    "postmaster@tra-lai.moha.example",
    "nobody@example.com",
    "",
)


async def test_an_address_that_is_not_ours_or_forged_is_refused_at_once(inbound):
    async with inbound.client() as client:
        for recipient in NOT_OURS:
            assert (await client.mail(recipient, bounce_mail())).startswith("550 5.1.1"), recipient
            assert (await client.say("RSET")).startswith("250")
        assert (await client.say("DATA")).startswith("503")
    assert await inbound.stored() == []


async def test_the_path_counts_first_then_the_envelope_then_the_message_id(inbound):
    envelope = PATHS.return_path(OTHER)[1].decode()
    await inbound.take(PATH, bounce_mail("5.1.1", envelope_id=envelope))
    await inbound.take(BOX, bounce_mail("5.1.2", envelope_id=envelope))
    await inbound.take(BOX, bounce_mail("5.1.3", envelope_id="p7.2.14.00", message_id="b" * 32))
    first, second, third = await inbound.stored()
    assert (first.place, second.place, third.place) == (PLACE, OTHER, "")
    assert (first.message_id, second.message_id) == ("", "")
    assert (third.message_id, third.publication) == ("b" * 32, "tin-moi.1")


async def test_a_complaint_comes_to_the_box_and_names_the_path(inbound):
    assert await inbound.take(BOX, complaint_mail(path=PATH), "a@provider.example") == "250"
    [one] = await inbound.stored()
    assert (one.returned, one.place) == ("complaint", PLACE)


async def test_what_is_no_report_is_taken_and_forgotten(inbound):
    mails = [
        plain_mail("I am away"),
        plain_mail("hi", sender="An <an@example.com>"),
        bounce_mail("2.0.0", action="relayed"),
    ]
    with structlog.testing.capture_logs() as logs:
        assert [await inbound.take(PATH, mail) for mail in mails] == ["250"] * len(mails)
    assert [one["event"] for one in logs] == ["mail_back_ignored"] * len(mails)
    assert await inbound.stored() == []


async def test_a_bounce_in_words_is_stored_as_a_guess(inbound):
    await inbound.take(PATH, plain_mail("<x>: 550 5.1.1 unknown"))
    [one] = await inbound.stored()
    assert (one.code, one.guessed) == ("5.1.1", True)


async def test_only_so_much_is_taken_that_anybody_could_have_made_up(inbound):
    now = 0.0
    inbound.door.rate_limit = TokenBucket(clock=lambda: now, tokens=2.0)
    ids = [f"{letter * 32}" for letter in "abcd"]
    codes = [await inbound.take(BOX, bounce_mail(message_id=one)) for one in ids]
    assert codes == ["250", "250", "451", "451"]
    assert await inbound.take(PATH, bounce_mail()) == "250", "what leads to a row is taken"
    now = 10.0
    assert await inbound.take(BOX, bounce_mail(message_id=ids[2])) == "250"
    assert len(await inbound.stored()) == 4


async def test_what_cannot_be_stored_has_to_come_again(inbound, monkeypatch):
    async def silent(*_args, **_options):
        raise NoReply("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(inbound.bus, "publish", silent)
        assert await inbound.take(PATH, bounce_mail()) == "451"
    assert await inbound.take(PATH, bounce_mail()) == "250"
    assert len(await inbound.stored()) == 1


async def test_a_mail_that_is_too_long_ends_the_conversation_and_its_length_is_announced(inbound):
    inbound.limit(mail_bytes=5000)
    async with inbound.client() as client:
        answer = await client.mail(PATH, bounce_mail() + b"x" * 70 + b"\r\n" + b"y\r\n" * 3000)
        assert answer.startswith("552 5.3.4")
        assert await client.reader.read() == b""
    assert await inbound.stored() == []


async def test_a_long_mail_is_read_as_far_as_its_report(inbound):
    inbound.limit(stored_bytes=4000)
    assert await inbound.take(PATH, bounce_mail() + b"z" * 70 + b"\r\n" * 9000) == "250"
    [one] = await inbound.stored()
    assert one.code == "5.1.1"


@pytest.mark.parametrize("half", ["EHLO", f"MAIL FROM:<>\r\nRCPT TO:<{PATH}>\r\nDATA\r\nFrom: x"])
async def test_who_says_nothing_more_is_let_go(inbound, half):
    inbound.limit(command_timeout_s=0.1, mail_timeout_s=0.1)
    async with inbound.client() as client:
        client.writer.write(half.encode())
        async with asyncio.timeout(5):
            while await client.reader.read(100):
                pass
    assert await inbound.stored() == []


async def test_who_only_guesses_is_let_go(inbound):
    async with inbound.client() as client:
        await client.say("MAIL FROM:<>")
        said = [await client.say("RCPT TO:<x@y.example>") for _ in range(11)]
        assert said[9].startswith("550")
        assert said[10].startswith("421")


async def test_there_are_only_so_many_at_once(inbound):
    inbound.limit(sessions=1)
    async with inbound.client():
        reader, writer = await asyncio.open_connection("127.0.0.1", inbound.port)
        assert (await reader.readline()).startswith(b"421")
        writer.close()


async def test_one_neighbour_does_not_take_every_session(inbound):
    inbound.limit(sessions=4, sessions_per_address=2)
    async with inbound.client(), inbound.client():
        reader, writer = await asyncio.open_connection("127.0.0.1", inbound.port)
        assert (await reader.readline()).startswith(b"421")
        writer.close()
        other = {"local_addr": ("127.0.0.2", 0)}
        reader, writer = await asyncio.open_connection("127.0.0.1", inbound.port, **other)
        assert (await reader.readline()).startswith(b"220"), "the relay still gets in"
        writer.close()
    await until(lambda: not inbound.listener.sessions_of)
    async with inbound.client():
        assert inbound.listener.sessions_of == {"127.0.0.1": 1}


async def test_a_line_without_end_is_not_kept(inbound):
    async with inbound.client() as client:
        client.writer.write(b"x" * (LIMITS.command_bytes + 10))
        assert await client.reader.read() == b""


async def test_thousands_of_commands_at_once_end_the_session(inbound):
    """Each of them would take the loop from everything else before its packet is done."""
    async with inbound.client() as client:
        client.writer.write(b"NOOP\r\n" * 5000)
        answers = (await client.reader.read()).splitlines()
    assert len(answers) <= 101 and answers[-1].startswith(b"421")


async def test_a_relay_with_many_mails_in_one_session_is_served(inbound):
    async with inbound.client() as client:
        for _ in range(60):
            assert (await client.say("NOOP")).startswith("250")
            assert (await client.mail(PATH, bounce_mail("5.1.1"))).startswith("250")


async def test_a_wish_to_leave_comes_by_mail(inbound):
    wish = f"From: an@example.com\r\nSubject: =?utf-8?q?H=E1=BB=A7y?=\r\n {TOKEN}\r\n\r\nx\r\n"
    with structlog.testing.capture_logs() as logs:
        for subject in (TOKEN, "hello", "x" * 40):
            mail = f"From: an@example.com\r\nSubject: {subject}\r\n\r\nx\r\n".encode()
            assert await inbound.take(LEAVE, mail, "an@example.com") == "250"
        assert await inbound.take(LEAVE.upper(), wish.encode()) == "250"
    assert inbound.left == [TOKEN, "x" * 40, TOKEN]
    assert [one["event"] for one in logs] == ["unsubscribe_mail_unknown"] * 2
    assert await inbound.stored() == []


async def test_a_report_about_somebody_else_does_not_hide_the_one_about_the_reader(inbound):
    for whom in ("x@example.com", "an@example.com", "an@example.com"):
        assert await inbound.take(PATH, bounce_mail("5.1.1", to=whom)) == "250"
    first, second = await inbound.stored()
    mine = inbound.suppressions.hash_address("an@example.com")
    assert (first.final == mine, second.final) == (False, mine)


async def test_who_has_got_a_mail_names_a_few_addresses_and_no_more(inbound):
    now = 0.0
    inbound.door.reporters = ReportersPerRow(clock=lambda: now)
    for number in range(MAX_REPORTERS + 3):
        await inbound.take(PATH, bounce_mail("5.1.1", to=f"x{number}@example.com"))
    assert len(await inbound.stored()) == MAX_REPORTERS
    await inbound.take(PATHS.return_path(OTHER)[0].decode(), bounce_mail("5.1.1"))
    assert len(await inbound.stored()) == MAX_REPORTERS + 1, "another mail has its own"
    now = REPORTER_TTL_S + 1
    await inbound.take(PATH, bounce_mail("5.1.1", to="moi@example.com"))
    assert len(await inbound.stored()) == MAX_REPORTERS + 2


def test_it_is_forgotten_first_what_was_told_of_least_lately(monkeypatch):
    monkeypatch.setattr(mailboxes, "MAX_TRACKED_ROWS", 2)
    mouths = ReportersPerRow()
    for told in ("a", "b", "a", "c"):
        assert mouths.admits(told, "x")
    assert list(mouths.reporters) == ["a", "c"]
