"""How the portal's pages lie on screens and on paper, measured in a real browser."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.support.browser import axe, overflow_px
from tests.support.publications import a_publication
from tests.support.sample_portal import NOW, SCENE, open_sample_portal, sample_items

LISTING = "/muc/tat-ca/"
PAGES = ["/", "/muc/", LISTING, f"{LISTING}2026/11/", "/tin/huong-dan-luong", "/tim", "/kenh/"]
LINKS = [
    {"url": "https://moha.gov.vn/mot", "title": "Văn bản thứ nhất"},
    {"url": "https://moha.gov.vn/hai", "title": "https://moha.gov.vn/hai"},
]
RICH = a_publication(
    content_id="day-du",
    lane="urgent",
    title=f"Thông báo khẩn {'về việc ứng phó bão số 9 và mưa lũ tại các tỉnh, ' * 5}".strip(", "),
    expires_at=datetime(2199, 1, 1, tzinfo=UTC),
    body=f"{SCENE['pay']}\n\n[Nghị định](https://moha.gov.vn/ba) và <https://moha.gov.vn/bon>",
    cover={"url": "https://moha.gov.vn/khong-co.jpg", "alt": "Phố ngày Tết"},
    links=LINKS,
    attachments=[{"url": "https://moha.gov.vn/nam", "title": "Toàn văn"}],
    first_released_at=NOW,
    released_at=NOW,
)
TOPS = "all => all.map(one => Math.round(one.getBoundingClientRect().top))"
LINES = """all => all.map(one => {
    const words = document.createRange();
    words.selectNodeContents(one);
    return new Set([...words.getClientRects()].map(({top}) => Math.round(top))).size;
})"""
LEFTS = """() => {
    const rows = document.querySelectorAll('.frame');
    const padding = one => parseFloat(getComputedStyle(one).paddingLeft);
    return [...new Set([...rows].map(one => one.getBoundingClientRect().left + padding(one)))];
}"""
SIZES = """() => ['h1', 'h2', 'h3', 'h4'].map(name => parseFloat(getComputedStyle(
    document.querySelector('.text').appendChild(document.createElement(name))).fontSize))"""
WORDS = """() => [...document.querySelectorAll('ul.onward a')].map(link => {
    const words = document.createRange();
    words.selectNodeContents(link);
    const {top, bottom} = words.getBoundingClientRect();
    return [top, bottom];
})"""
FOOT = "all => all.map(one => [one.getBoundingClientRect().top, one.getBoundingClientRect().left])"
AFTER = """all => all.map(
    one => [one.href, one.textContent.trim(), getComputedStyle(one, '::after').content]
)"""
TABLE = """one => [
    one.scrollWidth > one.clientWidth,
    getComputedStyle(one, '::before').fontSize,
    Math.min(...[...one.querySelectorAll('td')].map(cell => cell.clientWidth)),
]"""


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A portal without an urgent item."""
    with open_sample_portal(tmp_path_factory.mktemp("calm"), sample_items()[-3:]) as url:
        yield url


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    with open_sample_portal(tmp_path_factory.mktemp("portal"), [*sample_items(), RICH]) as url:
        yield url


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_head_leaves_room_for_the_news(browser, portal, width):
    with browser.tab(width=width, height=700) as tab:
        tab.visit(portal)
        assert len(set(tab.do(lambda page: page.eval_on_selector_all(".menu li", TOPS)))) == 1
        tops = tab.do(lambda page: page.eval_on_selector_all(".tools > *", TOPS))
        assert len(set(tops)) == 1
        heading = tab.do(lambda page: page.locator("h1").bounding_box())
        assert heading["y"] < tab.evaluate("innerHeight") / 2


def test_search_results_begin_on_the_first_screen_of_a_phone(browser, calm):
    with browser.tab(width=390, height=844) as tab:
        tab.visit(f"{calm}/tim?q=luu+tru")
        parts = ".brand, .join, .found h2"
        brand, join, result = tab.do(lambda page: page.eval_on_selector_all(parts, TOPS))
        assert result < tab.evaluate("innerHeight") * 2 / 3
        assert abs(brand - join) < 30


@pytest.mark.parametrize(
    ("path", "hidden"),
    [("van-thu-luu-tru", "topic"), ("cuc-van-thu-va-luu-tru-nha-nuoc", "unit"), ("tat-ca", "")],
)
def test_a_listing_does_not_repeat_its_own_name_at_each_item(browser, portal, path, hidden):
    with browser.tab() as tab:
        tab.visit(f"{portal}/muc/{path}/")
        for part in ("topic", "unit"):
            seen = tab.do(lambda page, part=part: page.locator(f".of-{part}").first.is_visible())
            assert seen == (part != hidden)


@pytest.mark.parametrize("width", [320, 1280, 1900])
def test_everything_begins_at_the_same_left_edge(browser, portal, width):
    with browser.tab(width=width) as tab:
        found = set()
        for path in PAGES:
            tab.visit(portal + path)
            found |= set(tab.evaluate(LEFTS))
        assert len(found) == 1


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (768, 2), (1040, 2), (1280, 3)])
def test_ways_on_stand_beside_who_answers_where_there_is_room(browser, portal, width, columns):
    with browser.tab(width=width) as tab:
        tab.visit(f"{portal}/kenh/")
        parts = tab.do(lambda page: page.eval_on_selector_all(".footing .frame > *", FOOT))
        (top, _), *_, (ways_top, _) = parts
        assert len({left for _, left in parts}) == columns
        assert (ways_top == top) == (columns > 1)


@pytest.mark.parametrize("width", [320, 390])
def test_a_date_beside_an_item_is_one_line(browser, portal, width):
    with browser.tab(width=width) as tab:
        for path in ("/tim", "/muc/vu-cai-cach-hanh-chinh/2026/11/"):
            tab.visit(portal + path)
            found = tab.do(lambda page: page.eval_on_selector_all(".lines time", LINES))
            assert set(found) == {1}


def test_a_wide_table_scrolls_on_a_phone_breaks_no_word_and_says_so(browser, portal):
    with browser.tab(width=320, height=700) as tab:
        tab.visit(f"{portal}/tin/day-du")
        table = tab.do(lambda page: page.locator(".table").evaluate(TABLE))
        assert table[0] and table[1] != "0px" and table[2] >= 90


def test_a_table_that_fits_does_not_ask_to_be_scrolled(browser, portal):
    with browser.tab(width=1280) as tab:
        tab.visit(f"{portal}/tin/day-du")
        size = "one => getComputedStyle(one, '::before').fontSize"
        assert tab.do(lambda page: page.locator(".table").evaluate(size)) == "0px"


def test_a_lone_button_stands_beside_the_name_on_a_phone(browser, portal):
    with browser.tab(width=390) as tab:
        tab.visit(f"{portal}/tim?q=luong")
        brand, button, name = (
            tab.evaluate(f"document.querySelector('{part}').getBoundingClientRect().toJSON()")
            for part in (".brand", ".join", ".brand .name")
        )
        assert brand["right"] <= button["left"] and button["top"] < brand["bottom"]
        assert name["height"] < 40, "two lines at most, in the widest font"


def test_links_below_each_other_have_even_spaces_on_a_phone(browser, portal):
    with browser.tab(width=390) as tab:
        tab.visit(f"{portal}/tin/thi-dua")
        words = tab.evaluate(WORDS)
        spaces = [after[0] - before[1] for before, after in pairwise(words)]
        assert len({bottom - top for top, bottom in words}) > 1, "some take two lines"
        assert max(spaces) - min(spaces) < 1


def test_headings_of_each_rank_differ(browser, portal):
    with browser.tab() as tab:
        tab.visit(f"{portal}/tin/day-du")
        sizes = tab.evaluate(SIZES)
        assert all(larger > smaller + 1 for larger, smaller in pairwise(sizes))


def test_links_on_paper_show_where_they_lead_once(browser, portal):
    with browser.tab() as tab:
        tab.visit(f"{portal}/tin/day-du")
        tab.do(lambda page: page.emulate_media(media="print"))
        links = tab.do(lambda page: page.eval_on_selector_all(".text a, .more a", AFTER))
        assert len(links) == 5
        for href, words, after in links:
            assert (href in words) != (after not in ("none", "normal")), href


def test_an_urgent_item_is_called_so_where_it_is_told(browser, portal):
    with browser.tab() as tab:
        for path in ("/", LISTING, "/tin/day-du"):
            tab.visit(portal + path)
            assert tab.do(lambda page: page.locator(".urgent").all_inner_texts()) == ["Tin khẩn"]
            band = tab.do(lambda page: page.get_by_label("Tin khẩn").locator("h2").count())
            assert band == (not path.startswith("/tin"))


async def link_names(page):
    """Names of links in Chromium's accessibility tree."""
    session = await page.context.new_cdp_session(page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    links = [node for node in nodes if node.get("role", {}).get("value") == "link"]
    return [node["name"]["value"] for node in links]


@pytest.mark.parametrize("look", [{}, {"width": 320, "dark": True}])
def test_every_page_leads_to_the_urgent_item_until_it_ends(browser, portal, look):
    with browser.tab(**look, bypass_csp=True) as tab:
        for path in ("/tin/thi-dua", "/kenh/", "/tim?q=luong", "/khong-co-trang-nay"):
            tab.visit(portal + path)
            assert f"Tin khẩn: {RICH.title}" in tab.do(link_names), path
            assert (tab.do(axe), tab.do(overflow_px)) == ([], 0), path
        tab.do(lambda page: page.locator(".urgent-line a").click())
        assert tab.do(lambda page: page.locator("#tin-khan:target").is_visible())
        assert tab.do(lambda page: page.locator(".urgent-line").count()) == 0


def test_the_urgent_line_is_not_printed_nor_there_while_nothing_is_urgent(browser, calm, portal):
    with browser.tab() as tab:
        tab.visit(f"{calm}/kenh/")
        assert not any(name.startswith("Tin khẩn") for name in tab.do(link_names))
        tab.visit(f"{portal}/kenh/")
        tab.do(lambda page: page.emulate_media(media="print"))
        assert not tab.do(lambda page: page.locator(".urgent-line").is_visible())


def test_the_checks_find_a_page_that_is_wrong(browser):
    page = "<!DOCTYPE html><html lang=vi><title>Tin</title><main><h1 style='{}'>Mờ</h1></main>"
    with browser.tab(width=320) as tab:
        tab.do(lambda tab: tab.set_content(page.format("width: 400px")))
        assert tab.do(overflow_px) > 0
        tab.do(lambda tab: tab.set_content(page.format("color: #ccc")))
        assert tab.do(axe)[0].startswith("color-contrast")
