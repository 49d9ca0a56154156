"""The guide for officials names buttons, fields and addresses that the desk has."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from producers.desk.routes import ROUTES
from tests.support.repository import ROOT

GUIDE = (ROOT / "docs" / "ban-bien-tap.vi.md").read_text("utf-8")
CATALOGUES = sorted((ROOT / "producers" / "desk").rglob("texts.toml"))


def words(values: Any) -> Iterator[str]:
    """Every text of a catalogue."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list):
        for one in values.values() if isinstance(values, dict) else values:
            yield from words(one)


def test_each_word_in_bold_is_a_text_of_the_desk():
    known = {one for path in CATALOGUES for one in words(tomllib.loads(path.read_text("utf-8")))}
    quoted = set(re.findall(r"\*\*([^*]+)\*\*", GUIDE))
    assert len(quoted) > 30
    assert quoted - known == set()


def test_each_address_is_a_route():
    known = {route.path for route in ROUTES if route.method == "GET"}
    named = set(re.findall(r"`(/[^`\s]*)`", GUIDE))
    assert len(named) > 5
    assert named - known == set()
