"""The page of operations: what it shows, that many who look cost one reading, and pauses."""

import asyncio

import pytest
from structlog.testing import capture_logs

from consumers.channel_health import pauses
from consumers.status.findings import Facts, WaitingDraft
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from contracts.desk.operations import ChannelState, HealthLine
from contracts.editorial import Status
from producers.desk.rendering import desk_texts
from tests.producers.desk.test_audit import recorded
from tests.support.dead_letters import bury
from tests.support.desk_app import heading
from tests.support.intake_harness import IntakeHarness

PAGE = "/van-hanh"
OPERATOR, EDITOR = "quan-tri-kenh", "bien-tap-vien"
TEXTS = desk_texts()["ops"]


async def test_the_page_names_channels_problems_and_what_to_do(desk, letters):
    await bury(letters, b"{")
    await pauses.pause(desk.bus, ChannelName.ZALO, "bảo trì")
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
    assert (page.status_code, heading(page)) == (200, TEXTS["title"])
    assert "bảo trì" in page.text
    assert TEXTS["todo"]["channel_paused"]["text"] in page.text, "each problem says what to do"
    assert "Sự kiện bị loại: 1" in page.text
    assert f'action="{PAGE}/' not in page.text, "an editor only looks"
    assert "loa resume" not in page.text, "commands are for operators"
    async with desk.signed_in("binh", OPERATOR) as browser:
        page = await browser.get(PAGE)
    assert "<code>channel_paused</code>" in page.text
    listed, extra = page.text.split(TEXTS["for_operator"])
    assert "loa resume" in extra and "loa resume" not in listed


async def test_waiting_texts_are_counted_by_whom_they_wait_for(desk, bus, clock):
    waiting = {Status.SUBMITTED: 1, Status.IN_EDIT: 2}
    drafts = [WaitingDraft("a.1", utc_time(0), status=status) for status in (*waiting, "in_edit")]

    async def facts() -> Facts:
        return Facts(now=utc_time(0), drafts=tuple(drafts))

    desk.services.operations.facts = facts
    async with desk.signed_in("an", OPERATOR) as browser:
        page = (await browser.get(PAGE)).text
    for status, count in waiting.items():
        assert f'href="/tin?trang-thai={status}">{TEXTS["drafts"][status].format(count)}<' in page
    assert TEXTS["no_drafts"] not in page and 'href="#cho-xu-ly"' in page


async def test_a_page_before_the_first_reading_calls_nothing_well(desk, monkeypatch):
    unread = Facts(now=utc_time(0))

    async def facts() -> Facts:
        return unread

    monkeypatch.setattr(desk.services.operations, "facts", facts)
    async with desk.signed_in("an", OPERATOR) as browser:
        page = await browser.get("/van-hanh")
    assert TEXTS["not_read"] in page.text and TEXTS["well"] not in page.text


async def test_many_who_look_at_once_cost_one_reading(desk, monkeypatch):
    readings = 0
    read = desk.status.reader.read

    async def counted(report):
        nonlocal readings
        readings += 1
        return await read(report)

    monkeypatch.setattr(desk.status.reader, "read", counted)
    async with desk.signed_in("an", OPERATOR) as browser:
        pages = await asyncio.gather(*(browser.get(PAGE) for _ in range(30)))
        assert {page.status_code for page in pages} == {200}
    assert readings == 1


async def test_no_row_of_a_paused_channel_may_go_now(desk):
    await IntakeHarness(desk.bus, desk.clock).add_plan(b"ppp")

    async def waiting() -> tuple[int, int]:
        desk.services.operations._forget()
        view = await desk.services.operations.view()
        [lane] = next(one.lanes for one in view.channels if one.name is ChannelName.EMAIL)
        return lane.backlog, lane.ready

    assert await waiting() == (3, 3)
    await pauses.pause(desk.bus, ChannelName.EMAIL, "bảo trì")
    assert await waiting() == (3, 0)


async def test_an_operator_pauses_a_channel_with_a_reason_and_lets_it_go_on(desk):
    stop, resume = f"{PAGE}/email/tam-dung", f"{PAGE}/email/chay-tiep"
    async with desk.signed_in("an", OPERATOR) as browser:
        page = await browser.get(PAGE)
        unexplained = await browser.submit(page, stop, reason=" ")
        assert unexplained.status_code == 422 and 'href="#reason"' in unexplained.text
        assert 'id="reason"' in unexplained.text
        assert "Xin Quý vị ghi lý do tạm dừng kênh" in unexplained.text
        assert await pauses.load_pauses(desk.bus) == {}
        done = await browser.submit(page, stop, reason="máy chủ thư bảo trì")
        assert done.status_code == 303
        shown = await browser.get(done.headers["location"])
        assert "máy chủ thư bảo trì" in shown.text and "Lê Văn Tám" in shown.text
        stored = (await pauses.load_pauses(desk.bus))[ChannelName.EMAIL]
        assert (stored.reason, stored.by) == ("máy chủ thư bảo trì", "Lê Văn Tám")
        await browser.submit(shown, resume)
        assert await pauses.load_pauses(desk.bus) == {}
        assert stop in (await browser.get(PAGE)).text, "seen at once"
        assert (await browser.post(f"{PAGE}/fax/tam-dung", reason="x")).status_code == 404
    account = await desk.accounts.require("an")
    acts = [(one.action, one.object, one.actor, one.step) for one in await recorded(desk)]
    assert [act for act in acts if act[0].startswith("channel.")] == [
        (f"channel.{act}", "email", account.id, step)
        for act in ("pause", "resume")
        for step in ("intent", "done")
    ]


async def test_a_pause_waits_for_no_reading_and_shows_at_once(desk, monkeypatch):
    operations, stop = desk.services.operations, f"{PAGE}/email/tam-dung"
    began, held, read = asyncio.Event(), asyncio.Event(), operations.facts

    async def slow():
        began.set()
        await held.wait()
        return await read()

    async with desk.signed_in("an", OPERATOR) as browser:
        page = await browser.get(PAGE)
        monkeypatch.setattr("consumers.desk.operations._FRESH_S", 0.0)
        monkeypatch.setattr(operations, "facts", slow)
        looking = asyncio.create_task(browser.get(PAGE))
        await began.wait()
        async with asyncio.timeout(30):
            done = await browser.submit(page, stop, reason="máy chủ thư bảo trì")
        assert done.status_code == 303
        held.set()
        assert "máy chủ thư bảo trì" in (await looking).text, "who waited meanwhile sees it, too"


async def test_a_reading_that_fails_is_logged_and_not_begun_anew_by_each_page(desk, monkeypatch):
    operations, begun = desk.services.operations, []

    async def broken():
        begun.append(1)
        raise LookupError

    monkeypatch.setattr(operations, "facts", broken)
    with capture_logs() as logs:
        assert [await operations.line() for _ in range(3)] == [None] * 3
    assert begun == [1]
    told = [one["error"] for one in logs if one["event"] == "operations_not_read"]
    assert told == ["LookupError"]


async def test_a_stop_ends_the_reading_that_goes_on(desk, monkeypatch):
    operations, ended = desk.services.operations, asyncio.Event()

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr("consumers.desk.operations._WAIT_S", 0.05)
    monkeypatch.setattr(operations, "facts", endless)
    assert await operations.line() is None
    operations.stop()
    await ended.wait()


async def test_a_start_page_before_the_first_reading_calls_nothing_well(desk, monkeypatch):
    async def unread():
        return Facts(now=utc_time(0))

    monkeypatch.setattr(desk.services.operations, "facts", unread)
    async with desk.signed_in("an", OPERATOR) as browser:
        assert TEXTS["line_unread"] in (await browser.get("/")).text


@pytest.mark.parametrize("state", ["well", "paused"])
async def test_the_line_for_other_pages_says_each_channel_in_a_word(desk, state, monkeypatch):
    monkeypatch.setattr("consumers.desk.operations._WAIT_S", 30.0)
    if state == "paused":
        await pauses.pause(desk.bus, ChannelName.ZALO)
    line = await desk.services.operations.line()
    told = {one.name: one.state for one in line.channels}
    assert told == dict.fromkeys(ChannelName, "well") | {ChannelName.ZALO: state}


async def test_problems_are_told_to_who_may_see_which_they_are(desk, monkeypatch):
    line = HealthLine([ChannelState(ChannelName.ZALO, "well", 0)], problems=2)

    async def read() -> HealthLine:
        return line

    monkeypatch.setattr(desk.services.operations, "line", read)
    shown = {}
    for login, role in (("an", OPERATOR), ("binh", "nguoi-gui-tin")):
        async with desk.signed_in(login, role) as browser:
            page = (await browser.get("/")).text
        problems, link = TEXTS["problems_line"].format(2) in page, f'href="{PAGE}"' in page
        shown[role] = problems, link, f"Zalo: {TEXTS['state']['well']}" in page
    assert shown == {OPERATOR: (True, True, True), "nguoi-gui-tin": (False, False, True)}


async def test_a_start_page_does_not_wait_while_the_next_line_is_read(desk, monkeypatch):
    read, held = desk.status.reader.read, asyncio.Event()

    async def slow(report):
        await held.wait()
        return await read(report)

    async with desk.signed_in("an", OPERATOR) as browser:
        await browser.get("/")
        monkeypatch.setattr("consumers.desk.operations._FRESH_S", 0.0)
        monkeypatch.setattr(desk.status.reader, "read", slow)
        await pauses.pause(desk.bus, ChannelName.ZALO)
        paused = f"Zalo: {TEXTS['state']['paused']}"
        assert paused not in (await browser.get("/")).text, "as it was read last"
        held.set()
        while paused not in (await browser.get("/")).text:
            await asyncio.sleep(0.05)


async def test_a_line_of_more_than_a_minute_is_not_shown(desk, monkeypatch):
    await desk.services.operations.line()
    monkeypatch.setattr("consumers.desk.operations._LINE_S", 0.0)
    assert await desk.services.operations.line() is None


async def test_a_start_page_is_there_before_the_first_reading_ends(desk, monkeypatch):
    monkeypatch.setattr("consumers.desk.operations._WAIT_S", 0.0)
    monkeypatch.setattr(desk.status.reader, "read", lambda report: asyncio.Event().wait())
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get("/")
    assert page.status_code == 200 and TEXTS["line_unread"] in page.text
