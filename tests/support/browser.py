"""A real Chromium for tests of pages and mails; it reaches this machine and nothing else.

    def test_a_page(browser):
        with browser.tab() as tab:
            tab.visit(url)
            assert tab.do(faults_in_every_look) == []

A script is a coroutine function of a Playwright `Page`; it runs on the browser's own loop in
another thread, so that `await tab.run(script)` leaves the test's loop free to serve the page.
"""

import asyncio
import io
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from operator import sub
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.support import requirements

T = TypeVar("T")
FLAGS = (
    "--no-sandbox", "--no-proxy-server", "--disable-gpu", "--disable-quic", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
WAIT_MS = 120_000
SCRIPT_S = 300.0
COLOURS, NEAR, STAR = 128, 8, (255, 255, 0)
WIDTHS = (320, 768, 1280)
"""A phone, a tablet and a desk: the design changes between them (`@media` in design/styles)."""
COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""The rules of axe that a scheme can break, which changes colours alone (design/tokens.py)."""
SCHEMES = {"light": (), "dark": COLOUR_RULES}
"""Each with the rules of axe that it is judged by; none for all."""
_TIMERS_AT_ONCE = """window.setTimeout = (run, wait_ms = 0) => {
  if (wait_ms < 100) Promise.resolve().then(run);
}"""
PICTURES = "LOA_TEST_PICTURES"
"""Names the folder in which `screenshot` leaves its pictures; without it, there are none."""


class Tab:
    """A page in a profile of its own: no cookie, cache or storage of any other tab."""

    def __init__(self, page: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.page = page
        self.loop = loop
        self.blocked: list[str] = []  # addresses outside this machine that the page asked for
        self.errors: list[str] = []  # what the console called an error, breaches of a CSP too

    def do(self, script: Callable[[Any], Awaitable[T]]) -> T:
        """Run *script* and wait for it. For a page that another process serves."""
        return asyncio.run_coroutine_threadsafe(self._play(script), self.loop).result()

    def visit(self, url: str) -> None:
        self.do(lambda page: page.goto(url))

    def evaluate(self, script: str) -> Any:
        return self.do(lambda page: page.evaluate(script))

    async def run(self, script: Callable[[Any], Awaitable[T]]) -> T:
        """Run *script* while the test's own loop goes on, and serves the page."""
        playing = asyncio.run_coroutine_threadsafe(self._play(script), self.loop)
        return await asyncio.wrap_future(playing)

    async def _play(self, script: Callable[[Any], Awaitable[T]]) -> T:
        async with asyncio.timeout(SCRIPT_S):
            return await script(self.page)

    async def allow_local(self, route: Any) -> None:
        """Let a request go on to this machine; refuse any other."""
        if is_local(route.request.url):
            await route.continue_()
        else:
            self.blocked.append(route.request.url)
            await route.abort()

    def on_console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)


class Browser:
    """Chromium, and the loop on which it is driven."""

    def __init__(self, chromium: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.chromium = chromium
        self.loop = loop

    @contextmanager
    def tab(
        self, width: int = 1280, height: int = 900, *, dark: bool = False, **context: Any
    ) -> Iterator[Tab]:
        """A new profile with an empty page; *context* is what Playwright's `new_context` takes."""
        looks = {
            "viewport": {"width": width, "height": height},
            "color_scheme": "dark" if dark else "light",
            "locale": "vi-VN",
            "timezone_id": "Asia/Ho_Chi_Minh",
        }
        tab = self._wait(self._open(looks | context))
        try:
            yield tab
        finally:
            self._wait(tab.page.context.close())

    async def _open(self, looks: dict[str, Any]) -> Tab:
        context = await self.chromium.new_context(**looks)
        context.set_default_timeout(WAIT_MS)
        tab = Tab(await context.new_page(), self.loop)
        await context.route("**/*", tab.allow_local)
        context.on("console", tab.on_console)
        context.on("weberror", lambda error: tab.errors.append(str(error.error)))
        return tab

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SCRIPT_S)


def is_local(url: str) -> bool:
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost")
    return parts.scheme in ("file", "data", "about", "blob") or local


async def allow_viewers(page: Any) -> None:
    """Let Chromium show a PDF, which is a page of its own with resources that no test may hold up.

    Names outside this machine lead nowhere all the same (FLAGS).
    """
    await page.context.unroute_all()


async def overflow_px(page: Any) -> int:
    """By how many pixels the page is wider than its window: what one would have to scroll."""
    root = "document.documentElement"
    return int(await page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


async def axe(page: Any, *, has_scripts: bool = True, only: Sequence[str] = ()) -> list[str]:
    """Faults by axe: rule, element, reason. An empty list is a clean page.

    *only*: these rules; else all. In a profile without scripts the driver's run, but no timer:
    axe's short ones run at once.
    """
    from axe_playwright_python.base import AXE_SCRIPT

    if not await page.evaluate("'axe' in window"):
        await page.evaluate("" if has_scripts else _TIMERS_AT_ONCE)
        await page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    options |= {"iframes": has_scripts, "preload": has_scripts}
    if only:
        options["runOnly"] = {"type": "rule", "values": [*only]}
    asked = "(options) => axe.run(options).then((found) => found.violations)"
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in await page.evaluate(asked, options)
        for node in rule["nodes"]
    ]


async def faults_in_both_schemes(page: Any, *, has_scripts: bool = True) -> list[str]:
    """Faults by axe in light and dark, and whether the page is too wide."""
    found = []
    for scheme, rules in SCHEMES.items():
        await page.emulate_media(color_scheme=scheme)
        faults = await axe(page, has_scripts=has_scripts, only=rules)
        found += [f"{scheme}: {one}" for one in faults]
    wider = await overflow_px(page)
    return [*found, *([f"{wider} pixels too wide"] if wider else [])]


async def images_missing(page: Any) -> list[str]:
    """Pictures that the page names and does not show, once all is loaded."""
    await page.wait_for_load_state("load")
    shown = "[...document.images].filter(one => !one.naturalWidth).map(one => one.src)"
    return list(await page.evaluate(shown))


async def set_look(page: Any, width: int, scheme: str) -> None:
    """Show the page at another width, in light or dark, without loading it again."""
    await page.set_viewport_size({"width": width, "height": 900})
    await page.emulate_media(color_scheme=scheme)


async def faults_in_every_look(page: Any) -> list[str]:
    """Faults by axe, and the overflow of the page, at every width in light and dark."""
    faults = []
    for width, (scheme, rules) in product(WIDTHS, SCHEMES.items()):
        await set_look(page, width, scheme)
        wider = await overflow_px(page)
        found = [*await axe(page, only=rules), *([f"{wider} pixels too wide"] if wider else [])]
        faults += [f"{width} {scheme}: {one}" for one in found]
    return faults


async def screenshot(
    page: Any, name: str, *, whole: bool = True, tallest: int = 20_000, colours: int = COLOURS
) -> None:
    """A small picture of the page in the folder that LOA_TEST_PICTURES names.

    `name` may have an ending: WebP takes half the bytes of PNG, the usual one.
    """
    if folder := os.environ.get(PICTURES):
        await page.wait_for_load_state("load")  # the emblem comes after the text
        picture = Image.open(io.BytesIO(await page.screenshot(full_page=whole))).convert("RGB")
        picture = picture.crop((0, 0, picture.width, min(picture.height, tallest)))
        picture = few_colours(picture, colours)
        path = Path(folder, name if "." in name else f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".webp":
            picture.convert("RGB").save(path, lossless=True, quality=90)
        else:
            picture.save(path, optimize=True)


def few_colours(picture: Image.Image, count: int) -> Image.Image:
    """The picture in its most frequent colours that differ, so that flat ones stay as they are.

    The star of the flag is small, and stays yellow.
    """
    known = [STAR]
    for _, colour in sorted(picture.getcolors(picture.width * picture.height), reverse=True):
        is_new = all(max(map(abs, map(sub, colour, one))) > NEAR for one in known)
        if is_new and len(known) < count:
            known.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in known for part in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def languages() -> dict[str, str]:
    """The browser's own words in pictures are Vietnamese, where `chromium-l10n` is installed."""
    return {"LANGUAGE": "vi"} if os.environ.get(PICTURES) else {}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run, started when a test first asks for it."""
    from playwright.async_api import async_playwright

    requirements.chromium()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="browser", daemon=True)
    thread.start()

    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(SCRIPT_S)

    with ExitStack() as stack:
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        driver = wait(async_playwright().start())
        stack.callback(lambda: wait(driver.stop()))
        launch = driver.chromium.launch(
            executable_path=requirements.CHROMIUM,
            args=list(FLAGS),
            env={**os.environ, **languages()},
        )
        chromium = wait(launch)
        stack.callback(lambda: wait(chromium.close()))
        yield Browser(chromium, loop)
