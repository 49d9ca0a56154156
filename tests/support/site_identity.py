"""Identity of a ministry: every field that head and foot of pages can show."""

from typing import Any

from design.settings import SiteIdentity

SAID: dict[str, Any] = {
    "ministry_url": "https://bo.example.vn/gioi-thieu",
    "phone": "024 0000 0000",
    "email": "lien-he@bo.example.vn",
    "press": "Phòng Báo chí, Văn phòng Bộ",
    "responsible": "Chánh Văn phòng Bộ",
    "licence": "số 00/GP-TTĐT ngày 02/01/2026",
    "postal_address": "8 Tôn Thất Thuyết, Hà Nội",
}
"""Every field but the emblem, which is a file."""
FULL = SiteIdentity(**SAID)
