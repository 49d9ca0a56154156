"""Components are called, not copied: a face's templates hold no markup of theirs."""

from collections import Counter
from pathlib import Path

import pytest

from contracts.catalog import load_texts

DRAWN_BY = {
    '<div class="wrong"': {"design/templates/components.html"},
    '<details class="fold"': {"design/templates/components.html"},
    '"badge corrected"': {"channels/portal/render/templates/macros.html"},
    '"badge urgent"': {"channels/portal/render/templates/macros.html"},
    '<ul class="onward"': {"design/templates/components.html"},
    '<p class="hint"': {"design/templates/components.html"},
    "<select": {"design/templates/components.html"},
    'type="search"': {"design/templates/components.html"},
}
"""The beginning of each component's markup, and the templates that may write it."""
_LEAST_ENTRIES = 4
"""Tables with fewer entries are too small to be called a copy."""


@pytest.fixture
def root(request) -> Path:
    return request.config.rootpath


def templates(root: Path) -> list[Path]:
    packages = ("design", "channels", "producers", "sandbox")
    return [file for package in packages for file in (root / package).rglob("*.html")]


@pytest.mark.parametrize("markup", DRAWN_BY)
def test_a_components_markup_stands_in_its_macro_alone(root, markup):
    found = {str(file.relative_to(root)) for file in templates(root) if markup in file.read_text()}
    assert found == DRAWN_BY[markup]


def test_no_table_of_texts_stands_twice(root):
    catalogues = [
        load_texts(file)
        for package in ("channels", "design")
        for file in (root / package).rglob("*.toml")
    ]
    tables = Counter(
        tuple(part.items())
        for texts in catalogues
        for part in texts.values()
        if isinstance(part, dict)
        and len(part) >= _LEAST_ENTRIES
        and all(isinstance(text, str) for text in part.values())
    )
    assert tables and [table for table, times in tables.items() if times > 1] == []
