"""The log on the desk: search over both logs, one entry, the proof, and export with a reason."""

import asyncio
import csv
import html
import io
import json
import re
from datetime import timedelta

import pytest

from consumers.audit.log import Act, AuditLog
from contracts import subjects
from contracts.base.times import utc_now
from contracts.editorial import ActionKind
from producers.desk.rendering import desk_texts
from tests.producers.desk.test_audit import recorded
from tests.support.desk_app import heading
from tests.support.repository import ROOT

PAGE, PROOF, EXPORT = "/nhat-ky", "/nhat-ky/doi-chieu", "/nhat-ky/trich-xuat"
AUDITOR = "kiem-tra-doc-lap"
TEXTS = desk_texts()["log"]
_ENTRY = re.compile(r'href="/nhat-ky/(kiem-toan|bien-tap)/(\d+)"')


def entries(page) -> list[tuple[str, int]]:
    return [(log, int(n)) for log, n in _ENTRY.findall(page.text)]


async def act(desk, **facts) -> int:
    """An act a second later; returns its number."""
    desk.clock.advance(1)
    return await AuditLog(desk.bus, desk.clock).record(Act(**facts))


async def add_item_act(desk, content_id="tb-1", kind="receive", by="van-phong-bo") -> int:
    """An act on an item, as the editorial log stores it; the page only shows what is there."""
    desk.clock.advance(1)
    body = {
        "id": f"{content_id}-{kind}",
        "at": utc_now(desk.clock).isoformat(),
        "by": by,
        "role": "unit-system",
        "kind": kind,
        "revision": 1,
        "hash": "0" * 64,
        "note": "ghi chú",
    }
    ack = await desk.bus.publish(subjects.editorial(content_id), json.dumps(body).encode())
    return ack.seq


async def test_both_logs_are_one_list_newest_first(desk):
    async with desk.signed_in("an", AUDITOR) as browser:
        first = await act(desk, action="backup", actor="root")
        item = await add_item_act(desk)
        last = await act(desk, action="channel.pause", object="zalo", reason="bảo trì")
        page = await browser.get(PAGE)
        assert entries(page)[:3] == [("kiem-toan", last), ("bien-tap", item), ("kiem-toan", first)]
        assert "bảo trì" in page.text and "tạm dừng kênh" in page.text
        one = await browser.get(f"{PAGE}/bien-tap/{item}")
        assert "tb-1" in one.text and "ghi chú" in one.text and heading(one)
        assert (await browser.get(f"{PAGE}/kiem-toan/{last + 99}")).status_code == 404
        assert (await browser.get(f"{PAGE}/khac/1")).status_code == 404


async def test_a_search_is_by_person_without_marks_by_action_object_and_time(desk):
    async with desk.signed_in("an", AUDITOR) as browser:
        account = await desk.accounts.require("an")
        mine = await act(desk, action="channel.pause", object="email", actor=account.id)
        morning = utc_now(desk.clock)
        other = await act(desk, action="channel.pause", object="zalo", actor="root")
        item = await add_item_act(desk)

        async def found(**asked):
            return entries(await browser.get(PAGE, params=asked))

        assert await found(nguoi="le van tam", viec="channel.pause") == [("kiem-toan", mine)]
        assert await found(nguoi="LÊ VĂN TÁM", viec="channel.pause") == [("kiem-toan", mine)]
        assert await found(nguoi="root") == [("kiem-toan", other)]
        assert await found(**{"doi-tuong": "TB-1"}) == [("bien-tap", item)]
        later = (morning + timedelta(days=2)).date().isoformat()
        assert await found(tu=later) == []
        assert await found(den="2000-01-01") == []
        assert ("kiem-toan", mine) in await found(den=later)
        assert await found(tu="hôm qua", viec="khong-co") == []


async def test_the_log_speaks_in_words(desk):
    account, other = await desk.active("an", AUDITOR), await desk.active("binh", AUDITOR)
    await act(desk, action="channel.pause", object="email", actor=account.id)
    reason = f"proposed by {other.id}"
    await act(desk, action="staff.roles", object=other.id, actor=account.id, reason=reason)
    await act(desk, action="propose", object="manage-people", actor=account.id)
    await add_item_act(desk)
    async with desk.browser(await desk.session_of("an")) as browser:
        page = await browser.get(PAGE)
    told = html.unescape(page.text.partition("<tbody>")[2])
    for words in ("Thư điện tử", "Văn phòng Bộ", "quản lý người dùng, đơn vị, khóa"):
        assert words in told
    assert f"{desk_texts()['field']['proposed_by']}: {other.name}" in told
    for code in (account.id, other.id, "channel.pause", "staff.roles", "manage-people"):
        assert code not in told
    assert '<option value="staff.roles">' in page.text, "acts are chosen by their names"


def test_every_act_that_is_recorded_has_a_name():
    known = desk_texts()["log_action"]
    assert {kind.value for kind in ActionKind} <= known.keys()
    written = re.compile(r"\b(?:Act|Command|DeskAct|_record_own)\(\s*\"([a-z]+[.][a-z-]+)\"")
    found = {
        name
        for path in (ROOT / "consumers").rglob("*.py")
        for name in written.findall(path.read_text("utf-8"))
    }
    assert len(found) > 30 and found <= known.keys()


async def test_pages_follow_each_other_without_gaps(desk):
    async with desk.signed_in("an", AUDITOR) as browser:
        wanted = [await act(desk, action="backup", actor="root") for _ in range(60)]
        items = [await add_item_act(desk, content_id=f"tb-{n}") for n in range(60)]
        seen, address = [], f"{PAGE}?viec=backup"
        while address:
            page = await browser.get(address)
            seen += entries(page)
            found = re.findall(r'class="older" href="([^"]*)"', page.text)
            address = html.unescape(found[0]) if found else ""
        assert seen == [("kiem-toan", n) for n in reversed(wanted)]
        assert len(set(entries(await browser.get(PAGE)))) == 50
    assert len(items) == 60


async def test_the_proof_says_whole_or_names_the_first_broken_entry(desk):
    async with desk.signed_in("an", AUDITOR) as browser:
        await act(desk, action="backup", actor="root")
        page = await browser.get(PROOF)
        assert TEXTS["whole"] not in page.text, "nothing was proved yet"
        foreign = await desk.bus.publish(subjects.AUDIT_RECORD, b'{"n": 999}')
        await act(desk, action="backup", actor="root")
        proofs = await asyncio.gather(*(browser.submit(page, PROOF) for _ in range(5)))
    for proof in proofs:
        assert TEXTS["broken"] in proof.text
        assert f"Bản ghi {foreign.seq}" in proof.text


def export_form(**fields):
    return {"format": "csv", "reason": "kiểm tra quý 4"} | fields


async def test_an_export_is_recorded_with_its_reason_and_has_what_the_filter_names(desk):
    async with desk.signed_in("an", AUDITOR) as browser:
        await act(desk, action="backup", actor="root", reason='=HYPERLINK("http://evil")')
        await act(desk, action="channel.pause", object="zalo", actor="root")
        await add_item_act(desk)
        page = await browser.get(f"{EXPORT}?nguoi=root")
        assert 'value="root"' in page.text
        refused = await browser.submit(page, EXPORT, **export_form(reason=" "))
        assert refused.status_code == 422
        done = await browser.submit(page, EXPORT, **export_form(nguoi="root"))
        assert done.headers["content-disposition"] == 'attachment; filename="nhat-ky.csv"'
        rows = list(csv.DictReader(io.StringIO(done.content.decode("utf-8-sig"))))
        assert [row["action"] for row in rows] == ["backup", "channel.pause"]
        assert rows[0]["reason"].startswith("'="), "no spreadsheet takes it for a formula"
        lines = await browser.submit(page, EXPORT, **export_form(format="jsonl", nguoi=""))
        told = [json.loads(line) for line in lines.text.splitlines()]
        assert {one["log"] for one in told} == {"audit", "editorial"}
        assert [one["at"] for one in told] == sorted(one["at"] for one in told)
    exports = [one for one in await recorded(desk) if one.action == "audit.export"]
    account = await desk.accounts.require("an")
    assert [(one.actor, one.object, one.reason, one.after) for one in exports] == [
        (account.id, "csv", "kiểm tra quý 4", "person=root"),
        (account.id, "jsonl", "kiểm tra quý 4", ""),
    ]


@pytest.mark.parametrize(
    "path", ["?truoc=x", "?truoc=1.x", "?tu=%00&den=9999-99-99", "?truoc=-1.0"]
)
async def test_an_address_that_says_nonsense_shows_the_list(desk, path):
    async with desk.signed_in("an", AUDITOR) as browser:
        assert (await browser.get(PAGE + path)).status_code == 200
