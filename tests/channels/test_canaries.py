"""Canary of each channel: a mail to the operator, a file that no list names, a read."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from lxml import etree
from starlette.responses import Response
from starlette.testclient import TestClient

from channels.base import Canary, Outcome, Verdict
from channels.portal.http.file_app import portal_app
from channels.portal.model.site import CANARY_PATH
from tests.support.mails import email_channel
from tests.support.portal_dir import open_portal, public_files, rebuild
from tests.support.signup_app import serve_app
from tests.support.smtp_receiver import SmtpReceiver

AT = datetime(2026, 11, 25, 2, 15, tzinfo=UTC)
BOX = "truc-he-thong@moha.example"
OK = Outcome(Verdict.DELIVERED)


async def probe(channel, number=3, target=""):
    async with channel.session() as session:
        return await session.probe(Canary(number, AT, target))


# --- e-mail


@pytest.fixture
async def email():
    """A channel, and its relay."""
    async with SmtpReceiver() as receiver:
        channel = email_channel(receiver.port)
        yield channel, receiver
        await channel.close()


@pytest.mark.promise("10.1")
async def test_the_mail_goes_to_the_operator_alone_and_says_what_it_is(email):
    channel, receiver = email
    assert await probe(channel, target=BOX) == OK
    [mail] = receiver.mails
    read = message_from_bytes(mail.data, policy=policy.default)
    assert mail.recipient == BOX
    assert (read["To"], read["Subject"]) == (BOX, "Thư kiểm tra hệ thống gửi thư số 3")
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Message-ID"].endswith("@moha.example>")
    assert "List-Unsubscribe" not in read
    text = read.get_content()
    assert "lúc 09:15 ngày 25/11/2026 (giờ Việt Nam)" in text
    assert "đúng cách hệ thống gửi thư cho người nhận" in text


async def test_without_a_mailbox_the_relay_has_to_answer_and_gets_no_mail(email):
    channel, receiver = email
    assert await probe(channel) == OK
    receiver.script["NOOP", ""] = b"421 4.3.2 bye"
    assert (await probe(channel)).verdict is Verdict.HELD
    assert receiver.mails == []


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(b"451 4.7.1 later", Verdict.DEFERRED), (b"550 5.1.1 no such user", Verdict.FAILED)],
)
async def test_what_the_relay_says_of_it_is_the_outcome(email, answer, verdict):
    channel, receiver = email
    receiver.script["RCPT", BOX] = answer
    outcome = await probe(channel, target=BOX)
    assert outcome.verdict is verdict
    assert BOX not in outcome.reason


async def test_a_mailbox_that_could_smuggle_is_refused_before_anything_is_sent(email):
    channel, receiver = email
    outcome = await probe(channel, target="a@b\r\nBcc: c@d")
    assert receiver.mails == []
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "unsafe address")


# --- the portal


@pytest.fixture
async def portal(tmp_path):
    async with open_portal(tmp_path) as channel:
        yield channel


def others(folder):
    """Every file but the canary's."""
    files = public_files(folder)
    files.pop(CANARY_PATH[1:], None)
    return files


@pytest.mark.promise("10.1")
async def test_the_file_is_there_and_nothing_else_of_the_portal_has_changed(portal, tmp_path):
    async with portal.session():
        before = others(tmp_path)
    for number in (3, 4):
        assert await probe(portal, number) == OK
    root = etree.parse(tmp_path / "public" / CANARY_PATH[1:]).getroot()
    said = "".join(root.itertext())
    assert "Lần kiểm tra số 4" in said
    assert others(tmp_path) == before
    assert not any(CANARY_PATH.encode() in body for body in before.values())


async def test_search_engines_and_caches_are_told_to_leave_it(portal, tmp_path):
    await probe(portal)
    answer = TestClient(portal_app(tmp_path)).get(CANARY_PATH)
    assert answer.status_code == 200
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Cache-Control"] == "no-store"
    feed = TestClient(portal_app(tmp_path)).get("/nguon-tin/tat-ca.atom")
    assert "X-Robots-Tag" not in feed.headers


async def test_a_rebuild_leaves_it_alone(portal, tmp_path):
    await probe(portal)
    assert rebuild(tmp_path, []).removed == 0
    assert (tmp_path / "public" / CANARY_PATH[1:]).exists()


async def test_a_folder_that_can_not_be_written_is_said(portal, tmp_path):
    async with portal.session() as session:
        folder = tmp_path / "public" / "nguon-tin" / "kiem-tra"
        folder.write_text("a file where a folder should be")
        outcome = await session.probe(Canary(1, AT))
    assert outcome.verdict is Verdict.HELD
    assert outcome.reason in ("enotdir", "eexist")


class PublicAddress:
    """A web server that gives what *body* returns, below any path."""

    def __init__(self, body, status=200):
        self.body, self.status, self.asked = body, status, []

    async def __call__(self, scope, receive, send):
        self.asked.append(f"{scope['path']}?{scope['query_string'].decode()}")
        await Response(self.body(), self.status)(scope, receive, send)


async def test_it_is_read_back_where_the_public_reads_below_a_path_too(portal, tmp_path):
    site = PublicAddress((tmp_path / "public" / CANARY_PATH[1:]).read_bytes)
    async with serve_app(site) as url:
        assert await probe(portal, 5, f"{url}/kenh") == OK
    assert site.asked == [f"/kenh{CANARY_PATH}?lan=5"]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "public address: HTTP 404"),
        (200, b"<feed/>", "public address: not the file that was written"),
        (200, b"x" * 200_000, "public address: not the file that was written"),
    ],
)
async def test_what_readers_see_instead_is_the_reason(portal, status, body, reason):
    async with serve_app(PublicAddress(lambda: body, status)) as url:
        outcome = await probe(portal, 5, url)
    assert (outcome.verdict, outcome.reason) == (Verdict.HELD, reason)


@asynccontextmanager
async def dawdling(folder):
    """A web server that gives the file in two parts, the second when the first was read or left."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = (folder / "public" / CANARY_PATH[1:]).read_bytes()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:99])
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read()  # ends at once when the client is content with the first part
        writer.write(body[99:])
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_an_answer_in_two_parts_is_read_whole(portal, tmp_path):
    async with dawdling(tmp_path) as url:
        assert await probe(portal, 5, url) == OK


async def test_a_public_address_where_nobody_answers_is_said(portal):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = await probe(portal, 5, f"http://127.0.0.1:{port}")
    assert outcome.verdict is Verdict.HELD
    assert outcome.reason.startswith("public address: Client")


# --- Zalo


@pytest.mark.promise("10.1")
async def test_zalo_is_only_read(zalo_account):
    before = list(zalo_account.sandbox.world.journal.facts())
    assert await probe(zalo_account.channel) == OK
    assert list(zalo_account.sandbox.world.journal.facts()) == before
    assert (zalo_account.articles, zalo_account.broadcasts) == ([], [])


async def test_what_zalo_says_is_the_outcome(zalo_account):
    zalo_account.fault("article.getslice", "refuse", code=-209, words="OA locked", times=9)
    outcome = await probe(zalo_account.channel)
    assert outcome.verdict is not Verdict.DELIVERED
    assert "209" in outcome.reason
