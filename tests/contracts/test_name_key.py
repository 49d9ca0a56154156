"""Names of people are compared without marks, case, spaces and compatibility forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.text import is_same_name, name_key


@pytest.mark.parametrize(
    "spelling",
    [
        "Nguyen Van A",
        "NGUYỄN  VĂN  Á",
        "Nguye\u0302\u0303n Va\u0306n A\u0301",
        " nguyễn\u00a0văn\u200b á ",
        "Nguyễn-Văn-Á.",
        "Ｎｇｕｙｅｎ Ｖａｎ Ａ",
        "ngu\u00adyễn văn á",
    ],
)
def test_one_person_in_many_spellings(spelling):
    assert is_same_name(spelling, "Nguyễn Văn Á")


@pytest.mark.parametrize(("one", "other"), [("Đỗ Đức", "Do Duc"), ("ĐỖ", "đỗ"), ("Lê", "le")])
def test_vietnamese_letters_lose_their_marks(one, other):
    assert is_same_name(one, other)


@pytest.mark.parametrize(("one", "other"), [("Nguyễn Văn Á", "Nguyễn Văn B"), ("", ""), ("-", ".")])
def test_other_names_and_names_without_letters_are_not_the_same(one, other):
    assert not is_same_name(one, other)


@given(st.text())
def test_a_key_is_its_own_key(name):
    assert name_key(name_key(name)) == name_key(name)
