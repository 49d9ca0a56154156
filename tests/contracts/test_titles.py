"""Titles: 300 characters, a short one for Zalo, and a warning where Zalo shows a part."""

import hashlib
import unicodedata

import pytest

from contracts import events, publication
from contracts.text.limits import TITLE_LIMIT, shorten
from tests.support.minimal_event import (
    MINIMAL,
    a_publication,
    decoded,
    decoded_data,
    error_fields,
    submitted,
)
from tests.support.schemas import DATA, accepts

LONG = (
    "Quyết định về việc công bố thủ tục hành chính mới ban hành, được sửa đổi, bổ sung, bãi bỏ "
    "trong lĩnh vực tổ chức bộ máy thuộc phạm vi chức năng quản lý nhà nước của Bộ Nội vụ"
)
RELEASED_BYTES = "1d4c5a9c6f30c02d179439ce9603a226f37bbaafacf7b83481f6f19af0704780"
SHORT = "Công bố thủ tục hành chính lĩnh vực tổ chức bộ máy"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("field", "most"), [("title", 300), ("short_title", 150)])
def test_a_title_is_counted_in_composed_characters(form, field, most):
    longest = unicodedata.normalize(form, "ộ" * most)
    assert getattr(decoded_data(submitted(**{field: longest})), field) == "ộ" * most
    assert list(error_fields(submitted(**{field: longest + "ộ"}))) == [f"data.{field}"]
    assert accepts(DATA, MINIMAL | {field: "ộ" * most})
    assert not accepts(DATA, MINIMAL | {field: "ộ" * (most + 1)})


def test_a_publication_without_a_short_title_keeps_the_bytes_it_had():
    stored = publication.encode(a_publication())
    assert hashlib.sha256(stored).hexdigest() == RELEASED_BYTES
    assert publication.decode(stored).short_title is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"title": LONG}, [("data.title", "title_cut")]),
        ({"title": LONG, "short_title": SHORT}, []),
        (
            {"title": LONG, "short_title": LONG[:150]},
            [("data.short_title", "short_title_cut")],
        ),
        ({"title": LONG, "channels": ["portal", "email"]}, []),
        ({"title": SHORT}, []),
    ],
)
def test_a_title_that_zalo_shows_in_part_is_warned_of(changes, expected):
    warnings = events.find_warnings(decoded_data(submitted(**changes)))
    assert [(one.field, one.code) for one in warnings] == expected
    end = shorten(changes.get("short_title", LONG), TITLE_LIMIT)[-20:]
    assert all(end in one.message and end in one.message_vi for one in warnings)


def test_a_warning_is_true_of_a_title_that_is_short_and_of_a_short_title():
    quoted = decoded_data(submitted(title='Thông báo "A" & "B" ' * 6))
    [warning] = events.find_warnings(quoted)
    assert len(quoted.title) < 140
    assert "quotation marks and & count as several" in warning.message
    assert "longer" not in warning.message and "short_title" in warning.message
    [warning] = events.find_warnings(decoded_data(submitted(short_title=LONG[:150])))
    assert "short_title" not in warning.message + warning.message_vi


def test_a_withdrawal_is_warned_of_its_own_title_alone():
    assert not events.find_warnings(decoded_data(decoded("withdrawn")))
    replaced = decoded_data(decoded("withdrawn", title=LONG))
    assert [one.field for one in events.find_warnings(replaced)] == ["data.title"]
    short = decoded_data(decoded("withdrawn", title=LONG, short_title=SHORT))
    assert not events.find_warnings(short)
