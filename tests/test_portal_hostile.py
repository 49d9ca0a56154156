"""Hostile text stays text: in pages, in feeds, for machines, and in a real browser."""

import json
import re

import pytest
from lxml import etree
from pydantic import ValidationError

from channels.portal.press import Press
from channels.portal.rules import check
from channels.portal.site import Site
from contracts.text import REFUSED
from contracts.vocabulary import DEFAULT
from tests.builders import a_publication
from tests.hostile import XSS
from tests.portal_folder import PUBLIC_URL, a_writer, page, said, tree
from tests.portal_scene import opened

ACTIVE = {"script", "iframe", "object", "embed", "form", "style", "base", "svg", "math", "template"}
PRESS = Press(Site(PUBLIC_URL, DEFAULT))
EVERYTHING = 0x110000
CHUNK = 8192
PAGES = 48
TYPED = re.compile(f"[^{REFUSED}]")


def an_item(number):
    """The number-th string, in every field that can hold it."""
    hostile = XSS[number].replace("\x01", "")
    line = " ".join(hostile.split())
    given = {"body": hostile, "summary": hostile, "author": line, "reason": line}
    return a_publication(
        content_id=f"tin-{number}",
        title=line,
        action="corrected",
        revision=2,
        cover={"url": "https://moha.gov.vn/a.jpg", "alt": line},
        links=[{"url": "https://moha.gov.vn/", "title": line}],
        attachments=[{"url": "https://moha.gov.vn/a", "title": line}],
        **given,
    )


ITEMS = [an_item(number) for number in range(len(XSS))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All of it shown; every tenth was withdrawn afterwards."""
    folder = tmp_path_factory.mktemp("portal")
    writer = a_writer(folder)
    gone = [one.model_copy(update={"action": "withdrawn", "revision": 3}) for one in ITEMS[::10]]
    writer.take([*ITEMS, *gone])
    writer.finish()
    writer.close()
    return folder


def assert_harmless(document):
    for element in document.iter():
        if element.tag == "script":
            assert dict(element.attrib) == {"type": "application/ld+json"}
            assert json.loads(element.text)["@type"] == "NewsArticle"
            continue
        if element.tag == "form":
            assert element.get("class") == "opinion"
            continue
        assert element.tag not in ACTIVE, element.tag
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name != "style"
            squeezed = re.sub(r"[\s\x00-\x20]", "", value).lower()
            if name in ("href", "src"):
                assert not squeezed.startswith(("javascript:", "vbscript:", "data:")), value


def test_the_corpus_is_as_large_as_promised():
    assert len(set(XSS)) == len(XSS) >= 300


def test_hostile_text_in_every_field_stays_text(folder):
    for number, item in enumerate(ITEMS):
        document = page(folder, f"tin/tin-{number}")
        assert_harmless(document)
        heading = document.find(".//q") if number % 10 == 0 else document.find(".//h1")
        assert said(heading) == item.title


def test_pages_that_list_hostile_titles_are_harmless(folder):
    for path in (".", "muc/tat-ca", "muc/tat-ca/2026/11", "muc/van-phong-bo/2026/11"):
        assert_harmless(page(folder, path))


def test_feeds_and_archives_with_hostile_text_keep_every_rule(folder):
    kinds = (".rss", ".atom", ".json", ".opml")
    feeds = {path: data for path, data in tree(folder).items() if path.endswith(kinds)}
    assert len(feeds) > 60
    for path, data in feeds.items():
        assert check(data, f"{PUBLIC_URL}/{path}") == [], path


def together(number):
    """Some strings on one page: a browser needs its time for each."""
    some = [text.replace("\x01", "") for text in XSS[number::PAGES]]
    lines = [" ".join(text.split()) for text in some]
    return a_publication(
        content_id=f"trang-{number}",
        title=lines[0],
        summary=some[0],
        body="\n\n".join(sorted(some, key=lambda text: "```" in text)),
        author=lines[-1],
        links=[{"url": "https://moha.gov.vn/", "title": line} for line in lines],
    )


UNFETCHED = ("ERR_FAILED", "404")
"""A picture of an author's that was fetched in vain, here or elsewhere."""


def test_in_a_browser_nothing_of_it_runs(browser, tmp_path):
    """Without the pages' policy, which would stop it as well."""
    items = [together(number) for number in range(PAGES)]
    paths = [f"/tin/{item.content_id}" for item in items]
    with opened(tmp_path, items) as url, browser.tab(bypass_csp=True) as tab:
        ran = []

        async def visit(page):
            page.on("dialog", lambda dialog: ran.append(page.url))
            for path in ("/", "/muc/tat-ca/", "/muc/tat-ca/2026/11/", *paths):
                await page.goto(url + path)

        tab.do(visit)
        assert ran == []
        pictures = {"https://x.example/a.png", "http://x.example/alert(1)"}
        assert set(tab.blocked) <= pictures, "an author may show one; a browser fetches it or not"
        assert [error for error in tab.errors if not any(one in error for one in UNFETCHED)] == []


@pytest.mark.parametrize("address", ["javascript:alert(1)", 'https://x.vn/" onclick="alert(1)'])
def test_an_address_that_is_none_never_becomes_a_publication(address):
    with pytest.raises(ValueError, match="url"):
        a_publication(links=[{"url": address, "title": "x"}])


@pytest.mark.parametrize("hostile", XSS[::3])
def test_an_address_of_the_corpus_is_refused_or_stays_one(hostile):
    try:
        item = a_publication(links=[{"url": f"https://x.vn/{hostile}", "title": "x"}])
    except ValidationError:
        return
    [(_, body), _] = PRESS.item_files(PRESS.row(item))
    assert_harmless(etree.HTML(body.decode()))


def makes_feeds(body):
    """Whether the contract lets *body* in; then its feeds are well-formed."""
    try:
        item = a_publication(body=f"Chữ: {body}")
    except ValidationError:
        return False
    fragments = PRESS.fragments(PRESS.row(item))
    etree.fromstring(b"<rss xmlns:dc='d' xmlns:content='c' xmlns:atom='a'>%b</rss>" % fragments.rss)
    etree.fromstring(fragments.atom)
    json.loads(fragments.json)
    return True


def test_every_code_point_as_a_reference_makes_well_formed_feeds():
    for first in range(0, EVERYTHING, CHUNK):
        body = " ".join(f"&#{point};" for point in range(first, first + CHUNK))
        assert makes_feeds(body), first


def refused(points):
    """Those of *points* that the contract does not let in, found by halving."""
    text = "".join(map(chr, points))
    if makes_feeds(text):
        return []
    if len(points) == 1:
        return list(points)
    middle = len(points) // 2
    return refused(points[:middle]) + refused(points[middle:])


def test_every_code_point_that_is_let_in_makes_well_formed_feeds():
    out = []
    for first in range(0, EVERYTHING, CHUNK):
        points = [n for n in range(first, first + CHUNK) if TYPED.match(chr(n))]
        out += refused(points) if points else []
    assert out == list(range(0xD800, 0xE000)), "halves of pairs are no characters"
