"""Every published promise has tests, and both languages promise the same.

A Vietnamese promise ends with the checksum of its English text: after a change of the English, read
the Vietnamese again, then update the checksum.
"""

import hashlib
import re

import pytest

from tests.lint.promises import PAGES, TABLE, marked_tests, promises, table

CHECKSUM = re.compile(r"<!-- (\w{8}) -->$")
FEWEST = 40


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_has_a_test(page):
    made = promises(page)
    assert len(made) >= FEWEST
    assert made.keys() - marked_tests().keys() == set()


def test_every_mark_names_a_promise():
    assert marked_tests().keys() - promises("guarantees.md").keys() == set()


def test_the_table_of_tests_is_up_to_date():
    assert TABLE.read_text("utf-8") == table(), "run python -m tests.lint.promises"


def test_both_languages_promise_the_same():
    assert promises("guarantees.md").keys() == promises("guarantees.vi.md").keys()


def test_the_vietnamese_translates_the_english_of_today():
    expected = {
        number: hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]
        for number, text in promises("guarantees.md").items()
    }
    checksums = {
        number: found[1] if (found := CHECKSUM.search(text.strip())) else ""
        for number, text in promises("guarantees.vi.md").items()
    }
    assert checksums == expected
