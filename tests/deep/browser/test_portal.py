"""The portal in a real browser: clean to axe, by keyboard, on a phone, in the dark, on paper.

LOA_TEST_PICTURES names a folder for pictures; docs/images/cong-thong-tin holds such ones:

    LOA_TEST_PICTURES=docs/images/cong-thong-tin pytest tests/deep/browser/test_portal.py
"""

from shutil import copytree

import pytest

from tests.support.browser import faults_in_every_look, screenshot, set_look
from tests.support.sample_portal import open_sample_portal, serve_portal

CLOSED = "/tim?q=luong"
PAGES = {
    "trang-chu": "/",
    "muc-luc": "/muc/",
    "chu-de": "/muc/ban-tin-cai-cach-hanh-chinh/",
    "don-vi": "/muc/vu-cai-cach-hanh-chinh/",
    "doi-tuong": "/muc/cong-chuc/",
    "cac-chuyen-de": "/chuyen-de/",
    "chuyen-de": "/chuyen-de/dich-vu-cong-2026/",
    "chu-de-trong": "/muc/tuyen-dung/",
    "tat-ca": "/muc/tat-ca/",
    "thang": "/muc/tat-ca/2026/11/",
    "tin": "/tin/huong-dan-luong",
    "dinh-chinh": "/tin/luu-tru-so",
    "da-go": "/tin/thi-dua",
    "tam-ngung": "/tin/chuyen-doi-so",
    "tim": "/tim?q=cai+cach+hanh+chinh",
    "tim-khong-thay": "/tim?q=xyz&tu=2026-11-01",
    "tim-sai": "/tim?den=h%C3%B4m+qua",
    "nguon-tin": "/nguon-tin/",
    "kenh": "/kenh/",
    "hieu-nang": "/hieu-nang/",
    "gioi-thieu": "/gioi-thieu/",
    "khong-thay": "/khong-co-trang-nay",
    "tim-dong": CLOSED,
}
SHOWN = {
    *("trang-chu", "chu-de", "tin", "dinh-chinh", "da-go", "tim", "nguon-tin", "kenh"),
    *("hieu-nang", "chuyen-de", "tam-ngung"),
}
PHONE = {"width": 390, "height": 844}
PICTURED = {"1280": (1280, "light"), "390": (390, "light"), "toi": (1280, "dark")}
DARK_PHONE = {"toi-390": (390, "dark")}
NOT_PRINTED = (".official", ".tools", ".menu", ".crumbs", ".subscribe", ".opinion", ".share")
VISIBLE, FONT_PX = (
    "one => one.checkVisibility()",
    """(name =>
    parseFloat(getComputedStyle(document.querySelector(name)).fontSize))""",
)
MARGIN = dict.fromkeys(("top", "right", "bottom", "left"), "15mm")
EXPECTED = ("400", "404", "410", "503")
"""Answers that the browser notes as errors, and that are right."""
WALK = """() => {
    window.stops = [];
    const named = one => one.getAttribute('href') || one.id || one.value || one.tagName;
    for (const fold of document.querySelectorAll('details')) fold.open = true;
    document.addEventListener('focusin', event => {
        const one = event.target, box = one.getBoundingClientRect(), look = getComputedStyle(one);
        const lined = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2;
        const within = box.bottom > 0 && box.top < innerHeight && box.width > 0;
        window.stops.push([named(one), lined && within]);
    });
    return [...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex="0"]'
    )].filter(one => one.checkVisibility()).map(named);
}"""
"""Notes every stop of the keyboard; returns what is there to be used, all folds open."""
TALL = 1700
"""A picture ends there; what follows looks like what is above."""


WEIGHT_MAX, REQUESTS_MAX, BLOCKING_MAX = 150 * 1024, 6, 3
"""Bytes and files of a page without its pictures; files before its first paint."""
PHONE_NETWORK = {"latency": 150, "downloadThroughput": 204_800, "uploadThroughput": 93_750}
"""A slow mobile network, in milliseconds and bytes a second."""
WATCH = """() => {
    window.shift = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({type: 'layout-shift', buffered: true});
}"""
PAINT = """() => new Promise(done => new PerformanceObserver(list => {
    for (const one of list.getEntriesByName('first-contentful-paint')) done(one.startTime)
}).observe({type: 'paint', buffered: true}))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("portal")


@pytest.fixture(scope="module")
def portal(folder):
    with open_sample_portal(folder) as url:
        yield url


@pytest.fixture(scope="module")
def closed_portal(portal, folder, tmp_path_factory):
    """The same pages, and a search that has lost its catalogue: it answers 503."""
    other = tmp_path_factory.mktemp("closed")
    copytree(folder / "public", other / "public")
    with serve_portal(other) as url:
        yield url


@pytest.fixture
def address_of(portal, closed_portal):
    return lambda name: closed_portal + CLOSED if name == "tim-dong" else portal + PAGES[name]


@pytest.mark.promise("4.8")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_clean_in_every_look_and_obeys_its_policy(browser, address_of, name):
    """The page holds data for machines, and no script runs."""
    with browser.tab() as tab:
        tab.visit(address_of(name))
        assert tab.do(faults_in_every_look) == []
        told = [error for error in tab.errors if not any(code in error for code in EXPECTED)]
        assert told == [] and tab.blocked == []
        tab.do(lambda page: take_pictures(page, name))


async def take_pictures(page, name):
    looks = PICTURED | (DARK_PHONE if name in ("trang-chu", "tin") else {})
    for look, (width, scheme) in looks.items() if name in SHOWN else ():
        await set_look(page, width, scheme)
        await screenshot(page, f"{name}-{look}", tallest=TALL)


@pytest.mark.promise("4.8")
@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser, address_of, name):
    with browser.tab() as tab:

        async def walk(page):
            await page.goto(address_of(name))
            there = await page.evaluate(WALK)
            for _ in there:
                await page.keyboard.press("Tab")
            return there, await page.evaluate("window.stops")

        there, stops = tab.do(walk)
        assert [stop for stop, shown in stops if not shown] == []
        assert sorted(stop for stop, _ in stops) == sorted(there)
        assert stops[0][0] == "#noi-dung"


def test_the_way_past_the_head_leads_to_the_text(browser, portal):
    with browser.tab() as tab:
        tab.visit(portal)
        tab.do(lambda page: page.keyboard.press("Tab"))
        tab.do(lambda page: page.keyboard.press("Enter"))
        assert tab.evaluate("document.activeElement.tagName") == "MAIN"


@pytest.mark.promise("4.8")
def test_a_reader_without_javascript_finds_an_item_and_its_topic(browser, portal):
    with browser.tab(java_script_enabled=False) as tab:

        async def walk(page):
            await page.goto(portal)
            await page.get_by_role("link", name="Hướng dẫn cách tính mức lương").click()
            await page.wait_for_url(f"{portal}/tin/huong-dan-luong")
            await (
                page.get_by_role("navigation", name="Vị trí trang")
                .get_by_role("link", name="Lao động, tiền lương")
                .click()
            )
            await page.wait_for_url(f"{portal}/muc/lao-dong-tien-luong-bhxh/")
            await page.get_by_role("link", name="Tháng 11/2026").click()
            await page.wait_for_url("**/2026/11/")
            return await page.locator("h1").inner_text()

        assert "tháng 11/2026" in tab.do(walk).lower()


def test_an_opinion_is_sent_by_one_press(browser, portal):
    with browser.tab(java_script_enabled=False) as tab:
        sent = []

        async def press(page):
            page.on("request", lambda request: sent.append((request.method, request.url, request)))
            await page.goto(f"{portal}/tin/huong-dan-luong")
            await page.get_by_role("button", name="Chưa hài lòng").click()
            await page.wait_for_url("**/y-kien/**")

        tab.do(press)
        [(url, asked)] = [(url, asked) for method, url, asked in sent if method == "POST"]
        assert url == f"{portal}/y-kien/huong-dan-luong"
        assert asked.post_data == "muc=dissatisfied"
        assert not any("Content Security Policy" in error for error in tab.errors)


def test_on_paper_only_the_text_is_left(browser, portal):
    with browser.tab() as tab:
        tab.visit(f"{portal}/tin/huong-dan-luong")
        tab.do(lambda page: page.emulate_media(media="print"))
        for hidden in NOT_PRINTED:
            shown = tab.evaluate(f"[...document.querySelectorAll('{hidden}')].map({VISIBLE})")
            assert shown and not any(shown), hidden
        assert tab.do(lambda page: page.locator("main table").is_visible())
        assert tab.evaluate(f"{FONT_PX}('.facts') < {FONT_PX}('.text p')")


def test_a_short_item_is_one_sheet_of_paper(browser, portal):
    with browser.tab(dark=True) as tab:
        tab.visit(f"{portal}/tin/luu-tru-so")
        sheets = tab.do(lambda page: page.pdf(format="A4", margin=MARGIN))
        assert sheets.count(b"/Type /Page\n") == 1


async def load_on_a_slow_phone(page, address):
    """Files that came, by kind, with their sizes; layout shift; milliseconds to the first paint."""
    came = []
    page.on("response", lambda one: came.append(one))
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", {"offline": False, **PHONE_NETWORK})
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    await page.add_init_script(f"({WATCH})()")
    await page.goto(address, wait_until="load")
    await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    files = [(one.request.resource_type, len(await one.body())) for one in came]
    return files, await page.evaluate("window.shift"), await page.evaluate(PAINT)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_and_stays_where_it_is(browser, address_of, name):
    with browser.tab(**PHONE, bypass_csp=True) as tab:
        files, shift, paint = tab.do(lambda page: load_on_a_slow_phone(page, address_of(name)))
    text = [(kind, size) for kind, size in files if kind != "image"]
    weight = sum(size for _, size in text)
    print(f"{name}: {weight} bytes, first paint: {paint:.0f} ms")  # noqa: T201 - figures
    assert shift == 0
    assert weight <= WEIGHT_MAX
    assert len(files) <= REQUESTS_MAX
    assert len([kind for kind, _ in files if kind in ("document", "stylesheet")]) <= BLOCKING_MAX
