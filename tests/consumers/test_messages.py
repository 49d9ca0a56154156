"""Errors of consumers: a text in both languages for every code, and none for nothing."""

import ast
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.messages import field_error, load_catalog, translate
from contracts.vocabulary import REJECTIONS

ROOT = Path(__file__).parents[2]
CONSUMERS = ROOT / "consumers"


def literals() -> Iterator[str]:
    """Every text literal in the code of the consumers."""
    for path in CONSUMERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def codes() -> Iterator[str]:
    """Every code given to `consumers.messages.field_error` outright."""
    for path in CONSUMERS.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        ours = any(
            isinstance(node, ast.ImportFrom)
            and node.module == "consumers.messages"
            and any(name.name == "field_error" for name in node.names)
            for node in ast.walk(tree)
        )
        yield from (code for node in ast.walk(tree) if ours for code in given(node))


def given(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id="field_error"), args=[_, ast.Constant(value=str(code)), *_]):
            yield code


def test_every_code_has_a_text():
    assert set(codes()) - load_catalog("messages").keys() == set()


def test_every_text_is_used():
    assert load_catalog("messages").keys() - set(literals()) == set()


ENGLISH = {"detail"}
"""Words of a library, which no Vietnamese sentence should end with."""


@pytest.mark.parametrize("catalogue", [load_catalog("messages"), REJECTIONS])
def test_every_text_is_there_in_both_languages_with_the_same_values(catalogue):
    for code, said in catalogue.items():
        assert set(said) == {"en", "vi"}, code
        assert all(text.strip() == text != "" for text in said.values()), code
        assert names(said["en"]) - names(said["vi"]) <= ENGLISH, code
        assert names(said["vi"]) <= names(said["en"]), code


def names(text: str) -> set[str]:
    return set(re.findall(r"{(\w*)", text))


@pytest.mark.parametrize(
    ("said", "vietnamese"),
    [
        ("edited", "sửa rồi gửi"),
        ("no connection: Connection refused", "không kết nối được: bên kia từ chối kết nối"),
        ("no connection: Quota exceeded", "không kết nối được: “Quota exceeded”"),
        ("AUTH 535", "máy chủ gửi thư từ chối đăng nhập (535)"),
        ("enospc", "ổ đĩa đã đầy"),
        ("no connection: No route to host", "không kết nối được: không có đường mạng tới máy đó"),
        ("no answer within 60 s", "không trả lời trong 60 giây"),
        ("421", "máy chủ gửi thư tự ngắt kết nối (421)"),
        ("a thing: of tomorrow", "“a thing: of tomorrow”"),
        ("", ""),
    ],
)
def test_a_reason_is_vietnamese_where_it_is_known_and_quoted_where_not(said, vietnamese):
    assert translate(said) == (said, vietnamese)


def test_no_word_is_kept_that_nobody_says():
    rooms = ("channels", "consumers")
    code = "".join(
        path.read_text("utf-8") for room in rooms for path in ROOT.glob(f"{room}/**/*.py")
    )
    system = {"Name or service not known", "Temporary failure in name resolution"}
    ours = set(load_catalog("translations")) - system
    said = {one for one in ours if f'"{one}' in code or f"'{one}" in code}
    composed = {one for one in ours - said if f'f"{one.split()[0]} {{' in code}
    assert ours - said - composed == set()


def test_a_trouble_of_the_system_is_worded_once():
    named = {name.lower() for name in errno.errorcode.values()}
    said = named | {os.strerror(number) for number in errno.errorcode}
    assert [one for one in load_catalog("translations") if one in said] == []


def test_a_value_in_a_text_is_bounded_and_visible():
    said = field_error("header", "unknown_column", value="a\u202eb\n" + "x" * 500, expected="email")
    assert "U+202E" in said.message
    assert "\n" not in said.message
    assert len(said.message) < 300
