"""Pictures in a real browser: nothing moves when they come, and no other host is asked."""

import asyncio
import re
from contextlib import closing

import pytest

from channels.portal.model.site import DEFAULT_COVER_PATH
from channels.portal.render.cover_drawing import draw_derivatives
from contracts.vocabulary import DEFAULT
from tests.support.browser import axe, overflow_px, screenshot
from tests.support.images import image_bytes, stripes
from tests.support.portal_dir import new_writer
from tests.support.publications import numbered_publication
from tests.support.sample_portal import open_sample_portal

COVER = {"url": "https://moha.gov.vn/bia.png", "alt": "Phố ngày Tết"}
ITEMS = [numbered_publication(number, cover=COVER, summary="Tóm tắt") for number in (1, 2, 3)]
INSIDE = {
    "a derivative": "/anh/tin-1/0123456789abcdef-640x427.jpg",
    "a picture of unknown size": DEFAULT_COVER_PATH,
}
"""Addresses of pictures in bodies."""
SHIFT = """patience => new Promise(done => new PerformanceObserver(list => done(
    list.getEntries().reduce((sum, one) => sum + one.value, 0)
)).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), patience))"""
"""The sum of all shifts of the layout so far; 0 when none is told of within so many ms."""


def shifts(tab, patience_ms=500) -> float:
    return tab.evaluate(f"({SHIFT})({patience_ms})")


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    with open_sample_portal(folder, ITEMS) as url:
        with closing(new_writer(folder, url, DEFAULT)) as writer:
            while wanted := writer.next_cover():
                body = image_bytes(stripes(1200, 800), "PNG")
                writer.keep_cover(wanted, draw_derivatives(body, wanted.stem))
        yield url


async def late_pictures(page):
    """Pictures come half a second after all else."""

    async def wait(route):
        await asyncio.sleep(0.5)
        await route.fallback()

    for pictures in ("**/anh/**", f"**{DEFAULT_COVER_PATH}"):
        await page.route(pictures, wait)


@pytest.mark.parametrize("path", ["/", "/muc/tat-ca/", "/tin/tin-1"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_moves_when_pictures_come(browser, portal, path, width):
    with browser.tab(width=width, bypass_csp=True) as tab:
        tab.do(late_pictures)
        tab.visit(portal + path)
        loaded = tab.evaluate("document.querySelector('main img').naturalWidth")
        assert loaded > 0 and shifts(tab) == 0
        assert tab.do(overflow_px) == 0 and tab.do(axe) == []
        assert tab.blocked == [] and tab.errors == []
        tab.do(lambda page: screenshot(page, f"bia-{path.strip('/').replace('/', '-')}-{width}"))


@pytest.fixture(scope="module", params=INSIDE)
def illustrated(tmp_path_factory, request):
    """A portal with an item that has a picture of its own in its body."""
    folder, path = tmp_path_factory.mktemp("illustrated"), INSIDE[request.param]
    item = numbered_publication(1, body=f"![Phố ngày Tết]({path})\n\nChữ ở dưới ảnh.", summary="")
    file = folder / "public" / path[1:]
    with open_sample_portal(folder, [item]) as url:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(image_bytes(stripes(640, 427), "JPEG"))
        yield url


async def reach_late_picture(page):
    """Scroll to the picture, and wait until it is there."""
    picture = page.locator(".text img")
    await picture.scroll_into_view_if_needed()
    await page.wait_for_function("document.querySelector('.text img').naturalWidth > 0")


@pytest.mark.parametrize("width", [320, 1280])
def test_a_picture_in_a_text_moves_nothing(browser, illustrated, width):
    """The size is in the name, or the place has a fixed shape."""
    with browser.tab(width=width, bypass_csp=True) as tab:
        tab.do(late_pictures)
        tab.visit(f"{illustrated}/tin/tin-1")
        tab.do(reach_late_picture)
        assert shifts(tab) == 0
        assert tab.do(overflow_px) == 0 and tab.do(axe) == []


def of_unknown_size(rule):
    """The page of an item whose cover is not drawn yet, with one more style *rule*."""

    async def without_sizes(route):
        answer = await route.fetch()
        text = re.sub(r'width="\d+" height="\d+" alt="Phố', 'alt="Phố', await answer.text())
        await route.fulfill(response=answer, body=f"{text}<style>{rule}</style>")

    async def prepare(page):
        await late_pictures(page)
        await page.route("**/tin/tin-1", without_sizes)

    return prepare


@pytest.mark.parametrize("width", [320, 1280])
def test_a_cover_of_unknown_size_moves_nothing(browser, portal, width):
    with browser.tab(width=width, bypass_csp=True) as tab:
        tab.do(of_unknown_size(""))
        tab.visit(f"{portal}/tin/tin-1")
        assert tab.evaluate("document.querySelector('main img').naturalWidth") > 0
        assert shifts(tab) == 0


def test_the_check_sees_a_picture_that_moves_the_text(browser, portal):
    with browser.tab(bypass_csp=True) as tab:
        tab.do(of_unknown_size(".cover img { aspect-ratio: auto !important }"))
        tab.visit(f"{portal}/tin/tin-1")
        assert shifts(tab, patience_ms=60_000) > 0
