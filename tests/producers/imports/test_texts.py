"""Texts of the import are in both languages, to the last word."""

import re
from string import Formatter

import pytest

from channels.fetch.errors import (
    FetchReason,
    PermanentFetchError,
    ResourceGone,
    RetryAfter,
    TemporaryFetchError,
)
from consumers.app.wiring.imports import import_error
from producers.texts import catalog

TEXTS = catalog()["import"]
MARKED = re.compile("[à-ỹđ]")
ENGLISH = {"the", "is", "not", "of", "or", "and", "than", "another", "address", "port", "public",
           "moved", "answer", "host", "name", "it", "in"}  # fmt: skip


@pytest.mark.parametrize("why", FetchReason)
@pytest.mark.parametrize("kind", [TemporaryFetchError, PermanentFetchError])
def test_every_reason_is_worded_in_both_languages(why, kind):
    error = import_error(kind(why, "503")).error
    assert error.field == "url"
    assert ("503" in error.message_vi) == ("503" in error.message) == (why is FetchReason.STATUS)
    assert not ENGLISH & set(error.message_vi.lower().split())
    assert str(why) not in error.message_vi or why is FetchReason.STATUS


def test_what_a_library_calls_the_trouble_is_for_the_log_alone():
    trouble = TemporaryFetchError(FetchReason.NO_ANSWER, "ServerDisconnectedError")
    told = import_error(trouble)
    assert told.detail == "no answer ServerDisconnectedError"
    assert "Server" not in told.error.message + told.error.message_vi


def test_a_site_that_wants_to_be_left_alone_or_is_over_is_told_so():
    busy, gone = (
        import_error(RetryAfter(FetchReason.STATUS, "503", 60.0)),
        import_error(ResourceGone(FetchReason.STATUS, "410")),
    )
    assert (busy.retry_after_s, busy.is_gone, gone.is_gone) == (60.0, False, True)
    assert "410" in gone.error.message_vi


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_has_both_languages_and_the_same_blanks(name):
    en, vi = TEXTS[name]["en"], TEXTS[name]["vi"]
    assert blanks(en) == blanks(vi)
    assert MARKED.search(vi) and not MARKED.search(en)
    words = {word.lower() for word in re.findall("[A-Za-z]+", re.sub(r"\{\w+\}|`.*?`", "", vi))}
    assert not words & ENGLISH


def blanks(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
