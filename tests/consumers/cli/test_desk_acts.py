"""`loa desk`: every act of the desk's pages at the command line, as a named account."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from consumers.desk.index import INDEX_FILE
from consumers.desk.text_file import read_text_file
from consumers.staff.accounts import AccountStore
from contracts import subjects
from contracts.base import crash_points
from contracts.errors import Invalid
from contracts.text.moments import VIETNAM
from tests.consumers.cli.test_staff import APPROVER, Terminal, account_id, intake, people
from tests.support.cli import json_output
from tests.support.events import UNIT, carry_out_acts, released_publications
from tests.support.interruptions import an_interruption

__all__ = ["intake", "people"]
TEXT = """\
+++
title = "Hướng dẫn nộp hồ sơ trực tuyến"
topic = "cai-cach-hanh-chinh"
channels = ["portal", "email"]
not_before = 2027-01-01T08:00:00+07:00
+++
Đoạn một.

Đoạn hai.
"""
CHANGED = TEXT.replace("Đoạn hai", "Đoạn hai, đã sửa")


async def done(terminal: Terminal, *words: str, stdin: str = "") -> dict:
    run = await terminal("desk", *words, "--json", stdin=stdin)
    assert run.exit_code == 0, run.stderr
    return json_output(run)


async def test_trace_tells_of_a_draft_who_may_read_it_and_no_other(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    other = await people("binh", "nguoi-gui-tin", name="Trần Bình")
    item = (await done(officer, "write", "-", stdin=TEXT))["content_id"]
    told, hidden = await officer("trace", item), await other("trace", item)
    assert (told.exit_code, hidden.exit_code) == (2, 2)
    assert "Lê An" in told.stderr and f"`loa desk show {item}`" in told.stderr
    assert "Lê An" not in hidden.stderr and "is not known" in hidden.stderr
    listed = await officer("desk", "list", "--status", "draft")
    assert "Lê An" in listed.stdout, "who wrote it, where no author is named"


async def test_an_index_of_another_version_is_left_to_the_process_that_keeps_it(people):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    await done(officer, "write", "-", stdin=TEXT)
    file = Path(officer.loa.environ["LOA_DATA_DIR"]) / "desk" / INDEX_FILE
    file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as other:
        other.executescript(
            "CREATE TABLE meta (name TEXT, value TEXT); INSERT INTO meta VALUES ('format', '1 x')"
        )
    before = file.read_bytes()
    assert "Lê An" in (await officer("desk", "list", "--status", "draft")).stdout
    assert file.read_bytes() == before


async def test_a_text_goes_from_officer_to_readers_by_commands(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    editor = await people("chi", "bien-tap-vien", name="Vũ Chi")
    approver = await people("dung", APPROVER, name="Đỗ Dung")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, hash = written["content_id"], written["hash"]
    assert (written["status"], item) == ("draft", item)
    assert (await done(officer, "write", "-", stdin=TEXT))["content_id"] == item, "a repeat"
    assert (await done(officer, "show", item))["data"]["body"] == "Đoạn một.\n\nĐoạn hai."
    read = ("--hash", hash)
    assert (await done(officer, "submit", item, *read))["status"] == "submitted"
    sent_back = await done(leader, "return", item, "--reason", "Thiếu căn cứ", *read)
    assert sent_back["status"] == "returned"
    own = await officer("desk", "write", "-", "--item", item, stdin=CHANGED)
    assert own.exit_code == 2 and f"--hash {hash}" in own.stderr, "what was read is named"
    changed = await done(officer, "write", "-", "--item", item, "--hash", hash, stdin=CHANGED)
    await done(officer, "submit", item, "--hash", changed["hash"])
    words = ("confirm", item, "--hash", changed["hash"])
    assert (await leader("desk", *words)).exit_code == 2, "without the promise"
    assert (await done(leader, *words, "--clean"))["status"] == "unit_confirmed"
    stale = await editor("desk", "write", "-", "--item", item, "--hash", hash, "--edit", stdin=TEXT)
    assert stale.exit_code == 2 and "changed" in stale.stderr
    edited = CHANGED.replace("2027-01-01", "2026-01-01")
    words = ("write", "-", "--item", item, "--hash", changed["hash"], "--edit")
    newest = await done(editor, *words, stdin=edited)
    assert newest["status"] == "in_edit"
    read = ("--hash", newest["hash"])
    await done(editor, "comment", item, "Xem lại tiêu đề", "--paragraph", "1", *read)
    await done(editor, "propose", item, *read, "--clean")
    [listed] = await done(approver, "list")
    assert (listed["content_id"], listed["status"]) == (item, "pending_approval")
    approved = await approver.say("desk", "approve", item, "--hash", newest["hash"])
    assert approved.exit_code == 0, approved.stderr
    assert len(await released_publications(intake.bus, item)) == 1
    kinds = [one["kind"] for one in await done(editor, "history", item)]
    told = (await editor("desk", "history", item)).stdout
    assert "propose / trình duyệt" in told and "editor / Biên tập viên" in told
    assert "rule" not in told.partition("\n")[0], "no column without a value"
    assert kinds[:4] == ["save", "submit", "return", "save"]
    assert kinds[-5:] == ["comment", "propose", "approve", "schedule", "publish"]
    assert (await done(officer, "show", item))["status"] == "published"
    assert [one["content_id"] for one in await done(officer, "list", "--status", "published")]


async def test_a_draft_is_given_up_by_who_wrote_it_alone(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    editor = await people("chi", "bien-tap-vien", name="Vũ Chi")
    written = await done(officer, "write", "-", stdin=TEXT)
    words = ("discard", item := written["content_id"], "--hash", written["hash"])
    assert (await editor("desk", *words)).exit_code != 0
    assert (await done(officer, *words))["status"] == "rejected"
    assert [one["kind"] for one in await done(officer, "history", item)][-1] == "settle"


async def test_who_may_not_do_an_act_is_refused_with_the_reason(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, read = written["content_id"], ("--hash", written["hash"])
    await done(officer, "submit", item, *read)
    refused = await officer("desk", "return", item, "--reason", "x", *read)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    other = await officer("desk", "write", "-", "--unit", "vu-phap-che", stdin=TEXT)
    assert other.exit_code == 2 and "one's own unit" in other.stderr
    urgent = TEXT.replace("topic =", 'lane = "urgent"\ntopic =')
    item = (await done(officer, "write", "-", "--unit", UNIT, stdin=urgent))["content_id"]
    assert (await officer("desk", "history", item, "--json")).exit_code == 0
    for words in (("history", "khong-co"), ("submit", "khong-co", *read), ("approve", "khong-co")):
        unknown = await officer("desk", *words)
        assert unknown.exit_code == 2 and "khong-co" in unknown.stderr


@contextmanager
def just_before_an_act_is_stored(work: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """Another process does *work* after the command has asked for the right."""
    loop = asyncio.get_running_loop()

    def do(point: str) -> None:
        if point == "editorial.decided":
            asyncio.run_coroutine_threadsafe(work(), loop).result(timeout=10)

    crash_points.arm(do)
    try:
        yield
    finally:
        crash_points.arm(None)


@pytest.mark.parametrize("act", ["write", "submit"])
async def test_a_right_that_is_lost_before_the_act_is_stored_does_nothing(
    people, intake, clock, act
):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    words = ("write", "-")
    if act == "submit":
        written = await done(officer, *words, stdin=TEXT)
        words = ("submit", written["content_id"], "--hash", written["hash"])
    before = (await intake.bus.stream_info(subjects.EDITORIAL.name))["state"]["messages"]
    accounts, id = AccountStore(intake.bus, clock), await account_id(officer)
    with just_before_an_act_is_stored(lambda: accounts.set_grants(id, ())):
        refused = await officer("desk", *words, stdin=TEXT)
    assert refused.exit_code == 2 and "no role of the account" in refused.stderr
    stored = (await intake.bus.stream_info(subjects.EDITORIAL.name))["state"]["messages"]
    assert stored == before


async def test_what_an_editor_made_urgent_takes_two_approvers(people, intake):
    """The text in the log decides, not the record of what the unit had sent."""
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    editor = await people("chi", "bien-tap-vien", name="Vũ Chi")
    approver = await people("dung", APPROVER, name="Đỗ Dung")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, hash = written["content_id"], written["hash"]
    await done(officer, "submit", item, "--hash", hash)
    await done(leader, "confirm", item, "--hash", hash, "--clean")
    urgent = TEXT.replace("topic =", 'lane = "urgent"\ntopic =')
    words = ("write", "-", "--item", item, "--hash", hash, "--edit")
    hash = (await done(editor, *words, stdin=urgent))["hash"]
    await done(editor, "propose", item, "--hash", hash, "--clean")
    first = await approver.say("desk", "approve", item, "--hash", hash)
    assert first.exit_code == 2 and "second account" in first.stderr
    assert await released_publications(intake.bus, item) == []
    [half] = [one for one in await done(editor, "history", item) if one["is_agreement"]]
    assert (half["kind"], half["who"]) == ("approve", "Đỗ Dung")
    second = await people("giang", APPROVER, name="Hà Giang")
    for _ in range(2):  # the second time its answer was lost
        approved = await second.say("desk", "approve", item, "--hash", hash)
        assert approved.exit_code == 0, approved.stderr
    assert len(await released_publications(intake.bus, item)) == 1
    approvals = [one for one in await done(editor, "history", item) if one["kind"] == "approve"]
    assert approvals[0]["at"] == half["at"], "it keeps its time"
    assert [one["who"] for one in approvals] == ["Đỗ Dung", "Hà Giang"]


async def test_a_name_in_place_of_an_account_is_on_record(people, intake, loa):
    await people("an", "nguoi-gui-tin", name="Lê An")
    refused = await loa("desk", "write", "-", "--unit", UNIT, stdin=TEXT, XDG_STATE_HOME="/none")
    assert refused.exit_code == 2 and "loa login" in refused.stderr
    words = ("desk", "write", "-", "--unit", UNIT, "--by", "Lê Văn Cường", "--json")
    assert (await loa(*words, stdin=TEXT)).exit_code == 0
    records = json_output(await loa("audit", "list", "--by", "X", "--json"))
    assert ("desk.save", "Lê Văn Cường") in {(one["action"], one["actor"]) for one in records}


@pytest.mark.parametrize(
    ("fields", "line"), [('title = "Tin', 2), ('topic = "a"\ntitle = "Tin', 3), ("a = \nb = 1", 2)]
)
def test_a_mistake_in_the_fields_before_markdown_is_named_by_its_line(fields, line):
    with pytest.raises(Invalid) as refused:
        read_text_file(f"+++\n{fields}\n+++\nNội dung.".encode())
    [error] = refused.value.errors
    assert error.message.startswith(f"line {line}: ")
    assert error.message_vi.startswith(f"dòng {line}: ") and "string" not in error.message_vi


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"no fields", b"+++\ntitle = \n+++\nx", b"+++\ntitle = 'x'\n"]
)
def test_a_file_that_is_no_text_is_refused(content):
    with pytest.raises(Invalid) as refused:
        read_text_file(content)
    assert refused.value.errors[0].field == "file"


async def test_a_command_that_is_repeated_is_one_act(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, hash = written["content_id"], written["hash"]

    async def twice(person, act, *words, hash, stdin=""):
        options = (*words, "--hash", hash)
        first, again = [await done(person, act, *options, stdin=stdin) for _ in range(2)]
        assert first == again
        return first

    changed = await twice(
        *(officer, "write", "-", "--item", item), hash=hash, stdin=TEXT + "\nThêm."
    )
    words = ("reschedule", item, "--at", "2027-02-01T08:00")
    hash = (await twice(officer, *words, hash=changed["hash"]))["hash"]
    await twice(officer, "comment", item, "Xem lại số văn bản", hash=hash)
    await twice(officer, "submit", item, hash=hash)
    kinds = [one["kind"] for one in await done(officer, "history", item)]
    assert kinds == ["save", "save", "save", "comment", "submit"]
    for _ in range(2):
        await twice(leader, "return", item, "--reason", "Thiếu căn cứ", hash=hash)
        await done(officer, "submit", item, "--hash", hash)
    kinds = [one["kind"] for one in await done(officer, "history", item)]
    assert kinds[5:] == ["return", "submit"] * 2


async def test_a_late_interruption_is_refused_where_it_is_sent_and_checked_before(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    begins = datetime.now(VIETNAM).replace(microsecond=0) + timedelta(days=1)
    facts = "\n".join(f"{name} = {value!r}" for name, value in an_interruption(begins).items())
    table = f"[interruption]\n{facts}\n+++\nĐoạn một."
    written = await done(officer, "write", "-", stdin=TEXT.partition("+++\nĐoạn")[0] + table)
    found = (await done(officer, "check", written["content_id"]))["found"]
    [late] = [one for one in found if one["code"] == "interruption"]
    assert late["field"] == "interruption.begins_at"
    words = ("submit", written["content_id"], "--hash", written["hash"])
    refused = await officer("desk", *words)
    assert refused.exit_code == 2 and "data.interruption.begins_at" in refused.stderr


async def test_why_a_text_went_back_is_for_who_may_read_drafts(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    leader = await people("binh", "lanh-dao-don-vi", name="Trần Bình")
    operator = await people("giang", "quan-tri-kenh", name="Hồ Giang")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, read = written["content_id"], ("--hash", written["hash"])
    await done(officer, "submit", item, *read)
    await carry_out_acts(intake, item)
    await done(leader, "return", item, "--reason", "Thiếu căn cứ", *read)
    for words in (("trace", item), ("items", "list", "--held")):
        told = [(await person(*words)).stdout for person in (leader, operator)]
        assert all("Trần Bình" in one for one in told), words
        assert ["Thiếu căn cứ" in one for one in told] == [True, False], words


async def test_no_act_falls_on_a_text_that_was_not_read(people, intake):
    officer = await people("an", "nguoi-gui-tin", name="Lê An")
    written = await done(officer, "write", "-", stdin=TEXT)
    item, read = written["content_id"], ("--hash", written["hash"])
    await done(officer, "write", "-", "--item", item, *read, stdin=CHANGED)
    for words in (
        ("submit", item),
        ("return", item, "--reason", "x"),
        ("discard", item),
        ("comment", item, "x"),
        ("reject", item, "--code", "trung-lap"),
        ("reschedule", item, "--now"),
    ):
        unnamed = await officer("desk", *words)
        assert unnamed.exit_code == 2 and "name the text that you have read" in unnamed.stderr
        assert (await officer("desk", *words, *read)).exit_code == 2, "another one is there by now"
    assert [one["kind"] for one in await done(officer, "history", item)] == ["save", "save"]
