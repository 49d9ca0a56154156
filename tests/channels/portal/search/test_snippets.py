"""Snippets: text around the matches, in the original letters, with matches highlighted."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.portal.search.query import parse_query
from channels.portal.search.snippets import SNIPPET_LENGTH, highlight, make_snippet


def words(q):
    return parse_query({"q": q}).words


def hits(pieces):
    return [piece.text for piece in pieces if piece.hit]


def said(pieces):
    return "".join(piece.text for piece in pieces)


def test_words_are_marked_as_the_text_writes_them():
    for word, found in (("hòa", ["Hoà"]), ("hoa", ["Hoà", "hoa"])):
        shown = highlight("Lễ ở Hoà Bình, hoa hoè", words(word), ignore_marks=False)
        assert hits(shown) == found
    assert hits(highlight("nghi thức", words("nghỉ"), ignore_marks=True)) == ["nghi"]


def test_a_part_of_a_word_is_not_the_word():
    assert hits(highlight("nghiêng", words("nghi"), ignore_marks=False)) == []


def test_it_begins_shortly_before_the_phrase_and_not_at_the_first_word():
    text = "chính " + "x " * 200 + "cải cách hành chính năm nay " + "y " * 300
    shown = make_snippet(text, words("hành chính"), ignore_marks=False)
    assert said(shown).startswith("… x")
    assert said(shown).endswith(" …")
    assert hits(shown) == ["hành chính"]


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("Nơi giải quyết hồ sơ. Người dân nộp hồ sơ trực tuyến, ", "Người dân nộp hồ sơ"),
        ("thuộc phạm vi giải quyết hồ sơ, người dân nộp hồ sơ ", "người dân nộp hồ sơ"),
        ("Tiêu đề của phần trước · Hồ sơ trực tuyến: ", "Hồ sơ trực tuyến"),
    ],
)
def test_it_begins_with_the_sentence_or_else_the_clause(before, shown):
    text = "hồ sơ " * 40 + before + "thẩm định năm nay " + "y " * 300
    snippet = said(make_snippet(text, words("thẩm định"), ignore_marks=False))
    assert snippet.startswith(f"… {shown}")


def test_without_words_it_is_the_beginning():
    assert said(make_snippet("ngắn thôi", (), ignore_marks=False)) == "ngắn thôi"


@given(st.text(min_size=1), st.text(alphabet="aáb ", max_size=5), st.booleans())
def test_no_letter_is_lost_or_made_up(text, q, loosely):
    text = unicodedata.normalize("NFC", text)
    assert said(highlight(text, words(q), ignore_marks=loosely)) == text


@given(st.text(alphabet="aáb c", max_size=900), st.text(alphabet="aáb ", max_size=5))
def test_it_is_a_short_part_of_the_text(text, q):
    snippet = said(make_snippet(text, words(q), ignore_marks=False))
    shown = snippet.removeprefix("… ").removesuffix(" …")
    assert shown in text and len(shown) <= SNIPPET_LENGTH
