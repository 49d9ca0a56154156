"""Facts of a year of a sample ministry, and their data set."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.data_set import DataSet, Former, Header, write_data_set
from consumers.periodic_reports.rows import Gap, Row
from consumers.periodic_reports.span import Span

YEAR = Span.of_year(2026)
SILENT = Gap(kind="items", first=date(2026, 4, 1), last=date(2026, 4, 30), reason="source_away")
UNREAD = Gap(kind="opinions", first=YEAR.first, last=YEAR.last, reason="not_measured")
UNSEEN = Gap(kind="views", first=YEAR.first, last=YEAR.last, reason="not_measured")
NAMES = {
    "unit": {
        "van-phong-bo": "Văn phòng Bộ",
        "vu-cai-cach-hanh-chinh": "Vụ Cải cách hành chính",
        "vu-phap-che": "Vụ Pháp chế",
    },
    "topic": {"cai-cach-hanh-chinh": "Cải cách hành chính", "chuyen-doi-so": "Chuyển đổi số"},
}
CHANNELS = ("email", "portal", "zalo")


def header(**changes: object) -> Header:
    former = Former(label="2025", sha256="0" * 64, figures={"items_published": "812"})
    known: dict[str, object] = {
        "label": "2026",
        "first": YEAR.first,
        "last": YEAR.last,
        "names": NAMES,
        "plan": {"items_published": "1000"},
        "former": former,
        "texts": load_texts(Path("none")),
    }
    return Header.model_validate(known | changes)


def rows_of_items(number: int, seed: int = 1) -> Iterator[Row]:
    """Rows of so many items: published, approved, delivered on each channel."""
    chance, days = random.Random(seed), sorted(YEAR.days())
    open_days = [day for day in days if not SILENT.first <= day <= SILENT.last]
    for count in range(number):
        unit, topic = chance.choice([*NAMES["unit"]]), chance.choice([*NAMES["topic"]])
        facts = {"unit": unit, "topic": topic, "item": f"tin-{count}"}
        day = chance.choice(open_days)
        yield Row(day, "items.published", 1, **facts)
        yield Row(day, "desk.approved_after", 1, seconds=chance.randrange(400_000), **facts)
        for channel in CHANNELS:
            expected = chance.randrange(2_000)
            failed = expected // 50
            at = {"channel": channel, "lane": "normal", **facts}
            yield Row(day, "deliveries.expected", expected, **at)
            yield Row(day, "deliveries.delivered", expected - failed, **at)
            yield Row(day, "deliveries.failed", failed, detail="unreachable", **at)


def rows_of_followers() -> Iterator[Row]:
    for n in range((YEAR.last - YEAR.first).days + 1):
        day = YEAR.first + timedelta(n)
        for channel in ("email", "zalo"):
            yield Row(day, "readers.level", 11_000 + 7 * n, channel=channel)
            yield Row(day, "readers.gained", 9, channel=channel)
            yield Row(day, "readers.lost", 2, channel=channel)


def write_year(path: Path, number: int = 200, **changes: object) -> DataSet:
    """A year with so many items, a month without data, and opinions without a count."""
    rows = [*rows_of_items(number), *rows_of_followers()]
    return write_data_set(path, header(**changes), [SILENT, UNREAD, UNSEEN], rows)
