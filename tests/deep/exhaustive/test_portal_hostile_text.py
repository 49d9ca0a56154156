"""Every hostile string and every code point in every field of the portal."""

import pytest

from tests.support.hostile_portal import (
    CHUNK,
    EVERYTHING,
    FIELDS,
    ITEMS,
    TEXTS,
    assert_harmless,
    hostile_fields,
    makes_feeds,
    valid_addresses,
)
from tests.support.portal_dir import page, text_of


@pytest.mark.promise("4.7")
def test_every_string_stands_in_every_field_and_stays_text(hostile_folder):
    """An address that the contract refuses can't be shown; the refusal counts."""
    shown = {field: set() for field in FIELDS}
    for number, item in enumerate(ITEMS):
        document = page(hostile_folder, f"tin/{item.content_id}")
        assert_harmless(document)
        for field, text in hostile_fields(number).items():
            shown[field] |= {text} if stands(field, text, document) else set()
    counts = {field: len(some) for field, some in shown.items()}
    assert counts == dict.fromkeys(FIELDS, len(TEXTS))
    assert len(TEXTS) >= 300


def stands(field, text, document):
    """Whether the page has it where it belongs; Markdown makes many things of a body."""
    if field == "link address":
        return set(valid_addresses(text)) <= set(document.xpath("//main//a/@href"))
    if field == "body":
        return bool(text_of(document.find_class("text")[0]))
    return " ".join(text.split()) in text_of(document.find(".//main"))


@pytest.mark.promise("4.7")
def test_every_code_point_as_a_reference_makes_well_formed_feeds():
    for first in range(0, EVERYTHING, CHUNK):
        body = " ".join(f"&#{point};" for point in range(first, first + CHUNK))
        assert makes_feeds(body), first
