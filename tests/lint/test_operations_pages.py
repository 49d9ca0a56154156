"""The Vietnamese page of operations keeps pace with the English one, section by section."""

import re

from tests.lint.sources import ROOT

ENGLISH, VIETNAMESE = (
    (ROOT / "docs" / name).read_text("utf-8") for name in ("operations.md", "operations.vi.md")
)


def sections(page: str) -> list[tuple[str, str]]:
    """Level and text of every section; headings themselves are in the page's language."""
    parts = re.split(r"^(#+) .*\n", page, flags=re.M)
    return [*zip(parts[1::2], parts[2::2], strict=True)]


def blocks(text: str) -> list[str]:
    """Blocks that a reader types in a section, without remarks."""
    found = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    return [re.sub(r" +#.*", "", block) for block in found]


def rows(text: str) -> list[set[str]]:
    """The names in the first column of every row of a section's tables."""
    return [
        set(re.findall(r"`([^`]+)`", cell)) for cell in re.findall(r"^\| ([^|]*) \|", text, re.M)
    ]


def commands(page: str) -> set[str]:
    return set(re.findall(r"`(loa [a-z][a-z -]*[a-z])", page))


def test_every_heading_has_its_counterpart():
    assert [level for level, _ in sections(ENGLISH)] == [level for level, _ in sections(VIETNAMESE)]


def test_every_section_has_the_same_rows_and_the_same_lines_to_type():
    for (_, english), (_, other) in zip(sections(ENGLISH), sections(VIETNAMESE), strict=True):
        begin = english.strip()[:60]
        assert [block for block in blocks(english) if block not in blocks(other)] == [], begin
        assert len(rows(english)) <= len(rows(other)), begin
        assert [names for names in rows(english) if not any(names <= r for r in rows(other))] == []


def test_every_command_is_named_in_both():
    assert commands(ENGLISH) and commands(ENGLISH) - commands(VIETNAMESE) == set()
