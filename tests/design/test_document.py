"""docs/design.md is true: tables, components, pictures."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from PIL import Image

from design import assets
from tests.design import gallery
from tests.design.weights import DOCUMENT, ROOT, with_tables

TEXT = DOCUMENT.read_text("utf-8")
ROW = re.compile(r'^\| (.*?) \| .+ \| <img src="images/design/([a-z_-]+)\.png"', re.MULTILINE)
SHOWN = {picture: re.findall(r"`([^`]+)`", what) for what, picture in ROW.findall(TEXT)}
"""Macros, classes (with a dot) and templates that a row describes, by its picture."""
COMPONENTS = ROOT / "design/styles/components.css"
STYLES = assets.stylesheet().body.decode()
PARTS = {"find", "footing", "frame", "masthead", "official", "skip", "tools", "wide"}
PARTS |= {"by", "by-topic", "by-unit", "carries", "count", "date", "facts", "for", "lead-first"}
PARTS |= {"of-topic", "of-unit", "summary", "up", "way", "address", "bare", "center", "cover"}
PARTS |= {"lead", "more", "printed", "quiet", "right", "story", "table", "boxes", "field", "fields"}
PARTS |= {"hint", "onward", "row", "words", "wrong"}
"""Classes inside the frame or a component, whose row stands for them."""
HELPERS = {"fault", "described", "hint_line", "optional"}
"""Macros that others use."""
RETAKE = "run python -m tests.design.gallery"


def test_the_tables_are_current():
    assert with_tables(TEXT) == TEXT, "run python -m tests.design.weights"


def test_every_colour_says_what_it_is_for():
    assert re.findall(r"^\| `([a-z-]+)` \|.*\| +\|$", TEXT, re.MULTILINE) == []


def test_every_macro_is_described_with_a_picture():
    source = (ROOT / "design/templates/components.html").read_text("utf-8")
    macros = {macro.name for macro in Environment().parse(source).find_all(nodes.Macro)}
    assert macros - {name for names in SHOWN.values() for name in names} == set()


def test_every_class_of_a_component_is_in_a_picture():
    rules = re.sub(r"/\*.*?\*/", "", COMPONENTS.read_text("utf-8"), flags=re.DOTALL)
    styled = set(re.findall(r"\.([a-z][a-z-]*)", "".join(re.findall(r"([^{}]+)\{", rules))))
    shown = " ".join(re.findall(r'class="([^"]*)"', gallery.page()))
    assert styled - set(shown.split()) == set()
    described = {name.lstrip(".") for names in SHOWN.values() for name in names}
    assert styled - described == PARTS


def test_every_picture_is_in_the_document_and_shows_todays_markup():
    sources = {name: gallery.source(html) for name, html in gallery.markup().items()}
    assert set(re.findall(r'src="images/design/([a-z_-]+)\.png"', TEXT)) == set(sources)
    assert {file.stem: shown_by(file) for file in gallery.PICTURES.iterdir()} == sources, RETAKE


def shown_by(file: Path) -> str:
    """The hash of the markup that a picture shows."""
    with Image.open(file) as picture:
        return str(picture.info.get(gallery.SOURCE))


@pytest.mark.parametrize("picture", SHOWN)
def test_a_row_speaks_of_what_its_picture_shows(picture):
    html = gallery.markup()[picture]
    classes = set(" ".join(re.findall(r'class="([^"]*)"', html)).split())
    template = (gallery.FOLDER / "gallery.html").read_text("utf-8")
    [called] = re.findall(rf'<section id="{picture}">\n(.*?)</section>', template, re.DOTALL) or [
        ""
    ]
    for name in SHOWN[picture]:
        if name.startswith("."):
            assert name[1:] in classes and re.search(rf"\{name}\b", STYLES), name
        elif not name.endswith(".html"):
            assert name in classes or f"{name}(" in called or name in HELPERS, name


def test_the_pictures_are_light():
    assert sum(file.stat().st_size for file in gallery.PICTURES.iterdir()) < 300 * 1024
