"""One source of the look: no rule, colour, macro or frame of a page has a copy."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

FACES = {
    "channels/portal/render/templates": "site.html",
    "producers/pages/templates": "site.html",
    "producers/desk/templates": "page.html",
    "producers/gateway/templates": "page.html",
    "channels/email/devmailbox/templates": "page.html",
    "sandbox/zalo/page/templates": "page.html",
}
"""Folders of pages, and the frame that each of them fills."""
PIECES = {
    "channels/portal/render/templates": {
        *("change.html", "entry.html", "line.html", "macros.html", "story.html"),
    },
    "producers/desk/templates": {
        "channel_health.html",
        "correct_issue.html",
        "editor.html",
        "plan_form.html",
        "feed_entry.html",
        "forms.html",
        "item_facts.html",
        "item_forms.html",
        "item_table.html",
        "letter_facts.html",
        "log_reason.html",
        "live_counts.html",
        "marked.html",
        "scripts.html",
        "typed_text.html",
        "unit_rules.html",
        "upload_form.html",
    },
    "producers/pages/templates": {"macros.html"},
    "sandbox/zalo/page/templates": {"shown.html"},
}
"""Templates of each face that are not pages, but pieces of pages."""
PACKAGES = ("design", "channels", "producers", "consumers", "sandbox")
MAILS = "channels/email/render"
_LEAST_DECLARATIONS = 2
"""Blocks with fewer are too small to be called a copy."""
_USUAL = {
    "color: var(--quiet); font-size: var(--text-small)",
    "display: inline-block; padding: 0.2rem 0",
    "list-style: none; padding: 0",
}
"""Pairs of declarations that different components need."""
_PAINTED = re.compile(r"color$|background|border|outline|shadow|fill|stroke|^--")
_UNPAINTED = re.compile(r"var\(--[a-z0-9-]+\)|(?<![\w#-])-?[\d.]+(?:[a-z]+|%)?(?![\w-])|[(),/]")
_KEYWORDS = {"transparent", "currentcolor", "inherit", "none", "solid", "!important"}
_KEYWORDS |= {"collapse", "linear-gradient", "to", "left", "right", "no-repeat", "local", "scroll"}
"""Words in a declaration that paints, beside tokens and lengths."""


@pytest.fixture
def root(request) -> Path:
    return request.config.rootpath


def sources(root: Path, suffix: str) -> Iterator[Path]:
    """Style sheets or templates of the product and the sandbox."""
    for package in PACKAGES:
        yield from (root / package).rglob(f"*{suffix}")


def page_styles(root: Path) -> list[Path]:
    """Style sheets of pages; mails have their own, with the same tokens."""
    return [file for file in sources(root, ".css") if root / MAILS not in file.parents]


def mail_styles(root: Path) -> list[Path]:
    return sorted((root / MAILS).rglob("*.css"))


def copies(files: list[Path]) -> tuple[list[tuple[str, str]], set[str]]:
    """Selectors with two rules under one condition, and repeated blocks."""
    found = [rule for file in files for rule in rules(file.read_text())]
    selectors = Counter((condition, selector) for condition, selector, _ in found)
    blocks = Counter(body for _, _, body in found if body.count(";") + 1 >= _LEAST_DECLARATIONS)
    return (
        [which for which, times in selectors.items() if times > 1],
        {body for body, times in blocks.items() if times > 1},
    )


def rules(sheet: str) -> Iterator[tuple[str, str, str]]:
    """Condition, selector and declarations of each rule."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    conditions = re.findall(r"(@(?:media|supports)[^{]*)\{((?:[^{}]*\{[^{}]*\})*)\s*\}", sheet)
    plain = re.sub(r"@[a-z]+[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", sheet)
    for condition, block in [("", plain), *conditions]:
        for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", block):
            declared = sorted(part.strip() for part in body.split(";") if part.strip())
            yield " ".join(condition.split()), " ".join(selector.split()), "; ".join(declared)


def test_no_rule_stands_twice(root):
    assert len([*rules("".join(file.read_text() for file in page_styles(root)))]) > 200
    assert copies(page_styles(root)) == ([], _USUAL)


def test_no_rule_of_mails_stands_twice(root):
    """One selector may be in mail.css, which is set on elements, and in a sheet of the head."""
    assert copies(mail_styles(root))[1] == set()
    assert [which for file in mail_styles(root) for which in copies([file])[0]] == []


def test_the_check_finds_a_copy():
    sheet = "a { color: red; top: 0; left: 0 } @media print { a { color: red } } /* a { b: c } */"
    assert list(rules(sheet)) == [
        ("", "a", "color: red; left: 0; top: 0"),
        ("@media print", "a", "color: red"),
    ]


def colours(sheet: str) -> Iterator[str]:
    """Colours of *sheet* that are no tokens."""
    for _, _, body in rules(sheet):
        for name, _, value in (part.partition(":") for part in body.split("; ")):
            if _PAINTED.search(name) and name != "color-scheme":
                yield from set(_UNPAINTED.sub(" ", value).split()) - _KEYWORDS


def test_no_colour_stands_beside_the_tokens(root):
    for file in sources(root, ".css"):
        assert [*colours(file.read_text())] == [], file


@pytest.mark.parametrize("colour", ["#a00", "crimson", "rgb(200,0,0)", "Canvas", "hsl(0 50% 50%)"])
@pytest.mark.parametrize("name", ["color", "background", "border-left", "box-shadow", "--mine"])
def test_the_check_finds_a_colour(name, colour):
    assert [*colours(f"a {{ top: 0; {name}: 1px {colour}; }}")]
    assert [*colours(f"a {{ top: 0; {name}: 1px var(--ink); }}")] == []


def test_no_macro_stands_twice(root):
    names = Counter(
        macro.name
        for file in sources(root, ".html")
        for macro in Environment().parse(file.read_text()).find_all(nodes.Macro)
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_pages_have_no_styles_beside_the_sheets(root):
    pages = [file for file in sources(root, ".html") if root / MAILS not in file.parents]
    styled = re.compile(
        r"<style|\sstyle\s*=|<script(?! type=\"application/ld|[^>]* src=)", re.IGNORECASE
    )
    assert [file.name for file in pages if styled.search(file.read_text())] == []


@pytest.mark.parametrize("folder", FACES)
def test_every_page_fills_the_one_frame(root, folder):
    pieces = set()
    for file in (root / folder).rglob("*.html"):
        text = file.read_text()
        assert "<!doctype" not in text.lower()
        if "{% extends " not in text:
            pieces.add(file.name)
    assert pieces == PIECES.get(folder, set())
    whole = "".join(file.read_text() for file in (root / folder).rglob("*.html"))
    assert f'{{% extends "{FACES[folder]}" %}}' in whole


def test_the_public_sites_frame_fills_that_of_every_page(root):
    """Portal and readers' pages have one head and foot: no face of theirs draws its own."""
    site = (root / "design/templates/site.html").read_text()
    assert '{% extends "page.html" %}' in site
    for folder in (folder for folder, frame in FACES.items() if frame == "site.html"):
        bases = (root / folder / "base.html").read_text()
        assert re.findall("block (tools|menu|brand|whose)", bases) == []
