"""Who takes part in a campaign: units, a clerk, readers and their topics; and what units say."""

from dataclasses import dataclass
from typing import Any

from contracts.testing import sample
from tests.deep.crash.ledger_oracle import AcceptedEvent
from tests.deep.crash.received_mail import mark

UNIT, DESK_UNIT = "trung-tam-cong-nghe-thong-tin", "van-phong-bo"
TOPIC, BIG, BRIEF = "chuyen-doi-so", "cai-cach-hanh-chinh", "lao-dong-tien-luong-bhxh"
UNREAD = "dich-vu-cong-truc-tuyen"
READERS = {
    TOPIC: [f"{kind}-{n}@example.com"
            for kind, many in (("doc", 22), ("hoan", 3), ("muon", 2), ("dut", 2), ("tuchoi", 1))
            for n in range(many)],
    BIG: [f"nhieu-{n}@example.com" for n in range(520)],
    BRIEF: ["cham-0@example.com", "ngan-0@example.com"],
}  # fmt: skip
GATHERED = {
    "daily": [
        "gom-0@example.com",
        "gom-1@example.com",
        "muon-gom@example.com",
        "dut-gom@example.com",
    ],
    "weekly": ["gom-2@example.com", "gom-3@example.com"],
}
"""Who reads TOPIC in digests."""
CLERK = "Phòng Biên tập"


@dataclass
class SentEvent:
    """One event of a sender, and whether it got its answer."""

    event: dict[str, Any]
    unit: str
    is_told: AcceptedEvent
    accepted: bool = False

    @property
    def content_id(self) -> str:
        return self.is_told.content_id


def body(content_id: str, text: object) -> str:
    """What a unit writes; it says which text of which item it is."""
    return f"{sample('submitted')['data']['body']}\n\n{mark(content_id, text)}"
