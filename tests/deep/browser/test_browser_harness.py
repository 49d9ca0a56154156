"""The browser of the tests: what it draws, what it refuses, what it finds wrong."""

import asyncio

import pytest

from tests.support import requirements
from tests.support.browser import axe, overflow_px

PAGE = "<!DOCTYPE html><html lang=vi><title>Tin</title><main><h1>{}</h1></main></html>"
STRICT = "default-src 'none'; style-src 'self'"


def drawn(html):
    return lambda page: page.set_content(html)


def test_a_tab_is_as_wide_as_asked_and_tells_what_does_not_fit(browser):
    with browser.tab(width=320) as tab:
        tab.do(drawn(PAGE.format("Bộ Nội vụ")))
        assert tab.do(overflow_px) == 0
        tab.do(drawn(PAGE.format("<div style='width: 400px'>Rộng</div>")))
        assert tab.do(overflow_px) > 0


def test_axe_finds_what_people_can_not_read(browser):
    with browser.tab() as tab:
        tab.do(drawn(PAGE.format("Rõ")))
        assert tab.do(axe) == []
        tab.do(drawn(PAGE.format("<span style='color: #ccc'>Mờ</span>")))
        [found] = tab.do(axe)
        assert found.startswith("color-contrast")


@pytest.mark.parametrize("address", ["http://192.0.2.1/x.png", "https://example.com/x.png"])
def test_nothing_outside_this_machine_is_fetched(browser, address):
    with browser.tab() as tab:
        tab.do(drawn(PAGE.format(f"<img alt='' src='{address}'>")))
        assert tab.blocked == [address]


async def test_the_tests_own_loop_serves_the_page_meanwhile(browser):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        body = PAGE.format("Tiếng Việt<script>document.title = 'chạy'</script>").encode()
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
            f"Content-Security-Policy: {STRICT}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with browser.tab() as tab:
            await tab.run(lambda page: page.goto(url))
            assert await tab.run(lambda page: page.title()) == "Tin"
            assert await tab.run(axe) == []
            assert any("Content Security Policy" in error for error in tab.errors)


@pytest.mark.parametrize(
    ("ci", "ended"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_without_chromium_the_tests_are_skipped_with_a_reason_but_never_in_ci(
    monkeypatch, ci, ended
):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(requirements, "CHROMIUM", "/nowhere/chromium")
    with pytest.raises(ended, match="needs Chromium at /nowhere/chromium"):
        requirements.chromium()
