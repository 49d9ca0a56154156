"""The catch-all mailbox: takes every mail, keeps it as a file, shows it in a browser."""

import asyncio
import re
from itertools import islice

import httpx2
import pytest

from channels.email.devmailbox import web as mailboxes
from channels.email.devmailbox.mail_folder import MailFolder, catch_all_server
from channels.email.devmailbox.web import mailbox_app
from tests.support.mails import (
    deliver,
    email_channel,
    mail_recipient,
    sent_mail,
    without_dot_stuffing,
)
from tests.support.publications import a_publication


@pytest.fixture
def maildir(tmp_path):
    return MailFolder(tmp_path / "mail")


@pytest.fixture
async def port(maildir):
    catch_all = catch_all_server(maildir)
    yield await catch_all.start()
    await catch_all.stop()


@pytest.fixture
async def browser(maildir):
    transport = httpx2.ASGITransport(mailbox_app(maildir))
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa.example") as browser:
        yield browser


async def talk(port, *chunks, answers):
    """Say some chunks to the mailbox and read so many answers."""
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    heard = [await reading.readline()]
    for chunk in chunks:
        writing.write(chunk)
        await writing.drain()
    while len(heard) <= answers:
        heard.append(await asyncio.wait_for(reading.readline(), 5))
    writing.close()
    await writing.wait_closed()
    return [line[:3].decode() for line in heard[1:]]


HELLO = b"EHLO x\r\n"
ENVELOPE = b"MAIL FROM:<a@b.vn>\r\nRCPT TO:<c@d.vn>\r\nDATA\r\n"


async def test_mails_arrive_as_files_newest_first(port, maildir):
    publication = a_publication()
    await deliver(email_channel(port), [mail_recipient(n, publication) for n in range(30)])
    kept = list(maildir.newest_first())
    assert len(kept) == 30
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d\.\d{19}-\d{6}", mail.name) for mail in kept)
    assert sorted({mail.path.parent.name for mail in kept}) == [kept[0].path.parent.name]
    assert b"Delivered-To: a29@example.com\r\n" in kept[0].raw()
    assert b"Return-Path: <thong-bao@moha.example>\r\n" in kept[0].raw()
    body, _ = sent_mail(publication, mail_recipient(29, publication))
    assert kept[0].raw().endswith(without_dot_stuffing(body))
    assert maildir.find(kept[0].name) == kept[0]


async def test_half_a_mail_is_never_kept(port, maildir):
    said = await talk(port, HELLO, ENVELOPE, b"Subject: x\r\n\r\nhalf", answers=8)
    assert said[-1] == "354"
    assert list(maildir.newest_first()) == []


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_mail_may_arrive_in_pieces(port, maildir, size):
    whole = HELLO + ENVELOPE + b"Subject: x\r\n\r\n..dot\r\n.x\r\n.\r\nQUIT\r\n"
    said = await talk(port, *(whole[n : n + size] for n in range(0, len(whole), size)), answers=10)
    assert said[-5:] == ["250", "250", "354", "250", "221"]
    (mail,) = maildir.newest_first()
    assert mail.raw().endswith(b"Subject: x\r\n\r\n.dot\r\nx\r\n")


async def test_an_empty_mail_and_one_that_begins_with_a_dot(port, maildir):
    await talk(port, HELLO, ENVELOPE, b".\r\n", ENVELOPE, b"..x\r\n.\r\n", answers=13)
    second, first = maildir.newest_first()
    assert first.raw().endswith(b"Delivered-To: c@d.vn\r\n")
    assert second.raw().endswith(b"Delivered-To: c@d.vn\r\n.x\r\n")


@pytest.mark.parametrize("smuggled", [b"\n.\n", b"\r.\r\n", b"\n.\r\n", b"\r\n.\n"])
async def test_only_crlf_dot_crlf_ends_a_mail(port, maildir, smuggled):
    body = b"Subject: x\r\n\r\nx" + smuggled + b"MAIL FROM:<evil@x>\r\n.\r\n"
    await talk(port, HELLO, ENVELOPE, body, answers=9)
    (mail,) = maildir.newest_first()
    assert mail.raw().endswith(b"MAIL FROM:<evil@x>\r\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"RCPT TO:<a@b>\r\n", "503"),
        (b"DATA\r\n", "503"),
        (b"MAIL FROM:nobody\r\n", "503"),
        (b"WHAT\r\n", "500"),
        (b"NOOP\r\n", "250"),
        (b"RSET\r\n", "250"),
        (b"x" * 5000, "552"),
    ],
)
async def test_what_makes_no_sense_is_refused(port, maildir, command, code):
    said = await talk(port, HELLO, command, answers=6)
    assert said[-1] == code
    assert list(maildir.newest_first()) == []


async def test_a_full_disk_is_a_temporary_failure(port, maildir, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(maildir, "store", full)
    said = await talk(port, HELLO, ENVELOPE, b"x\r\n.\r\n", answers=9)
    assert said[-1] == "452"


async def test_the_list_shows_who_what_and_when(port, browser):
    assert "Chưa có thư nào." in (await browser.get("/hop-thu-thu")).text
    publication = a_publication()
    rows = [mail_recipient(n, publication, name=f"Lê Thị Ánh {n}") for n in range(3)]
    await deliver(email_channel(port), rows)
    page = await browser.get("/hop-thu-thu")
    assert page.text.count("<tr><td>") == 3
    assert "Lịch nghỉ Tết Nguyên đán năm 2027" in page.text
    assert "Lê Thị Ánh 2 &lt;a2@example.com&gt;" in page.text
    assert "Bộ Nội vụ - Văn phòng Bộ" in page.text
    assert 'lang="vi"' in page.text


async def test_long_lists_have_pages(maildir, browser, monkeypatch):
    monkeypatch.setattr(mailboxes, "PAGE_SIZE", 10)
    for n in range(25):
        maildir.store("a@b.vn", ["c@d.vn"], b"Subject: thu %d\r\n\r\nx\r\n" % n)
    seen = []
    for number in (1, 2, 3):
        page = (await browser.get(f"/hop-thu-thu?trang={number}")).text
        seen += re.findall(r">thu (\d+)<", page)
        assert (f"trang={number + 1}" in page) == (number < 3)
    assert seen == [str(n) for n in reversed(range(25))]
    for odd in ("0", "-1", "x", "9" * 30, "٣"):
        assert (await browser.get("/hop-thu-thu", params={"trang": odd})).status_code == 200


async def test_a_mail_is_shown_in_a_cage(port, maildir, browser):
    await deliver(email_channel(port), [mail_recipient(1, a_publication())])
    (kept,) = maildir.newest_first()
    page = await browser.get(f"/hop-thu-thu/{kept.name}")
    source = f"/hop-thu-thu/{kept.name}/html"
    assert f'<iframe sandbox title="Bản HTML của thư" src="{source}">' in page.text
    assert "Kính gửi: Ông (Bà) Nguyễn Văn 1" in page.text
    assert "Message-ID" in page.text
    html = await browser.get(source)
    assert ">Lịch nghỉ Tết Nguyên đán năm 2027</h1>" in html.text
    assert html.headers["content-security-policy"].startswith("default-src 'none'; sandbox; ")
    raw = await browser.get(f"/hop-thu-thu/{kept.name}/raw")
    assert raw.content == kept.raw()
    assert raw.headers["content-type"].startswith("text/plain")


async def test_a_hostile_mail_stays_text(maildir, browser):
    evil = b"<script>alert(1)</script>"
    mail = b"Subject: %b\r\nFrom: =?x?q?=ZZ?=\r\n\r\n%b" % (evil, evil)
    kept = maildir.store("a@b.vn", ["c@d.vn"], mail)
    for path in ("/hop-thu-thu", f"/hop-thu-thu/{kept.name}"):
        page = await browser.get(path)
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text


async def test_every_answer_forbids_what_it_does_not_need(port, maildir, browser):
    await deliver(email_channel(port), [mail_recipient(1, a_publication())])
    (kept,) = maildir.newest_first()
    name = kept.name
    for path in ("", f"/{name}", f"/{name}/html", f"/{name}/raw", "/none"):
        answer = await browser.get(f"/hop-thu-thu{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "style=" not in (await browser.get("/hop-thu-thu")).text


@pytest.mark.parametrize("target", ["iframe", "frame", "object", "embed", "image", "empty"])
async def test_no_page_of_another_site_shows_or_reads_a_mail(maildir, browser, target):
    kept = maildir.store("a@b.vn", ["c@d.vn"], b"Subject: kin\r\n\r\nkin")
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": target}
    for path in ("", f"/{kept.name}", f"/{kept.name}/html", f"/{kept.name}/raw"):
        answer = await browser.get(f"/hop-thu-thu{path}", headers=foreign)
        assert answer.status_code == 403 and "kin" not in answer.text
        assert "frame-ancestors" in answer.headers["content-security-policy"]
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert (await browser.get(f"/hop-thu-thu/{kept.name}", headers=link)).status_code == 200
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"}
    answer = await browser.get(f"/hop-thu-thu/{kept.name}/html", headers=own)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "name", ["x", "..", "%2e%2e%2fsecret", "2026-11-25.x", "2026-11-25.0000000000000000001-000001"]
)
async def test_an_unknown_mail_is_a_404_and_no_name_leaves_the_folder(browser, tmp_path, name):
    (tmp_path / "secret.eml").write_text("secret")
    for suffix in ("", "/html", "/raw"):
        answer = await browser.get(f"/hop-thu-thu/{name}{suffix}")
        assert answer.status_code == 404
        assert "secret" not in answer.text


def test_names_sort_by_arrival_even_within_one_moment(tmp_path):
    drop = MailFolder(tmp_path, clock=lambda: 1_800_000_000_000_000_000)
    names = [drop.store("a@b.vn", ["c@d.vn"], b"x").name for _ in range(20)]
    assert [mail.name for mail in drop.newest_first()] == names[::-1]
    assert next(islice(drop.newest_first(), 1)).received_at.year == 2027
