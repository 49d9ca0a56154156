"""Tokens: the same by day and by night, readable on their grounds, all used."""

import re
from pathlib import Path

import pytest

from design.tokens import custom_properties, tokens, with_values

SCHEMES = ("light", "dark", "paper")
GROUNDS = {
    "ground": ("ink", "quiet", "link", "accent", "fault", "good"),
    "raised": ("ink", "quiet", "link", "accent"),
    "notice": ("ink", "link"),
    "hit": ("ink",),
    "band": ("on-band",),
    "link": ("on-link",),
}
"""Grounds, and what is written on them."""
LINES = ("strong-rule", "link", "fault", "notice-rule")
"""Borders that tell a field or a box from its ground."""


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_of_black_on_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_every_scheme_has_the_same_colours():
    assert set(tokens("light")) == set(tokens("dark")) == set(tokens("paper"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_can_be_read_and_lines_can_be_seen(scheme):
    colours = tokens(scheme)
    for ground, words in GROUNDS.items():
        for word in words:
            assert contrast(colours[ground], colours[word]) >= 4.5, (ground, word)
    for line in LINES:
        assert contrast(colours["ground"], colours[line]) >= 3, line


def test_mails_get_the_colour_itself_and_no_unknown_one():
    assert with_values("a { color: var(--link); }", "dark") == "a { color: #8fc1f0; }"
    with pytest.raises(KeyError):
        with_values("a { color: var(--pink); }", "light")


def test_every_token_is_used_and_every_use_is_a_token(request):
    sheets = [file.read_text() for file in style_files(request.config.rootpath)]
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", "".join(sheets)))
    declared = set(tokens("light")) | set(tokens("size"))
    assert used - declared == set()
    assert declared - used == set()
    assert set(re.findall(r"--([a-z0-9-]+):", custom_properties())) == declared


def style_files(root: Path) -> list[Path]:
    """Style sheets of the product and the sandbox, mails included."""
    return [
        file
        for part in ("design", "channels", "producers", "sandbox")
        for file in (root / part).rglob("*.css")
    ]
