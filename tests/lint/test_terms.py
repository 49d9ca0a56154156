"""Official Vietnamese: terms that are no longer used, one form of times, buttons that fit a phone.

`terms.toml` is the table: a term, what to write instead, and where it is allowed."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from tests.lint.sources import FILES, ROOT, SOURCES, TREES

TABLE = tomllib.loads(Path(__file__).with_name("terms.toml").read_text("utf-8"))
TERMS: dict[str, Any] = TABLE["term"]
LONGEST_BUTTON = 28
CATALOGUES = ("channels", "consumers", "contracts", "design", "producers", "sandbox")
TIMES = {
    "%H:%M ngày %d/%m/%Y": "a point in time",
    "%d/%m/%Y": "a day",
    "%d/%m": "a day in a list under its month",
    "%H:%M %d/%m/%Y": "a parameter of Zalo's type DATE, which takes 20 characters",
}
_COMMENTS = {
    ".toml": re.compile(r"^\s*#.*$|\s#\s[^\"'\n]*$", re.M),
    ".html": re.compile(r"\{#.*?#\}", re.S),
}
_VIETNAMESE = re.compile("[À-ỹ]")
_TEXT_FILES = (".html", ".json", ".toml", ".txt", ".yml")
_TIME = re.compile(r"(?:%H:%M(?::%S)?,? ?(?:ngày )?)?%d/%m(?:/%Y)?(?:,? %H:%M(?::%S)?)?")
_BUTTON_KEYS = (("again", "text"), ("buttons", "title"))
_BUTTON_MACRO = re.compile(r"\bbutton\(\"([^\"]+)\"")
_BUTTON = re.compile(r"<button\b(?:\{%.*?%\}|[^>])*>(.*?)</button>", re.S)


@cache
def read(path: Path) -> str:
    """The text of a file, without comments and with single spaces; of code its Vietnamese texts."""
    text = texts_in_code(path) if path.suffix == ".py" else path.read_text("utf-8")
    comments = _COMMENTS.get(path.suffix)
    return re.sub(r"\s+", " ", comments.sub("", text) if comments else text)


def texts_in_code(path: Path) -> str:
    """Strings of a module with Vietnamese letters, a sign between them that no term has."""
    module = path.relative_to(ROOT).as_posix()
    strings = (
        node.value
        for node in (ast.walk(TREES[module]) if _VIETNAMESE.search(SOURCES[module]) else ())
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return " ¦ ".join(text for text in strings if _VIETNAMESE.search(text))


@cache
def files(scope: str) -> list[Path]:
    found = {pattern: sorted(ROOT.glob(pattern)) for pattern in TABLE["scopes"][scope]}
    assert all(found.values()), "a pattern of the table finds no file"
    return [path for paths in found.values() for path in paths]


def expression(term: str, rule: dict[str, Any]) -> re.Pattern[str]:
    phrase = term if rule.get("pattern") else re.escape(term).replace(r"\ ", " ")
    flags = 0 if rule.get("exact") else re.IGNORECASE
    return re.compile(rf"(?<!\w)(?:{phrase})(?!\w)", flags)


def without_right_ones(text: str, name: str, rule: dict[str, Any]) -> str:
    """The text of a file without the places in which the term is right."""
    for around, _ in rule.get("allowed", {}).get(name, []):
        text = text.replace(around, "")
    for phrase in rule.get("phrases", ()):
        text = re.sub(rf"(?<!\w)(?:{phrase})(?!\w)", "", text, flags=re.IGNORECASE)
    return text


def found(term: str, rule: dict[str, Any]) -> Iterator[str]:
    """Places of a term, but for those that the table allows."""
    searched = expression(term, rule)
    for path in (path for scope in rule.get("in", ["citizens"]) for path in files(scope)):
        name = path.relative_to(ROOT).as_posix()
        if name in rule.get("about", ()):
            continue
        text = without_right_ones(read(path), name, rule)
        yield from (f"{name}: …{text[max(hit.start() - 30, 0) : hit.end() + 30]}…"
                    for hit in searched.finditer(text))  # fmt: skip


@pytest.mark.parametrize("term", TERMS)
def test_a_term_that_is_no_longer_used_does_not_come_back(term):
    assert [*found(term, TERMS[term])] == [], f"write: {TERMS[term]['use']}"


def test_no_text_in_code_escapes_the_table():
    """Commands, mails and channels have bilingual texts beside their catalogues."""
    searched = {path for scope in ("citizens", "staff") for path in files(scope)}
    assert {path for path in FILES if read(path)} <= searched


def test_no_catalogue_escapes_the_table():
    searched = {path for scope in TABLE["scopes"] for path in files(scope)}
    texts = {
        path
        for package in (*CATALOGUES, "deploy")
        for path in (ROOT / package).rglob("*")
        if path.suffix in _TEXT_FILES and path.parent.name != "schemas"
    }
    assert {path for path in texts if _VIETNAMESE.search(read(path))} <= searched


def test_a_phrase_of_a_term_allows_no_other_use_of_it():
    rule = TERMS["bản tin"]
    wrong, right = "Gửi bản tin của Quý vị.", "Lập số bản tin; các số của bản tin."
    searched = expression("bản tin", rule)
    assert searched.search(without_right_ones(wrong, "producers/desk/texts.toml", rule))
    assert not searched.search(without_right_ones(right, "producers/desk/texts.toml", rule))


@pytest.mark.parametrize("term", [term for term, rule in TERMS.items() if "allowed" in rule])
def test_what_the_table_allows_still_stands_there(term):
    searched = expression(term, TERMS[term])
    for name, places in TERMS[term]["allowed"].items():
        for around, why in places:
            assert around in read(ROOT / name) and searched.search(around) and why


def texts_of(keys: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a catalogue, with its keys."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from texts_of((*keys, key), one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(keys, one)


def is_button(keys: tuple[str, ...]) -> bool:
    """Whether a text of a catalogue is the label of a button."""
    above, name = ("", *keys)[-2:]
    return name == "button" or above == "button" or (above, name) in _BUTTON_KEYS


def buttons() -> Iterator[tuple[str, str]]:
    """Every button of catalogues and templates, with its file."""
    paths = [path for package in CATALOGUES for path in sorted((ROOT / package).rglob("*"))]
    for path in paths:
        if path.suffix == ".toml":
            catalogue = texts_of((), tomllib.loads(path.read_text("utf-8")))
            yield from ((path.name, text) for keys, text in catalogue if is_button(keys))
        elif path.suffix in (".html", ".j2"):
            text = path.read_text("utf-8")
            labels = [*_BUTTON.findall(text), *_BUTTON_MACRO.findall(text)]
            yield from ((path.name, re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", "", one)) for one in labels)


def test_a_button_fits_a_phone():
    found = [*buttons()]
    assert {"transactional.toml", "texts.toml", "templates.toml", "options.html"} <= dict(
        found
    ).keys()
    assert [one for one in found if len(one[1].strip()) > LONGEST_BUTTON] == []


def test_a_time_has_one_form():
    forms = {
        form: path.name
        for package in CATALOGUES
        for path in sorted((ROOT / package).rglob("*"))
        if path.suffix in (".py", ".toml", ".html")
        and "_DATE_FORMATS" not in path.read_text("utf-8")
        for form in _TIME.findall(path.read_text("utf-8"))
    }
    assert forms.keys() == TIMES.keys(), forms


def test_texts_that_differ_from_what_was_agreed_are_still_there():
    part = (ROOT / "docs/glossary.md").read_text("utf-8").partition("## Agreed wording\n")[2]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*) \|", part, re.M)
    assert rows
    for file, keys in rows:
        assert (ROOT / file).is_file()
        for key in re.findall(r"`([^`]+)`", keys):
            assert reduce(getitem, key.split("."), tomllib.loads((ROOT / file).read_text("utf-8")))
