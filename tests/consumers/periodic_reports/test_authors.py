"""The list of items by author: first texts of the span, and no correction."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl

from consumers.intake.items import Item, Position
from consumers.periodic_reports.authors import AuthorList, AuthorRow, published_by_author
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.span import Span
from contracts import subjects
from contracts.vocabulary import DEFAULT
from tests.consumers.periodic_reports.test_from_facts import AT, DAY, MARCH

LATER = datetime(2026, 4, 2, 3, tzinfo=UTC)
NEXT_DAY = AT + timedelta(days=1)


async def put(bus, content_id: str, position: dict, item: dict) -> None:
    """An item and the record of its first position."""
    bucket = bus.bucket(subjects.PUBLISHED.name)
    known = {"unit": "van-phong-bo", "revision": 1, "state": "released", "released": {1: AT}}
    await bucket.put(content_id, Item.model_validate(known | item).model_dump_json().encode())
    number = item.get("first", 1)
    facts = {
        "event_id": f"vn:{content_id}",
        "hash": "h",
        "unit": "van-phong-bo",
        "kind": "submitted",
        "state": "released",
        "at": AT,
        "title": content_id,
        "topic": "chuyen-doi-so",
    }
    record = Position.model_validate(facts | position)
    await bucket.put(f"{content_id}.{number}", record.model_dump_json().encode())


async def test_each_item_counts_for_its_author_when_readers_first_had_it(bus):
    await put(bus, "cua-an", {"author": "a1"}, {})
    await put(bus, "cua-binh", {"author": "Trần Bình", "submitter": "a1"}, {})
    await put(bus, "khong-ten", {"submitter": "a1"}, {})
    gone = {"state": "withdrawn", "released": {1: AT, 2: LATER}, "withdrawals": (2,)}
    await put(bus, "da-go", {"author": "a1"}, gone)
    corrected = {"released": {1: AT, 2: LATER}, "revision": 2}
    await put(bus, "dinh-chinh", {"author": "a1"}, corrected)
    await put(bus, "thang-sau", {"author": "a1"}, {"starts": {1: LATER}})
    overtaken = {"starts": {1: NEXT_DAY}, "released": {1: AT, 2: AT}}
    await put(bus, "go-truoc-gio", {"author": "a1"}, {"withdrawals": (2,), **overtaken})
    moved = {"starts": {1: NEXT_DAY, 2: LATER}, "released": {1: AT, 2: AT}, "first": 2}
    await put(bus, "doi-gio", {"author": "a1"}, moved)
    await put(bus, "chua-dang", {"author": "a1", "state": "waiting"}, {"released": {}, "state": ""})
    found = await published_by_author(bus, MARCH, {"a1": "Lê An"})
    facts = {"unit": "van-phong-bo", "topic": "chuyen-doi-so", "day": DAY}
    an = {"account": "a1"}
    expected = [
        ("Lê An", "cua-an", an),
        ("Lê An", "da-go", {"is_withdrawn": True, **an}),
        ("Lê An", "dinh-chinh", an),
        ("Lê An", "khong-ten", {"is_sender": True, **an}),
        ("Trần Bình", "cua-binh", {}),
    ]
    assert found == [
        AuthorRow(author=author, title=id, content_id=id, **facts, **more)
        for author, id, more in expected
    ]
    april = Span(LATER.date(), LATER.date())
    in_april = await published_by_author(bus, april, {})
    assert [row.content_id for row in in_april] == ["doi-gio", "thang-sau"]


def test_two_people_of_one_name_are_counted_apart():
    accounts = ("a-1", "a-1", "a-2")
    rows = [
        AuthorRow("Lê An", "van-phong-bo", "Tin", f"tin-{n}", "chuyen-doi-so", DAY, account=one)
        for n, one in enumerate(accounts)
    ]
    found = AuthorList(rows, load_texts(Path("none")), DEFAULT).workbook()
    totals = openpyxl.load_workbook(io.BytesIO(found)).worksheets[1]
    assert [row[2:] for row in [*totals.values][1:]] == [(2, "a-1"), (1, "a-2")]
