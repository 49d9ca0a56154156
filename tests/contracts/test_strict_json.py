"""Strict JSON: what is looked at as a whole, and what text by text, is refused alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import text
from contracts.base import strict_json
from contracts.errors import Unreadable

pieces = st.sampled_from(["a", "ế", "\u0301", "\u0302\u0323", "\ud83d", "\udc8e", "💎", "\\u", '"'])
texts = st.lists(pieces, max_size=14).map("".join)
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def all_texts(value):
    if isinstance(value, str):
        yield value
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from (key, *all_texts(inner))
    for inner in value if isinstance(value, list) else ():
        yield from all_texts(inner)


def broken(said: str) -> bool:
    halves = any("\ud800" <= letter <= "\udfff" for letter in said)
    return halves or text.stacked_marks(said) is not None


@given(values, st.booleans())
def test_a_value_is_refused_when_one_of_its_texts_is_broken_and_else_comes_back(value, escaped):
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    value = json.loads(body.decode("utf-8", "surrogatepass"))  # two halves may have met
    try:
        read = strict_json.loads(body)
    except Unreadable:
        assert any(map(broken, all_texts(value))), body
    else:
        assert read == value
        assert not any(map(broken, all_texts(value))), body


@pytest.mark.parametrize(
    ("body", "english", "vietnamese"),
    [
        ("", "is empty", "trống"),
        (" \n", "is empty", "trống"),
        ('{"a":}', "a value is missing", "thiếu giá trị"),
        ('{"a" 1}', "a colon (:) is missing", "thiếu dấu hai chấm"),
        ('{"a":1 "b":2}', "a comma (,) is missing", "thiếu dấu phẩy (,)"),
        ("{a:1}", "a field's name in double quotes is missing", "thiếu tên trường"),
        ("1 2", "something follows", "thừa nội dung"),
        ('"abc', "no closing double quote", "thiếu dấu ngoặc kép đóng"),
        ('"a\tb"', "a control character", "ký tự điều khiển"),
        ('"\\x"', "begins no known escape", "không hợp lệ"),
        ('"\\uZZ"', "is no code of a character", "không hợp lệ"),
    ],
)
def test_what_is_no_json_is_said_in_both_languages(body, english, vietnamese):
    with pytest.raises(Unreadable) as refused:
        strict_json.loads(body.encode())
    (error,) = refused.value.errors
    assert english in error.message and vietnamese in error.message_vi
    assert english not in error.message_vi
    assert "tiếng Anh" not in error.message_vi


@pytest.mark.parametrize("depth", [11, 12, 13])
@pytest.mark.parametrize("kind", ["[]", '{"a":}'])
def test_so_deep_and_no_deeper(depth, kind):
    opened, closed = kind[:-1], kind[-1]
    body = (opened * depth + ("1" if kind != "[]" else "") + closed * depth).encode()
    if depth <= strict_json.MAX_DEPTH:
        assert strict_json.loads(body)
        return
    with pytest.raises(Unreadable) as refused:
        strict_json.loads(body)
    assert "12" in refused.value.errors[0].message
