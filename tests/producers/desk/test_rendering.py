"""Errors on pages of the desk: sentences, whose first word may be a value."""

import pytest

from contracts.errors import FieldError, Invalid
from producers.desk.rendering import errors_by_field


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("phải ghi lý do", "Phải ghi lý do"),
        ("đã hết hạn", "Đã hết hạn"),
        ("khong-co không phải vai trò", "khong-co không phải vai trò"),
        ("", ""),
    ],
)
def test_an_error_is_a_sentence_unless_it_begins_with_a_value(said, shown):
    wrong = Invalid(FieldError(field="reason", message="x", message_vi=said))
    assert errors_by_field(wrong) == {"reason": shown}
