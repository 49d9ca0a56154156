"""A text that is too long for Zalo ends cleanly: whole letters, whole words, and `…`."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.text.limits import (
    AUTHOR_LIMIT,
    DESCRIPTION_LIMIT,
    ELLIPSIS,
    TITLE_LIMIT,
    TRIMMED_AT_CUT,
    WORD_CUT_MIN,
    TextLimit,
    shorten,
    utf16_units,
)

LIMITS = (TITLE_LIMIT, DESCRIPTION_LIMIT, AUTHOR_LIMIT, TextLimit(10, 12))
VIETNAM, FAMILY, THUMB = "🇻🇳", "👨‍👩‍👧‍👦", "👍🏽"
WORDS = st.sampled_from(
    ["Bộ", "Nội", "vụ", "công bố", "thủ tục", "hành chính", "Nghị định", "số 276/2026/NĐ-CP",
     "ngày 08/7/2026;", "“tinh gọn”", "&", '"', "Ｐ", "𝒱", VIETNAM, FAMILY, THUMB, "ก็",
     "https://moha.gov.vn/tin/lich-nghi-tet-nguyen-dan-nam-2027-cua-can-bo-cong-chuc"]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=60).map(" ".join) | st.lists(WORDS, max_size=60).map("".join)
ANY = st.text(st.characters(codec="utf-8"), max_size=600)


def squeezed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@pytest.mark.parametrize("limit", LIMITS)
@given(text=TEXTS | ANY)
@settings(max_examples=150, deadline=None)
@example(text="ệ" * 300)
@example(text=VIETNAM * 100)
@example(text="a" + VIETNAM * 100)
@example(text="a" * 139 + "\u0323b")
def test_what_is_cut_fits_and_is_clean(limit, text):
    whole, short = squeezed(text), shorten(text, limit)
    assert limit.allows(short)
    assert unicodedata.is_normalized("NFC", short)
    short.encode("utf-8")  # no half of a pair
    assert shorten(short, limit) == short
    if short == whole:
        return
    assert not limit.allows(whole), "a text that fits is left alone"
    kept = short.removesuffix(ELLIPSIS)
    assert short.endswith(ELLIPSIS)
    assert whole.startswith(kept)
    assert kept == kept.rstrip(TRIMMED_AT_CUT)
    clean(kept, whole[len(kept) :], limit.plain)


def clean(kept: str, rest: str, most: int) -> None:
    """Nothing that is one sign is torn, and no word that could have been spared."""
    assert not unicodedata.category(rest[0]).startswith("M") or not kept
    assert not kept.endswith("\u200d")
    flags = len(kept) - len(kept.rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    assert flags % 2 == 0 or not "\U0001f1e6" <= rest[0] <= "\U0001f1ff"
    if rest[0] not in TRIMMED_AT_CUT:  # in the middle of a word
        assert " " not in kept[int(most * WORD_CUT_MIN) + 1 :]


@pytest.mark.parametrize("sign", [VIETNAM, FAMILY, THUMB, "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "ก็", "é̩"])
@pytest.mark.parametrize("before", range(6))
def test_a_sign_of_several_characters_is_kept_or_dropped_as_a_whole(sign, before):
    text = "a" * before + sign * 200
    kept = shorten(text, TextLimit(60, 80)).removesuffix(ELLIPSIS)
    rest = kept.removeprefix("a" * before)
    assert rest == unicodedata.normalize("NFC", sign) * (len(rest) // len(squeezed(sign)))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_documented_lengths_are_kept_in_the_composed_form(form):
    text = unicodedata.normalize(form, "Thủ tục hành chính được công bố " * 30)
    assert utf16_units(shorten(text, TITLE_LIMIT)) <= 140
    assert utf16_units(shorten(text, DESCRIPTION_LIMIT)) <= 250
    assert shorten(text, TITLE_LIMIT) == shorten(unicodedata.normalize("NFC", text), TITLE_LIMIT)


def test_a_word_is_halved_only_where_it_alone_is_too_long():
    assert shorten("Bộ " + "a" * 300, TITLE_LIMIT) == "Bộ " + "a" * 136 + ELLIPSIS
    assert shorten("Bộ Nội vụ " * 30, TextLimit(18, 18)) == "Bộ Nội vụ Bộ Nội" + ELLIPSIS
