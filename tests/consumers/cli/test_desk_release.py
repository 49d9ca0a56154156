"""`loa desk`: uploads, change of the time, dry run and test send, as the pages do them."""

import pytest

from contracts import subjects
from tests.consumers.cli.test_desk_acts import TEXT, done
from tests.consumers.cli.test_staff import intake, people
from tests.support import uploaded_files as files
from tests.support.cli import json_output
from tests.support.events import ITEM, UNIT, submitted

__all__ = ["intake", "people"]
OFFICER = "nguoi-gui-tin"


@pytest.fixture
async def officer(people):
    return await people("an", OFFICER, name="Lê An")


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "Quyết định.pdf"
    path.write_bytes(files.pdf())
    return path


async def test_a_file_is_kept_and_named_by_the_items_text(officer, intake, pdf, tmp_path):
    picture = tmp_path / "bia.png"
    picture.write_bytes(files.picture())
    alone = await done(officer, "upload", pdf)
    assert (alone["media_type"], alone["item"]) == ("application/pdf", None)
    assert alone["size"] == pdf.stat().st_size and alone["url"].endswith(alone["path"])
    written = await done(officer, "write", "-", stdin=TEXT)
    item, hash = written["content_id"], written["hash"]
    words = ("upload", picture, "--item", item, "--cover", "Lễ trao quyết định")
    assert (await officer("desk", *words)).exit_code == 2, "no text is named"
    cover = await done(officer, *words, "--hash", hash)
    words = ("upload", pdf, "--item", item, "--attachment", "Quyết định")
    stale = await officer("desk", *words, "--hash", hash)
    assert stale.exit_code == 2 and "changed" in stale.stderr
    await done(officer, *words, "--hash", cover["item"]["hash"])
    data = (await done(officer, "show", item))["data"]
    assert data["cover"] == {"url": cover["url"], "alt": "Lễ trao quyết định"}
    [entry] = data["attachments"]
    assert entry == entry_of(alone, "Quyết định") and data["title"] in TEXT
    words = ("write", "-", "--item", item, "--hash")
    renamed = TEXT.replace("title = ", 'attachments = []\ntitle = "Tên khác"\n# title = ')
    hash = (await done(officer, "show", item))["hash"]
    await done(officer, *words, hash, stdin=renamed)
    data = (await done(officer, "show", item))["data"]
    assert (data["title"], data["cover"]["url"]) == ("Tên khác", cover["url"])
    assert "attachments" not in data, "an empty field is removed"
    assert picture.stat().st_size and pdf.exists(), "the files themselves stay"


def entry_of(upload: dict, title: str) -> dict:
    named = {name: upload[name] for name in ("url", "media_type", "size")}
    return {**named, "title": title}


async def test_an_upload_is_refused_by_role_and_by_content(people, officer, pdf, tmp_path, bus):
    other = await people("binh", "quan-tri-kenh")
    refused = await other("desk", "upload", pdf)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    program = tmp_path / "a.pdf"
    program.write_bytes(files.PROGRAM)
    hostile = await officer("desk", "upload", program)
    assert hostile.exit_code == 2 and "chương trình" in hostile.stderr
    assert await bus.count_by_subject("OBJ_uploads") == {}
    await done(officer, "upload", pdf)
    told = json_output(await officer.loa("audit", "list", "--by", "X", "--json"))
    account = json_output(await officer("whoami", "--json"))["id"]
    steps = [one["actor"] for one in told if one["action"] == "file.upload"]
    assert steps[-2:] == [account, account]


async def test_a_time_is_changed_by_whom_the_text_waits_for(people, officer, intake):
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    written = await done(officer, "write", "-", stdin=TEXT)
    item = written["content_id"]
    for words in ((), ("--at", "2027-02-01T08:00", "--now")):
        assert (await officer("desk", "reschedule", item, *words)).exit_code == 2
    words = ("--at", "2027-02-01T08:00", "--hash", written["hash"])
    moved = await done(officer, "reschedule", item, *words)
    assert moved["status"] == "draft" and moved["hash"] != written["hash"]
    data = (await done(officer, "show", item))["data"]
    assert data["not_before"] == "2027-02-01T08:00:00+07:00"
    assert "08:00" in (await done(officer, "history", item))[-1]["note"], "as the page notes it"
    now = ("reschedule", item, "--now", "--hash", moved["hash"])
    await done(officer, "submit", item, "--hash", moved["hash"])
    await done(leader, "confirm", item, "--hash", moved["hash"], "--clean")
    refused = await officer("desk", *now)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    editor = await people("chi", "bien-tap-vien", name="Vũ Chi")
    stale = await editor("desk", "reschedule", item, "--now", "--hash", written["hash"])
    assert stale.exit_code == 2
    edited = await done(editor, *now)
    assert edited["status"] == "in_edit"
    assert "not_before" not in (await done(editor, "show", item))["data"]


async def test_lists_are_those_of_the_pages(people, officer, intake):
    """By status, by words without their marks, by the calendar, and what waits for a person."""
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    draft = (await done(officer, "write", "-", stdin=TEXT))["content_id"]
    sent = TEXT.replace("Hướng dẫn nộp", "Kế hoạch tiếp nhận")
    written = await done(officer, "write", "-", stdin=sent)
    sent = written["content_id"]
    await done(officer, "submit", sent, "--hash", written["hash"])

    async def listed(person, *words):
        return {one["content_id"] for one in await done(person, "list", *words)}

    assert await listed(officer, "--status", "draft") == {draft}
    assert await listed(officer, "--status", "draft", "--status", "submitted") == {draft, sent}
    assert await listed(officer, "--words", "ke hoach") == {sent}
    assert await listed(leader, "--mine") == {sent} and await listed(officer, "--mine") == set()
    calendar = ("--from", "2027-01-01", "--until", "2027-01-02", "--status", "scheduled")
    assert await listed(officer, *calendar) == set()
    cut = await officer("desk", "list", "--status", "draft", "--status", "submitted", "--limit", 1)
    assert cut.exit_code == 0 and "--limit" in cut.stderr
    stranger = await people("chi", "quan-tri-kenh")
    assert (await stranger("desk", "list", "--status", "draft")).exit_code == 2


async def test_a_dry_run_counts_readers_and_sends_nothing(people, intake, loa, tmp_path):
    readers = tmp_path / "readers.csv"
    lines = ["n1@example.com,A,,,,", "n2@example.com,A,viec-lam,,,", "n3@example.com,A,,,,daily"]
    readers.write_text("\n".join(["email,name,topics,audiences,units,frequency", *lines]))
    assert (await loa("subscribers", "import", readers)).exit_code == 0
    await intake.handle(submitted(channels=["email", "portal"]), UNIT)
    editor = await people("chi", "bien-tap-vien")
    run = await done(editor, "dry-run", ITEM)
    mail = run["mail"]
    assert (mail["readers"], mail["other_choices"], mail["daily"]) == (3, 1, 1)
    assert (mail["matching"], mail["planned"], mail["sent"]) == (1, 1, 1)
    assert {one["step"] for one in run["timing"]["departures"]} == {"email", "portal"}
    assert (run["state"], run["needs_second"], run["zalo"]["rows"]) == ("waiting", False, [])
    shown = (await editor("desk", "dry-run", ITEM)).stdout
    assert "sẽ được gửi thư" in shown and "are sent a mail" in shown
    assert not list(tmp_path.glob("directory.sqlite*")), "no copy of the readers is left"
    assert await intake.bus.count_by_subject(subjects.DELIVER.name) == {}
    operator = await people("dung", "quan-tri-kenh")
    refused = await operator("desk", "dry-run", ITEM)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr


async def test_a_test_mail_goes_once_to_the_persons_own_address(people, intake, monkeypatch):
    await intake.handle(submitted(channels=["email"]), UNIT)
    editor = await people("chi", "bien-tap-vien")
    refused = await editor("desk", "test-send", ITEM)
    assert refused.exit_code == 2 and "no mail address" in refused.stderr
    assert (await editor("staff", "mail", "--address", "chi@example.com")).exit_code == 0
    monkeypatch.setattr("consumers.cli.desk_release._minute", lambda: 1)
    for _ in range(2):
        assert (await done(editor, "test-send", ITEM))["sent"]
    assert len(await intake.bus.bucket(subjects.NOTICES.name).keys()) == 1
    assert (await editor("desk", "test-send", "khong-co")).exit_code == 2
