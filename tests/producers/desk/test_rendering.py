"""Words of the desk: errors are sentences that name their field; large numbers are grouped."""

import pytest

from contracts.errors import FieldError, Invalid, field_error
from producers.desk.rendering import DeskPages, errors_by_field


@pytest.mark.parametrize(
    ("field", "said", "shown"),
    [
        ("kind", "phải trả lời", "Phải trả lời"),
        ("kind", "khong-co không phải vai trò", "khong-co không phải vai trò"),
        ("kind", "", ""),
        ("data.title", "là trường bắt buộc", "Tiêu đề là trường bắt buộc"),
        ("title", "dài quá", "Tiêu đề dài quá"),
        ("cover.url", "không được để trống", "Địa chỉ ảnh bìa không được để trống"),
        ("data.links.0.url", "phải là địa chỉ", "Địa chỉ của liên kết số 1 phải là địa chỉ"),
        ("data.links.1.title", "dài quá", "Tên hiển thị của liên kết số 2 dài quá"),
        ("data.links.0", "không hợp lệ", "Liên kết 1 không hợp lệ"),
        ("topic", "khong-co không có trong danh mục", "Chủ đề: khong-co không có trong danh mục"),
        ("note", "xin Quý vị ghi lý do gỡ tin", "Xin Quý vị ghi lý do gỡ tin"),
        ("reason", "xin Quý vị ghi lý do trích xuất", "Xin Quý vị ghi lý do trích xuất"),
        ("id", "không có sự kiện bị loại số 9", "Không có sự kiện bị loại số 9"),
        ("terminal_code", "không có máy nào đang chờ", "Không có máy nào đang chờ"),
        ("data.audiences", "không có trong danh mục", "Đối tượng không có trong danh mục"),
        ("data.body", "quá dài: cả tin", "Nội dung quá dài: cả tin"),
        ("data.expires_at", "phải sau not_before", "Hết hạn lúc phải sau “Đăng từ”"),
        ("title", "quá dài: ghi short_title", "Tiêu đề quá dài: ghi “Tiêu đề ngắn (Zalo)”"),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence_that_names_its_field(field, said, shown):
    wrong = Invalid(FieldError(field=field, message="x", message_vi=said))
    assert errors_by_field(wrong) == {field: shown}


@pytest.mark.parametrize("field", ["data.title", "data.body", "data.topic", "unit", "login"])
def test_what_is_missing_is_named(field):
    [said] = errors_by_field(Invalid(field_error(field, "missing"))).values()
    assert said.endswith(" là trường bắt buộc")


def test_large_numbers_are_grouped_as_in_vietnamese():
    grouped = DeskPages().environment.filters["grouped"]
    assert [*map(grouped, (0, 999, 1000, 1234567))] == ["0", "999", "1.000", "1.234.567"]
