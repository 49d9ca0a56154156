"""Hostile text stays text: in pages, in feeds, for machines, and in a real browser."""

import re

import pytest

from contracts.text import REFUSED
from tests.support.hostile_portal import (
    CHUNK,
    EVERYTHING,
    ITEMS,
    assert_harmless,
    hostile_fields,
    makes_feeds,
)
from tests.support.portal_dir import page, text_of

TYPED = re.compile(f"[^{REFUSED}]")


def test_notices_of_hostile_items_are_harmless(hostile_folder):
    for number, item in enumerate(ITEMS):
        document = page(hostile_folder, f"tin/rut-{item.content_id}")
        assert_harmless(document)
        assert text_of(document.find(".//main//strong")) == item.title
        assert hostile_fields(number)["reason"] in text_of(document.find(".//main"))


def test_pages_that_list_hostile_titles_are_harmless(hostile_folder):
    for path in (".", "muc/tat-ca", "muc/tat-ca/2026/11", "muc/van-phong-bo/2026/11"):
        assert_harmless(page(hostile_folder, path))


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
