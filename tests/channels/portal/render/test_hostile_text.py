"""Hostile text stays text: in pages, in feeds, for machines, and in a real browser."""

import json
import re

import pytest
from lxml import etree
from pydantic import ValidationError

from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from contracts.text import REFUSED
from contracts.vocabulary import DEFAULT
from tests.support.hostile_portal import (
    ITEMS,
    hostile_fields,
    hostile_portal,
)
from tests.support.portal_dir import PUBLIC_URL, page, text_of
from tests.support.publications import a_publication

ACTIVE = {"script", "iframe", "object", "embed", "form", "style", "base", "svg", "math", "template"}
PRESS = SiteFiles(Site(PUBLIC_URL, DEFAULT))
EVERYTHING = 0x110000
CHUNK = 8192
TYPED = re.compile(f"[^{REFUSED}]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hostile_portal(tmp_path_factory.mktemp("portal"))


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


def test_notices_of_hostile_items_are_harmless(folder):
    for number, item in enumerate(ITEMS):
        document = page(folder, f"tin/rut-{item.content_id}")
        assert_harmless(document)
        assert text_of(document.find(".//q")) == item.title
        assert hostile_fields(number)["reason"] in text_of(document.find(".//main"))


def test_pages_that_list_hostile_titles_are_harmless(folder):
    for path in (".", "muc/tat-ca", "muc/tat-ca/2026/11", "muc/van-phong-bo/2026/11"):
        assert_harmless(page(folder, path))


def makes_feeds(body):
    """Whether the contract accepts *body*; then its feeds must be well-formed."""
    try:
        item = a_publication(body=f"Chữ: {body}")
    except ValidationError:
        return False
    fragments = PRESS.fragments(PRESS.to_stored_item(item))
    etree.fromstring(b"<rss xmlns:dc='d' xmlns:content='c' xmlns:atom='a'>%b</rss>" % fragments.rss)
    etree.fromstring(fragments.atom)
    json.loads(fragments.json)
    return True


def refused(points):
    """Code points that the contract refuses, found by bisection."""
    text = "".join(map(chr, points))
    if makes_feeds(text):
        return []
    if len(points) == 1:
        return list(points)
    middle = len(points) // 2
    return refused(points[:middle]) + refused(points[middle:])


@pytest.mark.promise("4.7")
def test_every_code_point_that_is_let_in_makes_well_formed_feeds():
    out = []
    for first in range(0, EVERYTHING, CHUNK):
        points = [n for n in range(first, first + CHUNK) if TYPED.match(chr(n))]
        out += refused(points) if points else []
    assert out == list(range(0xD800, 0xE000)), "halves of pairs are no characters"
