"""Normalization of Vietnamese words, which keeps all positions in the text."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from channels.portal.search.normalize import normalize_spelling, strip_marks

ALIKE = [
    ("hoà bình", "hòa bình"),
    ("Uỷ ban", "ủy ban"),
    ("THUỶ ĐIỆN", "thủy điện"),
    ("khoẻ mạnh", "khỏe mạnh"),
    ("quý", "qúy"),
    ("kỹ thuật", "kĩ thuật"),
    ("công ty", "công ti"),
    ("lý do", "lí do"),
]
DIFFERENT = [("mùa", "muà"), ("của", "cuả"), ("bán", "bàn"), ("quy", "quý"), ("tai", "tay")]
BARE = [("Nghỉ Tết Nguyên đán", "nghi tet nguyen dan"), ("Đường", "duong"), ("hòa", "hoa")]


def test_two_spellings_of_a_word_are_one_and_two_words_stay_two():
    for first, second in ALIKE:
        assert normalize_spelling(first) == normalize_spelling(second)
    for first, second in DIFFERENT:
        assert normalize_spelling(first) != normalize_spelling(second)


def test_without_marks_a_word_is_what_a_plain_keyboard_types():
    for marked, plain in BARE:
        assert strip_marks(normalize_spelling(marked)) == plain


@given(st.text())
def test_every_place_stays(text):
    text = unicodedata.normalize("NFC", text)
    assert len(normalize_spelling(text)) == len(text)
    assert len(strip_marks(normalize_spelling(text))) == len(text)


@given(st.text())
def test_doing_it_twice_changes_nothing(text):
    once = normalize_spelling(unicodedata.normalize("NFC", text))
    assert normalize_spelling(once) == once
    assert strip_marks(strip_marks(once)) == strip_marks(once)
