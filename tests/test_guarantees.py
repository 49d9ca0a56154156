"""The published promises: each names tests that exist, and both languages promise the same.

Behind each Vietnamese promise stands the mark of the English one that it says: whoever changes the
English has to look at the Vietnamese, and then put the new mark there.
"""

import ast
import hashlib
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = {one: TESTS.parent / "docs" / one for one in ("guarantees.md", "guarantees.vi.md")}
PROMISE = re.compile(r"^(\d+\.\d+) (\*\*.*\n(?:[^-\n].*\n)*)((?:- .*\n)*)", re.M)
MARK = re.compile(r"<!-- (\w{8}) -->$")
TEST = re.compile(r"^- `(test_\w+\.py)::(test_\w+)`$", re.M)
ANY_TEST = re.compile(r"test_\w+\.py::\w+")
FEWEST = 40


def promises(name: str) -> dict[str, list[tuple[str, str]]]:
    """Each promise's number → the tests below it, as (file, function)."""
    return {
        number: TEST.findall(below) for number, _, below in PROMISE.findall(PAGES[name].read_text())
    }


def functions(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {
        one.name
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_promise_names_its_tests(name):
    made = promises(name)
    assert len(made) >= FEWEST
    assert [number for number, tests in made.items() if not tests] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_is_named_exists(name):
    named = {one for tests in promises(name).values() for one in tests}
    assert [one for one in sorted(named) if one[1] not in functions(one[0])] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_test_is_named_outside_a_promise(name):
    listed = [f"{file}::{test}" for tests in promises(name).values() for file, test in tests]
    assert ANY_TEST.findall(PAGES[name].read_text()) == listed


def test_both_languages_promise_the_same():
    assert promises("guarantees.md") == promises("guarantees.vi.md")


def test_the_vietnamese_says_what_the_english_says_today():
    marks = {}
    for number, said, _ in PROMISE.findall(PAGES["guarantees.md"].read_text()):
        marks[number] = hashlib.sha256(" ".join(said.split()).encode()).hexdigest()[:8]
    known = {}
    for number, said, _ in PROMISE.findall(PAGES["guarantees.vi.md"].read_text()):
        mark = MARK.search(said.strip())
        known[number] = mark[1] if mark else ""
    assert known == marks
