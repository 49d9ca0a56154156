"""An interruption of services, as an event announces it."""

from datetime import datetime, timedelta
from typing import Any

SERVICES = ("Nộp hồ sơ trực tuyến", "Tra cứu tình trạng hồ sơ")


def an_interruption(begins: datetime, hours: float = 6, **changes: Any) -> dict[str, Any]:
    """An interruption from *begins* on; *changes* are other fields of it."""
    facts = {
        "services": list(SERVICES),
        "begins_at": begins.isoformat(),
        "expected_recovery_at": (begins + timedelta(hours=hours)).isoformat(),
        "cause": "Nâng cấp hạ tầng",
        "alternative": "Nộp hồ sơ trực tiếp tại Bộ phận Một cửa",
    }
    return facts | changes
