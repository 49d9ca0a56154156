"""Unsubscribe mail without a token: a subscriber gets the access link, a machine nothing."""

import asyncio

import pytest
import structlog

from channels.email.inbound.autoreply import autoreply_address
from consumers.email.inbound import UnsubscribeMailbox
from producers.bus import NoReply

LEAVE, AN = "huy@moha.example", "an@example.com"
TOKEN = "bmd1b2ktbmhhbg.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


def mail(*fields: str, sender=AN, to=LEAVE, subject="Cho tôi dừng nhận tin") -> bytes:
    own = (f"From: Nguyễn Văn An <{sender}>", f"To: {to}", f"Subject: {subject}")
    return "\r\n".join((*own, *fields, "", "Xin cảm ơn", "")).encode()


@pytest.mark.parametrize(
    "written",
    [
        mail(),
        mail("Auto-Submitted: no"),
        mail("Precedence: first-class"),
        mail(to=f"Bộ Nội vụ <{LEAVE.upper()}>"),
        mail(f"Cc: {LEAVE}", to="ai-do@example.com"),
        mail(sender="AN@example.com"),
    ],
)
def test_a_persons_own_mail_may_be_answered(written):
    assert autoreply_address(written, AN, LEAVE) == AN


MACHINE_FIELDS = (
        "Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated; owner=x", "X-Loop: x",
        "Precedence: bulk", "Precedence: List", "Precedence: auto_reply", "List-Id: <x.example>",
        "List-Unsubscribe: <mailto:x@x.example>", "X-Auto-Response-Suppress: All",
        "Content-Type: multipart/report; boundary=x", f"From: {AN}",
)  # fmt: skip
MACHINES = (
    "", "MAILER-DAEMON@example.com", "no-reply@example.com", "noreply+1@example.com",
    "owner-tin@example.com", "tin-request@example.com", "tin-bounces@example.com", "khong phai",
)  # fmt: skip
OTHERS = (
    mail(sender="ai-khac@example.com"), mail(to="ai-do@example.com"), b"Subject: x\r\n\r\n", b"",
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        *((mail(field), AN) for field in MACHINE_FIELDS),
        *((mail(sender=sender), sender) for sender in MACHINES),
        *((written, AN) for written in OTHERS),
    ],
)
def test_what_a_machine_or_somebody_else_wrote_is_never_answered(written, sender):
    assert autoreply_address(written, sender, LEAVE) == ""


class RecordingDoor:
    """A mailbox, its requests, and a bus that can be silent."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.reminded: list[str] = []
        self.silent = False
        self.go = asyncio.Event()
        self.door = UnsubscribeMailbox(LEAVE, self.leave, self.remind)

    async def leave(self, token: str) -> bool:
        self.left.append(token)
        return token == TOKEN

    async def remind(self, address: str) -> None:
        await self.go.wait()
        if self.silent:
            raise NoReply("no answer")
        self.reminded.append(address)


async def test_nobody_leaves_without_a_token_and_the_writer_is_answered_after_the_250():
    door = RecordingDoor()
    await door.door.deliver(AN, LEAVE, mail())
    assert door.left == [], "a name is no proof"
    door.go.set()
    await door.door.close()
    assert door.reminded == [AN]


async def test_a_token_is_enough_and_no_answer_follows():
    door = RecordingDoor()
    door.go.set()
    await door.door.deliver(AN, LEAVE, mail(subject=f"Re: {TOKEN}"))
    await door.door.close()
    assert (door.left, door.reminded) == ([TOKEN], [])


async def test_a_flood_is_answered_a_few_at_once_and_a_silent_bus_costs_the_answer(monkeypatch):
    monkeypatch.setattr("consumers.email.inbound.MAX_PENDING_ANSWERS", 2)
    door = RecordingDoor()
    for _ in range(5):
        await door.door.deliver(AN, LEAVE, mail())
    assert len(door.door.answer_tasks) == 2
    door.silent = True
    door.go.set()
    with structlog.testing.capture_logs() as logs:
        await door.door.close()
    assert [one["event"] for one in logs] == ["bus_trouble"] * 2
    assert door.reminded == []


async def test_a_mail_that_breaks_the_parser_is_taken_and_not_answered(monkeypatch):
    def broken(*_):
        raise ValueError

    monkeypatch.setattr("channels.email.inbound.autoreply.autoreply_address", broken)
    door = RecordingDoor()
    await door.door.deliver(AN, LEAVE, mail())
    assert not door.door.answer_tasks
