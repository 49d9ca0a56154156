"""Valid by default, changed by keyword."""

from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.publication import Publication

RELEASED_AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def a_publication(**changes: Any) -> Publication:
    """A released revision of a content item."""
    fields: dict[str, Any] = {
        "action": "published",
        "content_id": "lich-nghi-tet-2027",
        "revision": 1,
        "unit": "van-phong-bo",
        "topic": "lich-nghi-le",
        "title": "Lịch nghỉ Tết Nguyên đán năm 2027",
        "summary": "Công chức, viên chức nghỉ từ ngày 04 đến hết ngày 10 tháng 02 năm 2027.",
        "body": "Bộ Nội vụ thông báo lịch nghỉ Tết **Nguyên đán** năm 2027.",
        "first_released_at": RELEASED_AT,
        "released_at": RELEASED_AT,
        "event_id": "e" * 26,
    }
    return Publication.model_validate(fields | changes)


def numbered_publication(
    number: int,
    begin: datetime = RELEASED_AT,
    pause: timedelta = timedelta(minutes=1),
    **changes: Any,
) -> Publication:
    """The n-th of many items, first released *pause* after the one before."""
    at = begin + number * pause
    fields = {"content_id": f"tin-{number}", "title": f"Tin {number}"}
    return a_publication(**fields | {"first_released_at": at, "released_at": at} | changes)
