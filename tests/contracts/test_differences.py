"""Marked differences: nothing of either text is lost, and any two texts are compared in time."""

import random
import time

import pytest

from contracts.text.differences import Change, Mark, changed_parts, marked_changes, paragraphs

WORDS = [f"từ{number}" for number in range(2000)]
PIECES = ["a", "b ", "c", "\n\n", " ", "đ.", "x y", "\n", "| "]


def read(changes: list[Change], without: Mark) -> list[str]:
    """One of the two texts, as its paragraphs."""
    texts = [[part.text for part in one.parts if part.mark is not without] for one in changes]
    return ["".join(parts) for parts in texts if parts]


def assert_complete(old: str, new: str) -> None:
    changes = marked_changes(old, new)
    assert read(changes, without=Mark.ADDED) == paragraphs(old)
    assert read(changes, without=Mark.REMOVED) == paragraphs(new)
    assert [one.old for one in changes if one.old] == list(range(1, len(paragraphs(old)) + 1))
    assert [one.new for one in changes if one.new] == list(range(1, len(paragraphs(new)) + 1))
    assert changes == marked_changes(old, new)


def test_both_texts_can_be_read_from_the_marks():
    chance = random.Random(17)
    for _ in range(3000):
        old, new = ("".join(chance.choices(PIECES, k=chance.randint(0, 30))) for _ in range(2))
        assert_complete(old, new)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("Nghỉ Tết năm 2026.", "Nghỉ Tết năm 2027.", ["=Nghỉ Tết năm ", "-2026", "+2027", "=."]),
        ("cho cán bộ", "cho công chức", ["=cho ", "-cán bộ", "+công chức"]),
        ("một hai", "một hai ba", ["=một hai", "+ ba"]),
        ("", "mới", ["+mới"]),
    ],
)
def test_words_that_changed_are_marked_and_no_others(old, new, parts):
    signs = {Mark.SAME: "=", Mark.REMOVED: "-", Mark.ADDED: "+"}
    assert [signs[one.mark] + one.text for one in changed_parts(old, new)] == parts


def test_a_changed_paragraph_is_compared_with_its_new_form():
    old = "Đoạn đầu.\n\nHồ sơ nộp trước ngày 15 tháng 12.\n\nĐoạn cuối."
    new = "Đoạn đầu.\n\nMột đoạn thêm hẳn vào.\n\nHồ sơ nộp trước ngày 20 tháng 12.\n\nĐoạn cuối."
    marks = [(one.mark, one.old, one.new) for one in marked_changes(old, new)]
    expected = [(Mark.SAME, 1, 1), (Mark.ADDED, 0, 2), (Mark.CHANGED, 2, 3), (Mark.SAME, 3, 4)]
    assert marks == expected


def text_of(size: int, chance: random.Random) -> str:
    return "".join(
        " ".join(chance.choices(WORDS, k=chance.randint(5, 120))) + ".\n\n" for _ in range(size)
    )


def hard_pairs():
    chance = random.Random(1)
    long = text_of(300, chance)
    words = long.split(" ")
    edited = " ".join("MỚI" if chance.random() < 0.02 else word for word in words)
    yield long, edited
    yield long, text_of(300, chance)
    yield long.replace("\n\n", " "), edited.replace("\n\n", " ")
    yield "a " * 50_000, "b a " * 25_000
    yield "a\n\n" * 30_000, "b\n\na\n\n" * 15_000
    yield " ".join(map(str, range(15_000))), " ".join(map(str, range(15_000, 0, -1)))


@pytest.mark.parametrize(("old", "new"), [*hard_pairs()], ids=map(str, range(6)))
def test_any_two_texts_of_100_kb_are_compared_in_time(old, new):
    before = time.process_time()
    marked_changes(old, new)
    assert time.process_time() - before < 5
