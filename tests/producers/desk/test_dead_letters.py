"""Dead letters at the desk: who sees which, the form of an event, its end, its records."""

import html
import json
import re

import pytest

from consumers.dead_letters.letter import DeadLetterQuery
from consumers.editorial.log import EditorialLog
from consumers.intake.handler import Intake
from contracts import envelope, subjects
from contracts.editorial import Status
from contracts.errors import field_error
from contracts.vocabulary import DEFAULT
from tests.producers.desk.test_audit import recorded
from tests.support.dead_letters import bury, content_messages
from tests.support.desk_app import heading
from tests.support.events import ITEM, UNIT, register_unit, submitted

OFFICER, OPERATOR, AUDITOR = "nguoi-gui-tin", "quan-tri-kenh", "kiem-tra-doc-lap"
LIST = "/su-kien-loai"
OTHER = subjects.content("vu-phap-che", "submitted")
_LINE = r'<input id="[^"]*" name="(f\.[^"]*)" type="[^"]*" value="([^"]*)"'
_AREA = r'<textarea [^>]*name="(f\.[^"]*)"[^>]*>\n?(.*?)</textarea>'
BAD_TITLE = (field_error("data.title", "missing"),)


def broken(**changes):
    """An event without a title."""
    return envelope.to_structured(submitted(**{"title": "", "summary": "Một\nhai"} | changes))


def shown_ids(page) -> list[int]:
    return [int(one) for one in re.findall(rf'href="{LIST}/(\d+)"', page.text)]


async def test_a_unit_sees_its_own_letters_the_center_all_and_a_filter_some(desk, letters):
    await bury(letters, broken(), errors=BAD_TITLE)
    await bury(letters, broken(content_id="tb-2"), subject=OTHER, errors=BAD_TITLE)
    await bury(letters, b"{")
    async with desk.signed_in("an", OFFICER) as officer:
        assert shown_ids(await officer.get(LIST)) == [3, 1]
        assert (await officer.get(f"{LIST}/2")).status_code == 403
        assert (gone := await officer.get(f"{LIST}/99")).status_code == 404
        assert "Không có sự kiện bị loại số 99" in gone.text and "Chưa thực hiện" not in gone.text
    async with desk.signed_in("binh", AUDITOR) as auditor:
        assert shown_ids(await auditor.get(LIST)) == [3, 2, 1]
        assert shown_ids(await auditor.get(f"{LIST}?don-vi=vu-phap-che")) == [2]
        assert shown_ids(await auditor.get(f"{LIST}?truong=data.body")) == [3]
        assert shown_ids(await auditor.get(f"{LIST}?tu=2099-01-01")) == []
        page = (await auditor.get(f"{LIST}/1")).text
        assert f'action="{LIST}' not in page, "an auditor only looks"


async def test_pages_of_a_long_list_follow_each_other_without_gaps(desk, letters):
    for number in range(120):
        await bury(letters, b"{%d" % number)
    seen, address = [], LIST
    async with desk.signed_in("an", OPERATOR) as browser:
        while address:
            page = await browser.get(address)
            seen += shown_ids(page)
            found = re.findall(r'class="older" href="([^"]*)"', page.text)
            address = html.unescape(found[0]) if found else ""
    assert seen == list(range(120, 0, -1))


def form_values(page) -> dict[str, str]:
    """The fields of a form as a browser would send them, unchanged."""
    lines = re.findall(_LINE, page.text)
    areas = re.findall(_AREA, page.text, re.S)
    return {name: html.unescape(value) for name, value in (*lines, *areas)}


async def test_an_officer_mends_a_field_sees_the_difference_and_sends(desk, letters):
    await bury(letters, broken(), errors=BAD_TITLE)
    edit = f"{LIST}/1/sua"
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(edit)
        given = form_values(page)
        assert given["f.data.content_id"] == ITEM and given["f.data.summary"] == "Một\nhai"
        refused = await browser.submit(page, edit, **given)
        assert refused.status_code == 422 and 'href="#data.title"' in refused.text
        mended = given | {"f.data.title": "Tiêu đề đúng", "reason": "thiếu tiêu đề"}
        checked = await browser.submit(page, edit, **mended)
        assert checked.status_code == 200 and "Tiêu đề đúng" in checked.text
        assert len(await content_messages(desk.bus)) == 1, "nothing is sent yet"
        done = await browser.submit(checked, edit)
        assert (done.status_code, done.headers["location"]) == (303, f"{LIST}/1?xong=sua")
        shown = await browser.get(done.headers["location"])
        assert "Lê Văn Tám" in shown.text, "the decision names the person"
        again = await browser.submit(checked, edit)
        assert again.status_code == 422, "a letter ends once"
    sent = (await content_messages(desk.bus))[1:]
    assert [json.loads(one.data)["data"]["title"] for one in sent] == ["Tiêu đề đúng"]
    original, now = json.loads(broken()), json.loads(sent[0].data)
    assert {**now["data"], "title": ""} == original["data"], "all else is as it was"
    account = await desk.accounts.require("an")
    acts = [(one.action, one.actor, one.step, one.reason) for one in await recorded(desk)]
    assert [act for act in acts if act[0] == "dead.edit"] == [
        ("dead.edit", account.id, step, "thiếu tiêu đề") for step in ("intent", "done")
    ]


async def test_an_event_that_is_no_object_is_mended_as_a_whole(desk, letters):
    await bury(letters, b'{"data": ')
    edit = f"{LIST}/1/sua"
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(edit)
        assert form_values(page) == {"f.event": '{"data": '}
        whole = envelope.to_structured(submitted()).decode()
        checked = await browser.submit(page, edit, **{"f.event": whole})
        done = await browser.submit(checked, edit)
    assert done.status_code == 303, done.text
    sent = json.loads((await content_messages(desk.bus))[1].data)
    assert sent.pop("submitter") == (await desk.accounts.require("an")).id
    assert sent == json.loads(whole)


@pytest.mark.parametrize("claimed", ["", "Người Khác"])
async def test_who_edits_a_letter_does_not_approve_its_item(desk, letters, claimed):
    await register_unit(desk.bus, release="desk")
    await bury(letters, broken(), errors=BAD_TITLE)
    account = await desk.active("an", OFFICER, "lanh-dao-duyet")
    edit, item = f"{LIST}/1/sua", f"/tin/{ITEM}"
    async with desk.browser(await desk.session_of("an")) as browser:
        page = await browser.get(edit)
        text = {"f.data.title": "Tin mới", "f.data.body": "Thay hết."}
        values = form_values(page) | text
        checked = await browser.submit(page, edit, {"f.submitter": claimed}, **values)
        assert account.id in checked.text, "the difference names the submitter"
        await browser.submit(checked, edit)
        sent = envelope.from_structured((await content_messages(desk.bus))[1].data)
        await Intake(desk.bus, DEFAULT, desk.clock).handle(sent, UNIT)
        written = (await EditorialLog(desk.bus).read(ITEM)).state
        assert written.writers == {account.id}
        assert f'action="{item}/duyet"' not in (await browser.get(item)).text
        await browser.post(f"{item}/duyet", act_id="a" * 32, hash=written.hash)
    assert (await EditorialLog(desk.bus).read(ITEM)).state.status is Status.SUBMITTED


async def test_a_binary_event_is_mended_by_its_fields(desk, letters):
    event = submitted(title="")
    body = json.dumps(event.data).encode()
    headers = {"ce-id": event.id, "ce-source": event.source, "ce-type": event.type}
    await bury(letters, body, errors=BAD_TITLE, **headers, **{"ce-specversion": "1.0"})
    edit = f"{LIST}/1/sua"
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(edit)
        given = form_values(page) | {"f.data.title": "Đúng", "f.id": "moi-1"}
        await browser.submit(await browser.submit(page, edit, **given), edit)
    sent = json.loads((await content_messages(desk.bus))[1].data)
    assert (sent["id"], sent["data"]["title"]) == ("moi-1", "Đúng")


async def test_an_operator_replays_and_discards_with_a_reason(desk, letters):
    for body in (b"{1", b"{2"):
        await bury(letters, body)
    async with desk.signed_in("an", OPERATOR) as browser:
        unexplained = await browser.press(f"{LIST}/1", f"{LIST}/1/bo", reason=" ")
        assert unexplained.status_code == 422
        await browser.press(f"{LIST}/1", f"{LIST}/1/bo", reason="gửi hai lần")
        await browser.press(f"{LIST}/2", f"{LIST}/2/gui-lai")
        assert shown_ids(await browser.get(LIST)) == []
        assert shown_ids(await browser.get(f"{LIST}?ca-da-xu-ly=1")) == [2, 1]
        assert "gửi hai lần" in (await browser.get(f"{LIST}/1")).text
        late = await browser.post(f"{LIST}/1/gui-lai")
        assert late.status_code == 422, "what has ended is not sent again"
    assert [one.data for one in await content_messages(desk.bus)] == [b"{1", b"{2", b"{2"]
    acts = [(one.action, one.object, one.step) for one in await recorded(desk)]
    assert [act for act in acts if act[0].startswith("dead.")] == [
        *(("dead.discard", "1", step) for step in ("intent", "failed", "intent", "done")),
        *(("dead.replay", "2", step) for step in ("intent", "done")),
    ]


@pytest.mark.parametrize("path", ["sua", "gui-lai", "bo"])
async def test_nobody_ends_a_letter_of_another_unit_or_without_the_role(desk, letters, path):
    await bury(letters, broken(), subject=OTHER, errors=BAD_TITLE)
    async with desk.signed_in("an", OFFICER) as browser:
        form = {"f.data.title": "Đúng", "agreed": "1", "reason": "x"}
        assert (await browser.post(f"{LIST}/1/{path}", **form)).status_code == 403
    assert len(await content_messages(desk.bus)) == 1
    assert [one async for one in letters.letters(DeadLetterQuery())]


async def test_a_case_event_shows_what_was_kept_of_it_and_can_not_be_mended(desk, letters):
    body = json.dumps({"code": "000.00.00.G09-250126-0001", "phone": "0912345678"}).encode()
    await bury(letters, body, subject=subjects.case(UNIT))
    async with desk.signed_in("an", OFFICER) as browser:
        page = await browser.get(f"{LIST}/1")
    assert page.status_code == 200 and "0912345678" not in page.text
    assert "phone" in page.text, "the part that was left out is named"
    assert f"{LIST}/1/sua" not in page.text
    assert heading(page) == "Sự kiện bị loại số 1"
