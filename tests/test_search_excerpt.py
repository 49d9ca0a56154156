"""An excerpt stands around the words, keeps the text's own letters, and marks what was found."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from channels.portal.search.excerpt import BEFORE, LENGTH, excerpt, marked
from channels.portal.search.question import read


def words(q):
    return read({"q": q}).words


def hits(pieces):
    return [piece.text for piece in pieces if piece.hit]


def said(pieces):
    return "".join(piece.text for piece in pieces)


def test_words_are_marked_as_the_text_writes_them():
    assert hits(marked("Lễ ở Hoà Bình, hoa hoè", words("hòa"), loosely=False)) == ["Hoà"]
    assert hits(marked("Lễ ở Hoà Bình, hoa hoè", words("hoa"), loosely=False)) == ["Hoà", "hoa"]
    assert hits(marked("nghi thức", words("nghỉ"), loosely=True)) == ["nghi"]


def test_a_part_of_a_word_is_not_the_word():
    assert hits(marked("nghiêng", words("nghi"), loosely=False)) == []


def test_it_begins_shortly_before_the_phrase_and_not_at_the_first_word():
    text = "chính " + "x " * 200 + "cải cách hành chính năm nay " + "y " * 300
    shown = excerpt(text, words("hành chính"), loosely=False)
    assert said(shown).startswith("… x")
    assert said(shown).endswith(" …")
    assert hits(shown) == ["hành chính"]


def test_without_words_it_is_the_beginning():
    assert said(excerpt("ngắn thôi", (), loosely=False)) == "ngắn thôi"


@given(st.text(min_size=1), st.text(alphabet="aáb ", max_size=5), st.booleans())
def test_no_letter_is_lost_or_made_up(text, q, loosely):
    text = unicodedata.normalize("NFC", text)
    assert said(marked(text, words(q), loosely=loosely)) == text


@given(st.text(alphabet="aáb c", max_size=900), st.text(alphabet="aáb ", max_size=5))
def test_it_is_a_short_part_of_the_text(text, q):
    shown = said(excerpt(text, words(q), loosely=False)).removeprefix("… ").removesuffix(" …")
    assert shown in text
    assert len(shown) <= LENGTH
    assert BEFORE < LENGTH
