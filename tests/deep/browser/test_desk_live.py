"""A delivery as people watch it in real browsers: its numbers add up, and many watch for one."""

import asyncio
import os
from functools import partial
from pathlib import Path

import httpx2
import pytest

from producers.bus import messages
from producers.desk.rendering import desk_texts
from tests.support.browser import faults_in_both_schemes, faults_in_every_look, screenshot
from tests.support.desk_app import served_desk
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import ITEM
from tests.support.live_delivery import finish_delivery, send_some
from tests.support.served_desk import PLAIN_COOKIE, enter

EDITOR = "bien-tap-vien"
WATCHERS = 200

_ROWS = """[...document.querySelectorAll("section")].map(section => ({
    name: section.querySelector("h2").innerText,
    rows: [...section.querySelectorAll("tbody")][0] ? [...section.querySelectorAll("tbody")[0].rows]
        .map(row => Number(row.cells[1].innerText.replaceAll(".", ""))) : [],
}))"""


@pytest.fixture
async def desk(bus, clock):
    async with served_desk(bus, clock) as desk:
        yield desk


@pytest.fixture
async def sent(bus, clock):
    return await send_some(bus, clock)


async def watches(page, desk, token, finish):
    """The rows of each channel before and after the rest arrives, without a reload."""
    await enter(page, desk, token)
    await page.goto(f"{desk.url}/tin/{ITEM}/dang-gui")
    before = await page.evaluate(_ROWS)
    wrong = await faults_in_every_look(page)
    await screenshot(page, "desk-live")
    await page.evaluate("window.kept = true")
    await finish()
    await page.get_by_role("row", name="Đã gửi 500").wait_for()
    return before, await page.evaluate(_ROWS), await page.evaluate("window.kept"), wrong


def adds_up(channels) -> bool:
    return all(sum(rows[:-1]) == rows[-1] for rows in (one["rows"] for one in channels) if rows)


async def test_the_numbers_of_a_live_page_add_up(sent, desk, browser):
    await desk.active("an", EDITOR)
    token = await desk.session_of("an")
    loop = asyncio.get_running_loop()

    async def done():
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(finish_delivery(sent), loop))

    with browser.tab() as tab:
        before, after, kept, wrong = await tab.run(
            partial(watches, desk=desk, token=token, finish=done)
        )
        assert wrong == [] and tab.blocked == []
        assert [said for said in tab.errors if "status of 4" not in said] == []
    assert any(one["rows"] for one in before) and adds_up(before) and adds_up(after)
    assert kept, "the page was not loaded again"


async def without_scripts(page, desk, token):
    await enter(page, desk, token)
    await page.goto(f"{desk.url}/tin/{ITEM}/dang-gui")
    faults = await faults_in_both_schemes(page, has_scripts=False)
    await page.get_by_role("link", name=desk_texts()["live"]["reloads"]).click()
    async with page.expect_navigation():
        pass
    return faults


async def test_without_scripts_the_page_loads_itself_again_when_asked_to(sent, desk, browser):
    await desk.active("an", EDITOR)
    token = await desk.session_of("an")
    with browser.tab(width=390, java_script_enabled=False) as tab:
        assert await tab.run(partial(without_scripts, desk=desk, token=token)) == []


async def dry_run(page, desk, token):
    await enter(page, desk, token)
    await page.goto(f"{desk.url}/tin/tin-moi/se-toi-ai")
    await screenshot(page, "desk-dry-run")
    return await faults_in_every_look(page)


async def test_the_dry_run_is_clean_in_every_look(desk, bus, clock, browser):
    await desk.active("an", EDITOR)
    token = await desk.session_of("an")
    text = desk_text(content_id="tin-moi", audiences=["cong-chuc"])
    await save_draft(bus, clock, text, "some-account", "tin-moi")
    with browser.tab() as tab:
        assert await tab.run(partial(dry_run, desk=desk, token=token)) == []


def memory_kib() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def follow(desk, token, seen: asyncio.Queue) -> None:
    """Read a stream over a real connection until cancelled."""
    client = httpx2.AsyncClient(base_url=desk.url, cookies={PLAIN_COOKIE: token}, timeout=60)
    path = f"/tin/{ITEM}/dang-gui/dong"
    async with client, client.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.status_code
        async for line in answer.aiter_lines():
            if not line:
                seen.put_nowait(None)


async def test_200_watchers_cost_the_bus_no_more_than_one(sent, desk, monkeypatch):
    tokens = []
    for number in range(WATCHERS // 20):
        await desk.active(f"nguoi-{number}", EDITOR)
        tokens.append(await desk.session_of(f"nguoi-{number}"))
    asked: list[str] = []
    direct_get = messages.direct_get

    async def counted(link, stream, query, min_seq=0):
        asked.append(stream)
        return await direct_get(link, stream, query, min_seq)

    monkeypatch.setattr(messages, "direct_get", counted)

    async def requests_in_5_s() -> int:
        asked.clear()
        await asyncio.sleep(5)
        return len(asked)

    seen: asyncio.Queue = asyncio.Queue()
    tasks = [asyncio.create_task(follow(desk, tokens[0], seen))]
    try:
        await asyncio.wait_for(seen.get(), 60)
        alone = await requests_in_5_s()
        others = [tokens[number % len(tokens)] for number in range(1, WATCHERS)]
        tasks += [asyncio.create_task(follow(desk, token, seen)) for token in others]
        while not seen.empty():
            seen.get_nowait()
        for _ in range(2 * WATCHERS):
            await asyncio.wait_for(seen.get(), 60)
        together, before = await requests_in_5_s(), memory_kib()
        await asyncio.sleep(5)
        grown = memory_kib() - before
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in results} == {asyncio.CancelledError}, results
    assert 0 < together <= 3 * alone + 10, "a busy machine skips a look now and then"
    assert grown < 4096
