"""The live view of a delivery: counts that add up, and events that end with the session."""

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from consumers.channel_health.pauses import pause_if_running
from consumers.desk.release import live
from contracts.delivery import ChannelName
from contracts.desk.previews import Wanted
from producers.bus import messages
from producers.desk import event_stream
from producers.desk.rendering import desk_texts
from tests.support.desk_app import COOKIE, DeskApp
from tests.support.events import ITEM, UNIT, withdrawn
from tests.support.intake_harness import IntakeHarness
from tests.support.live_delivery import finish_delivery, send_some

PAGE = f"/tin/{ITEM}/dang-gui"
EDITOR, OPERATOR = "bien-tap-vien", "quan-tri-kenh"
_ROW = re.compile(r'<th scope="row">([^<]*)</th><td class="right">(?:<strong>)?([\d.]+)')


@pytest.fixture
async def sent(bus, clock) -> IntakeHarness:
    return await send_some(bus, clock)


def rows(text: str) -> dict[str, int]:
    return {name: int(count.replace(".", "")) for name, count in _ROW.findall(text)}


class Reader:
    """A browser that reads a stream of events, as ASGI gives them."""

    def __init__(self, app, path: str, cookies: str) -> None:
        self.app, self.parts, self.status = app, asyncio.Queue(), 0
        self.left, self.is_stuck = asyncio.Event(), False
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "https",
            "headers": [(b"cookie", cookies.encode()), (b"host", b"desk")],
            "client": ("198.51.100.7", 4711),
            "server": ("desk", 443),
        }

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message) -> None:
        if self.is_stuck:
            await self.left.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["body"]:
            await self.parts.put(message["body"].decode())

    async def event(self) -> dict[str, int]:
        """The rows of the next event."""
        return rows(await asyncio.wait_for(self.parts.get(), 60))


@asynccontextmanager
async def reading(desk: DeskApp, token: str, path: str = f"{PAGE}/dong"):
    reader = Reader(desk.app, path, f"{COOKIE}={token}")
    task = asyncio.create_task(desk.app(reader.scope, reader.receive, reader.send))
    try:
        yield reader, task
    finally:
        reader.left.set()
        await asyncio.wait({task}, timeout=60)
        assert task.done()


async def test_the_rows_add_up_and_say_why_some_do_not_arrive(sent, desk):
    await sent.add_reasons("550 5.1.1", 3)
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
    assert page.status_code == 200, page.text
    mail = page.text[page.text.index('id="kenh-email"') : page.text.index('id="kenh-zalo"')]
    found = rows(mail)
    assert (found["Đã gửi"], found["Chờ gửi"], found["Không tới được"]) == (3, 496, 1)
    assert found["Chưa vào đợt gửi"] == 500 and found["Tổng trong kế hoạch"] == 1000
    assert "550 5.1.1" in mail


async def test_a_paused_channel_says_since_when_by_whom_and_why(sent, desk, bus):
    await pause_if_running(bus, ChannelName.EMAIL, "Chờ kiểm tra danh sách", "Trần Thị Bình")
    async with desk.signed_in("an", EDITOR) as browser:
        page = (await browser.get(PAGE)).text
    paused = desk_texts()["live"]["paused_by"].partition("{")[0]
    assert page.count(paused) == 1, "the other channels go on"
    for said in ("Trần Thị Bình", "Chờ kiểm tra danh sách"):
        assert said in page.partition(paused)[2]


async def test_a_page_without_scripts_reloads_itself_for_who_asks_it_to(sent, desk):
    meta = '<noscript><meta http-equiv="refresh"'
    async with desk.signed_in("an", EDITOR) as browser:
        still, again = await browser.get(PAGE), await browser.get(f"{PAGE}?tu-tai=1")
    assert (meta in still.text, meta in again.text) == (False, True)
    assert f'href="{PAGE}?tu-tai=1"' in still.text and f'href="{PAGE}"' in again.text


async def test_events_follow_the_ledger(sent, desk, clock):
    await desk.active("an", EDITOR)
    async with reading(desk, await desk.session_of("an")) as (reader, _):
        first = await reader.event()
        assert reader.status == 200 and first["Đã gửi"] == 3
        await finish_delivery(sent)
        while (seen := await reader.event())["Đã gửi"] != 500:
            pass
        assert seen["Tổng trong kế hoạch"] == 500 and "Chưa vào đợt gửi" not in seen


@pytest.fixture
def bus_reads(monkeypatch) -> list[str]:
    """The streams that are read, in order."""
    asked: list[str] = []
    direct_get = messages.direct_get

    async def counted(link, stream, query, min_seq=0):
        asked.append(stream)
        return await direct_get(link, stream, query, min_seq)

    monkeypatch.setattr(messages, "direct_get", counted)
    return asked


@pytest.fixture
def reads_of_five_looks(bus_reads, monkeypatch):
    """How many reads the bus is asked for until the sessions were looked at five times."""
    monkeypatch.setattr(event_stream, "_CHECK_S", 0.2)
    monkeypatch.setattr(live, "_TICK_S", 0.1)
    looked = asyncio.Semaphore(0)
    look = event_stream.OpenStreams._end_what_ended

    async def counted(streams, asked):
        await look(streams, asked)
        looked.release()

    monkeypatch.setattr(event_stream.OpenStreams, "_end_what_ended", counted)

    async def count() -> int:
        while not looked.locked():
            await looked.acquire()
        bus_reads.clear()
        for _ in range(5):
            await looked.acquire()
        return len(bus_reads)

    return count


async def test_many_watchers_cost_the_bus_no_more_than_one(
    sent, desk, bus_reads, reads_of_five_looks
):
    tokens = []
    for login in ("an", "binh"):
        await desk.active(login, EDITOR)
        tokens.append(await desk.session_of(login))
    async with reading(desk, tokens[0]) as (one, _):
        await one.event()
        alone = await reads_of_five_looks()
        async with AsyncExitStack() as stack:
            for token in tokens * 15:
                other, _ = await stack.enter_async_context(reading(desk, token))
                await other.event()
            together = await reads_of_five_looks()
    assert 0 < together < 5 * alone, "thirty watchers, and not thirty times as much"
    bus_reads.clear()
    await asyncio.sleep(5 * live._TICK_S)
    assert bus_reads == [], "the last watcher has gone"


async def test_a_stream_ends_soon_after_its_session(sent, desk):
    account = await desk.active("an", EDITOR)
    token = await desk.session_of("an")
    async with reading(desk, token) as (reader, task):
        await reader.event()
        await desk.accounts.sign_out_everywhere(account.id)
        await asyncio.wait_for(asyncio.shield(task), 60)
    left = [reader.parts.get_nowait() for _ in range(reader.parts.qsize())]
    assert left[-1].startswith("event: ended")


async def test_a_stream_ends_soon_after_the_right_to_what_readers_lost(sent, desk, clock):
    """All at the desk may watch what readers see; a withdrawn item takes a right."""
    for login, role in (("an", "nguoi-gui-tin"), ("binh", EDITOR)):
        await desk.active(login, role)
    async with (
        reading(desk, await desk.session_of("an")) as (officer, task),
        reading(desk, await desk.session_of("binh")) as (editor, other),
    ):
        await officer.event()
        await editor.event()
        await sent.intake.handle(withdrawn(), UNIT)
        await asyncio.wait_for(asyncio.shield(task), 60)
        assert not other.done(), "an editor may read it"
    left = [officer.parts.get_nowait() for _ in range(officer.parts.qsize())]
    assert left[-1].startswith("event: ended")


async def test_who_may_go_on_costs_the_same_for_one_and_for_two_hundred(sent, desk, bus_reads):
    await sent.intake.handle(withdrawn(), UNIT)
    accounts = [(await desk.active(f"an-{number}", EDITOR)).id for number in range(3)]
    await desk.active("binh", "nguoi-gui-tin")
    other = (await desk.accounts.require("binh")).id
    live, costs = desk.services.live, []
    for watchers in (accounts[:1], [*accounts, *(f"nv-{number}" for number in range(197))]):
        await live.look(Wanted(accounts[0], ITEM))
        bus_reads.clear()
        barred = await live.barred({Wanted(one, ITEM) for one in (*watchers, other)})
        assert {one.account for one in barred} == {other, *watchers} - {*accounts}
        costs.append(len(bus_reads))
    assert costs[0] == costs[1] <= 2, "the item's log, and the accounts"


async def test_a_full_house_is_refused(sent, desk, monkeypatch):
    monkeypatch.setattr(event_stream, "MOST_PER_ACCOUNT", 1)
    await desk.active("an", EDITOR)
    async with reading(desk, await desk.session_of("an")) as (reader, _):
        await reader.event()
        async with desk.browser(await desk.session_of("an")) as second:
            refused = await second.get(f"{PAGE}/dong")
            assert refused.status_code == 503 and refused.headers["retry-after"]
            assert (await second.get(PAGE)).status_code == 200, "the page itself is there"


async def test_who_does_not_read_is_dropped(sent, desk, monkeypatch):
    monkeypatch.setattr(event_stream, "_UNREAD_S", 0.2)
    await desk.active("an", EDITOR)
    async with reading(desk, await desk.session_of("an")) as (reader, task):
        await reader.event()
        reader.is_stuck = True
        await asyncio.wait_for(asyncio.shield(task), 60)


async def test_an_operator_watches_and_an_unknown_item_is_said(sent, desk):
    async with desk.signed_in("an", OPERATOR) as browser:
        page = await browser.get(PAGE)
        assert page.status_code == 200 and "Soạn bản đính chính" not in page.text
        assert (await browser.get("/tin/khong-co/dang-gui")).status_code == 404
        assert (await browser.get("/tin/khong-co/dang-gui/dong")).status_code == 404


def test_every_channel_has_a_name():
    assert set(desk_texts()["live"]["channel"]) == set(ChannelName)
