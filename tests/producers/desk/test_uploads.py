"""Uploads at the desk: kept, refused with words, served as what they are and as nothing else."""

import asyncio
import hashlib
import re
import struct
from pathlib import PurePosixPath

import pytest

from consumers.audit.log import AuditLog, parse_record
from consumers.uploads.clamd import Clamd
from consumers.uploads.missing import missing_uploads
from consumers.uploads.portal import PublicUploads
from contracts.desk import uploads
from contracts.desk.uploads import FILE_MAX_MB, MEDIA_TYPES, UploadAddress, parse_address
from producers.desk.editor.conversion import editor_texts
from producers.desk.rendering import desk_texts
from producers.desk.web_session import form_seal
from producers.object_store import ObjectStore
from producers.pages import file_forms
from tests.support import uploaded_files as files
from tests.support.desk_app import OWN_HEADERS, PORTAL_URL, SEAL_KEY, DeskApp, heading
from tests.support.desk_uploads import JSON, OFFICER, send
from tests.support.newsroom import TEXT, open_newsroom

APPROVER = "lanh-dao-duyet"
TOO_MANY = "quá nhiều tệp"
TITLES, TEXTS = desk_texts()["page"], desk_texts()["upload"]


async def test_a_file_is_kept_and_comes_back_as_what_it_is(desk):
    content = files.pdf()
    digest = hashlib.sha256(content).hexdigest()
    async with desk.signed_in("an", OFFICER) as browser:
        form = await browser.get("/tep")
        assert 'enctype="multipart/form-data"' in form.text
        page = await send(browser, content, "..\\..\\Báo cáo\u202efdp.exe")
        assert (page.status_code, heading(page)) == (201, TEXTS["done"])
        address = UploadAddress(digest, "Báo-cáofdp.pdf")
        assert PORTAL_URL + address.path in page.text
        answer = await browser.get(address.path)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "inline"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" not in policy, "viewers show it"


@pytest.mark.parametrize(
    ("content", "ending", "shown"),
    [(files.picture(), ".png", "inline"), (files.office(), ".docx", "attachment")],
)
async def test_a_script_is_told_the_address(desk, content, ending, shown):
    async with desk.signed_in("an", OFFICER) as browser:
        answer = await send(browser, content, "Ảnh bìa.html", JSON)
        assert answer.status_code == 201
        told = answer.json()
        assert told["name"] == f"Ảnh-bìa{ending}" and told["url"] == PORTAL_URL + told["path"]
        served = await browser.get(told["path"])
        assert served.headers["content-disposition"] == shown
        assert "; sandbox;" in served.headers["content-security-policy"]
        assert int(served.headers["content-length"]) == told["size"] == len(served.content)


async def test_an_upload_is_in_the_audit_log(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        told = (await send(browser, files.pdf(), headers=JSON)).json()
    account = await desk.accounts.require("an")
    records = [parse_record(one) async for one in AuditLog(desk.bus, desk.clock).messages()]
    steps = [(one.step, one.actor) for one in records if one.action == "file.upload"]
    assert steps == [("intent", account.id), ("done", account.id)]
    assert told["path"].split("/")[2] in {one.object for one in records}


async def test_a_refused_file_is_refused_by_name(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        page = await send(browser, b"<svg><script>alert(1)</script></svg>", "a.png")
        assert page.status_code == 422 and "SVG" in page.text
        answer = await send(browser, files.PROGRAM, "a.pdf", JSON)
        assert answer.status_code == 422 and "chương trình" in answer.json()["error"]
        nothing = await send(browser, b"", "")
        assert nothing.status_code == 422 and TEXTS["missing"] in nothing.text
    assert await desk.bus.count_by_subject("OBJ_uploads") == {}


async def test_a_file_that_is_too_large_is_refused_on_its_form(desk, monkeypatch):
    monkeypatch.setattr(file_forms, "FILE_MAX", 1 << 17)
    said = TEXTS["too_large"].format(FILE_MAX_MB)
    async with desk.signed_in("an", OFFICER) as browser:
        page = await send(browser, bytes((1 << 17) + 1))
        assert (page.status_code, heading(page)) == (413, TEXTS["title"])
        assert said in page.text and 'action="/tep"' in page.text
        told = await send(browser, bytes(1 << 18), headers=JSON)
        assert (told.status_code, told.json()) == (413, {"error": said})
    assert await desk.bus.count_by_subject("OBJ_uploads") == {}


async def test_what_is_far_too_large_is_not_read(desk, monkeypatch):
    monkeypatch.setattr(file_forms, "_DISCARDED_MAX", 1 << 17)
    title, said = TITLES["file_too_large"]["title"], TITLES["file_too_large"]["paragraphs"]
    async with desk.signed_in("an", OFFICER) as browser:
        page = await send(browser, bytes(1 << 20))
        assert (page.status_code, heading(page)) == (413, title)
        assert 'href="/tep"' in page.text, "the way back"
        told = await send(browser, bytes(1 << 20), headers=JSON)
        assert (told.status_code, told.json()["error"]) == (413, " ".join(said))
        headers = browser.headers | {"Content-Type": "multipart/form-data; boundary=a"}

        async def endless():
            while True:
                yield bytes(4096)

        cut = await browser.client.post("/tep", content=endless(), headers=headers)
        assert cut.status_code in (400, 413)


async def test_an_account_uploads_so_many_bytes_an_hour(desk, monkeypatch):
    monkeypatch.setattr("producers.desk.items.uploads._LEAST_MB", 200.0)
    async with desk.signed_in("an", OFFICER) as browser:
        assert [(await send(browser, files.pdf())).status_code for _ in range(2)] == [201, 201]
        page = await send(browser, files.pdf())
        assert (page.status_code, heading(page)) == (429, TEXTS["title"])
        assert TOO_MANY in page.text and 'action="/tep"' in page.text
        assert 0 < int(page.headers["Retry-After"]) <= 3600
        told = await send(browser, files.picture(), headers=JSON)
        assert told.status_code == 429 and TOO_MANY in told.json()["error"]
        assert 0 < int(told.headers["Retry-After"]) <= 3600
    assert len(await desk.bus.count_by_subject("OBJ_uploads")) > 0
    async with desk.signed_in("binh", OFFICER) as browser:
        assert (await send(browser, files.pdf())).status_code == 201, "another account"


async def test_an_account_uploads_few_files_at_once(desk, monkeypatch):
    monkeypatch.setattr("producers.pages.file_slots._PATIENCE_S", 0.05)
    service, held, reached = desk.services.uploads, asyncio.Event(), asyncio.Semaphore(0)
    add = service.add

    async def slow(*given):
        reached.release()
        await held.wait()
        return await add(*given)

    monkeypatch.setattr(service, "add", slow)
    async with desk.signed_in("an", OFFICER) as one, desk.signed_in("binh", OFFICER) as two:
        senders = [one, one, one, two]
        sent = [asyncio.create_task(send(browser, files.pdf())) for browser in senders]
        for _ in sent:
            await reached.acquire()
        page = await send(one, files.pdf())
        told = await send(one, files.pdf(), headers=JSON)
        assert (page.status_code, told.status_code) == (429, 429)
        assert TOO_MANY in page.text and TOO_MANY in told.json()["error"]
        assert page.headers["Retry-After"] == told.headers["Retry-After"] == "60"
        held.set()
        assert [answer.status_code for answer in await asyncio.gather(*sent)] == [201] * 4
        assert (await send(one, files.pdf())).status_code == 201


async def test_a_form_without_a_file_is_not_called_one(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.post("/soan-moi", **TEXT | {"body": "x" * (7 << 20)})
    assert (page.status_code, heading(page)) == (413, TITLES["too_large"]["title"])


async def test_a_file_takes_a_seal_a_session_and_a_role(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        other = form_seal(SEAL_KEY, browser.token, "/dang-xuat")
        for seal in ("", "0" * 64, other):
            refused = await send(browser, files.pdf(), seal=seal)
            assert (refused.status_code, heading(refused)) == (403, TITLES["foreign"]["title"])
        far = await send(browser, files.pdf(), headers={"Origin": "https://a.example"})
        assert far.status_code == 403
        urlencoded = await browser.post("/tep", tep="a")
        assert urlencoded.status_code == 415
    async with desk.signed_in("binh", APPROVER) as browser:
        refused = await send(browser, files.pdf())
        assert (refused.status_code, heading(refused)) == (403, TITLES["not_allowed"]["title"])
    async with desk.browser() as browser:
        assert (await send(browser, files.pdf())).status_code == 403


async def test_nothing_is_served_under_another_name_or_type(desk):
    async with desk.signed_in("an", OFFICER) as browser:
        told = (await send(browser, files.pdf(), "a.pdf", JSON)).json()
        folder = told["path"].rpartition("/")[0]
        for name in ("a.html", "a.svg", "..%2fa.pdf", "a", ".pdf", "a%00.pdf", "A .pdf"):
            assert (await browser.get(f"{folder}/{name}")).status_code == 404, name
        assert (await browser.get("/tep/" + "0" * 64 + "/a.pdf")).status_code == 404
        sheet = (await send(browser, files.office("xlsx"), headers=JSON)).json()["path"]
        for kept in (told["path"], sheet):
            folder, ending = kept.rpartition("/")[0], PurePosixPath(kept).suffix
            served = {
                one for one in MEDIA_TYPES
                if (await browser.get(f"{folder}/x{one}")).status_code == 200
            }  # fmt: skip
            assert served == {ending}
    async with desk.browser() as browser:
        assert (await browser.get(told["path"])).headers["location"].startswith("/dang-nhap")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--a\r\n",
        b"--a\r\nContent-Disposition: form-data\r\n\r\nx\r\n--a--\r\n",
        b'--a\r\nContent-Disposition: form-data; name="tep"; filename="x"\r\n\r\nx',
        b'--a\r\nContent-Disposition: form-data; name="s"\r\n\r\n'
        + b"x" * 99_000
        + b"\r\n--a--\r\n",
        b'--a\r\nContent-Disposition: form-data; name="tep"; filename="x"\r\n\r\n\r\n' * 3
        + b"--a--",
        b'--a\r\nContent-Disposition: form-data; name="s"\r\n\r\n\r\n' * 99 + b"--a--\r\n",
        b"--a\r\nContent-Disposition: form-data; name=" + b"x" * 99_000,
    ],
)
async def test_a_malformed_form_is_refused(desk, body):
    async with desk.signed_in("an", OFFICER) as browser:
        headers = browser.headers | {"Content-Type": "multipart/form-data; boundary=a"}
        answer = await browser.client.post("/tep", content=body, headers=headers)
        assert answer.status_code in (400, 403, 413)


class FakeScanner:
    """Answers of clamd to INSTREAM, and the bytes that it was shown."""

    def __init__(self, reply: bytes) -> None:
        self.reply, self.shown = reply, b""

    async def serve(self, reader, writer) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        while size := struct.unpack(">I", await reader.readexactly(4))[0]:
            self.shown += await reader.readexactly(size)
        writer.write(self.reply)
        writer.close()


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        (b"stream: OK\0", 201, ""),
        (b"stream: Eicar-Signature FOUND\0", 422, "Eicar-Signature"),
        (b"INSTREAM size limit exceeded. ERROR\0", 503, "thử lại"),
        (b"", 503, "thử lại"),
    ],
)
async def test_a_scanner_sees_each_file_first(bus, clock, tmp_path, reply, status, told):
    scanner, content = FakeScanner(reply), files.pdf()
    server = await asyncio.start_unix_server(scanner.serve, tmp_path / "clamd")
    async with server:
        desk = DeskApp(bus, clock, scanner=Clamd(f"unix:{tmp_path / 'clamd'}"))
        async with desk.signed_in("an", OFFICER) as browser:
            answer = await send(browser, content, headers=JSON)
    assert answer.status_code == status and told in answer.text
    assert scanner.shown == content
    assert bool(await bus.count_by_subject("OBJ_uploads")) is (status == 201)


async def test_a_slow_scanner_holds_up_no_other_file(bus, clock, tmp_path):
    all_shown = asyncio.Barrier(3)

    class SlowScanner(FakeScanner):
        async def serve(self, reader, writer) -> None:
            await all_shown.wait()
            await super().serve(reader, writer)

    server = await asyncio.start_unix_server(SlowScanner(b"stream: OK\0").serve, tmp_path / "clamd")
    async with server:
        scanner = Clamd(f"unix:{tmp_path / 'clamd'}", timeout_s=10)
        desk = DeskApp(bus, clock, scanner=scanner)
        async with desk.signed_in("an", OFFICER) as browser:
            sent = (send(browser, files.pdf(), headers=JSON) for _ in range(all_shown.parties))
            answers = await asyncio.gather(*sent)
    assert [one.status_code for one in answers] == [201] * all_shown.parties


async def test_without_its_scanner_no_file_is_kept(bus, clock, tmp_path):
    for url in (f"unix:{tmp_path / 'none'}", "tcp://127.0.0.1:1"):
        desk = DeskApp(bus, clock, scanner=Clamd(url))
        async with desk.signed_in(f"an{len(url)}", OFFICER) as browser:
            answer = await send(browser, files.pdf())
        assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert await bus.count_by_subject("OBJ_uploads") == {}


async def test_a_file_is_found_in_a_text():
    hash = "ab" * 32
    own = f"{PORTAL_URL}/tep/{hash}/B%C3%A1o-c%C3%A1o.pdf"
    found = uploads.named_in([f"[a]({own}) ![b](/tep/{hash}/x.png)", own, f"/tep/{hash}/a.html"])
    assert [one.name for one in found] == ["Báo-cáo.pdf", "x.png"]
    assert found[0].path == own.removeprefix(PORTAL_URL)
    assert parse_address(hash, "../x.png") is None and parse_address("../x", "x.png") is None
    assert re.fullmatch(r"[\x21-\x7e]+", found[0].path) and OWN_HEADERS


async def test_a_text_that_names_a_file_that_is_not_kept_does_not_go_on(desk):
    async with open_newsroom(desk) as newsroom:
        told = (await send(newsroom["an"], files.pdf(), headers=JSON)).json()
        missing = f"/tep/{'a' * 64}/a.pdf"
        path = await newsroom.written(body=f"Xem [tệp]({missing}).")
        refused = await newsroom["an"].press(path, f"{path}/gui")
        assert refused.status_code == 422 and missing in refused.text
        other = told["path"].replace(".pdf", ".docx")
        for address in (missing, other):
            [error] = await missing_uploads(ObjectStore(desk.bus), {"cover": {"url": address}})
            assert error.field == "data.cover"
        path = await newsroom.written(body=f"Xem [tệp]({told['path']}).", title="Có tệp")
        await newsroom.press("an", path, "gui")
        await newsroom.press("binh", path, "xac-nhan", clean="1")
        await newsroom.press("chi", path, "trinh", clean="1")
        store = ObjectStore(desk.bus)
        kept = await store.find(told["path"].split("/")[2])
        await store.delete(kept)
        refused = await newsroom["dung"].press(path, f"{path}/duyet")
        assert refused.status_code == 422 and told["path"] in refused.text


async def test_the_portal_gets_a_file_under_its_own_ending_alone(desk):
    content = files.office()
    async with desk.signed_in("an", OFFICER) as browser:
        told = (await send(browser, content, headers=JSON)).json()
    source, hash = PublicUploads(desk.bus), told["path"].split("/")[2]

    async def read(ending: str) -> bytes:
        return b"".join([one async for one in source.read(UploadAddress(hash, "b" + ending))])

    assert [one for one in MEDIA_TYPES if await read(one)] == [".docx"]
    assert await read(".docx") == content


async def test_the_checks_beside_a_text_name_a_file_that_is_not_kept(desk):
    missing = f"/tep/{'a' * 64}/a.pdf"
    async with desk.signed_in("an", OFFICER) as browser:
        typed = TEXT | {"body": f"Xem [tệp]({missing})."}
        done = await browser.post("/soan/-/kiem-tra", **typed)
        page = await browser.get(done.headers["location"])
    assert editor_texts()["check"]["upload_missing"].format(place=missing) in page.text
