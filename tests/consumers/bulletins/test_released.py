"""Released items, as an issue may tell of them, by the newest texts that readers have."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.bulletins.released import ReleasedItems
from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from tests.support.publications import a_publication
from tests.support.services import store_publication

NOW = datetime(2026, 12, 21, tzinfo=UTC)
START = NOW - timedelta(days=7)
"""The last issue gathered until then."""
TOPIC = "chuyen-doi-so"


def days(count: float) -> datetime:
    return START + timedelta(days=count)


async def store(bus, content_id: str, revision: int, released: float, **more) -> None:
    """A revision that was released so many days after START, or before it."""
    times = {"released_at": days(released), "first_released_at": more.pop("first", days(released))}
    known = {"content_id": content_id, "revision": revision, "topic": TOPIC}
    item = a_publication(**known | times | more)
    await store_publication(bus, item)


def items_of(bus) -> ReleasedItems:
    async def no_seals():
        return None

    return ReleasedItems(bus, no_seals)


async def found(bus) -> dict[str, int]:
    """The items that may be new, each with its revision."""
    read = await items_of(bus).of_topics([TOPIC], datetime(2026, 1, 1, tzinfo=UTC), START, NOW)
    return {content_id: one.revision for content_id, one in read.items()}


@pytest.fixture
async def released(bus):
    """Items before, in and after the span of an issue."""
    await store(bus, "cu", 1, -1)
    await store(bus, "moi", 1, 1)
    await store(bus, "cho-lau", 1, -30, not_before=days(2))
    await store(bus, "chua-toi", 1, 1, not_before=days(9))
    return bus


async def test_what_every_time_of_is_before_the_span_is_not_read(released):
    assert await found(released) == {"moi": 1, "cho-lau": 1}


async def test_the_newest_text_that_readers_have_counts_however_old_it_is(released):
    """A correction that readers had before the span takes the place of one that was to wait."""
    await store(released, "cho-lau", 2, -20, action="corrected", reason="Sai.")
    await store(released, "moi", 2, 2, first=days(1), action="corrected", reason="Sai.")
    await store(released, "moi", 3, 3, first=days(1), not_before=days(9))
    assert await found(released) == {"moi": 2}


async def test_an_item_that_went_to_another_topic_is_as_it_is_there(released):
    moved = {"first": days(1), "topic": "lich-nghi-le"}
    for name in ("doi", "go"):
        await store(released, name, 1, 1)
        await store(released, name, 2, 2, action="corrected", reason="Sai.", **moved)
    await store(released, "go", 3, 3, action="withdrawn", body="", reason="Gỡ.", **moved)
    read = await items_of(released).of_topics([TOPIC], days(-40), START, NOW)
    assert {name: (read[name].topic, read[name].action) for name in ("doi", "go")} == {
        "doi": ("lich-nghi-le", "corrected"), "go": ("lich-nghi-le", "withdrawn"),
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": {"released_at": "2026-12-15"}}'])
async def test_what_cannot_be_read_is_passed_over(released, body):
    await released.publish(f"publication.{TOPIC}.la", body, msg_id="la")
    assert await found(released) == {"moi": 1, "cho-lau": 1}


async def record(bus, content_id: str, revision: int) -> None:
    """Record of an item before its position is released."""
    item = Item(unit="van-phong-bo", state="released", revision=revision)
    await ItemRepository(bus).update_item(content_id, lambda _: item)


async def test_an_item_that_an_issue_told_of_is_read_again_only_if_it_has_a_newer_position(bus):
    for name in ("doi", "nguyen", "khong-ghi", "sap-doi"):
        await store(bus, name, 1, 1)
    await store(bus, "doi", 2, 2, action="corrected", reason="Sai.")
    for name, revision in (("doi", 2), ("nguyen", 1), ("sap-doi", 2)):
        await record(bus, name, revision)
    known = dict.fromkeys(("doi", "nguyen", "khong-ghi", "sap-doi", "la"), 1)
    read = await items_of(bus).of_changed(known, NOW)
    assert {name: one.revision for name, one in read.items()} == {
        "doi": 2, "khong-ghi": 1, "sap-doi": 1,
    }  # fmt: skip


async def test_however_many_items_were_told_of_one_request_asks_for_their_changes(bus):
    names = [f"tin-{number}" for number in range(400)]
    for name in names:
        await record(bus, name, 1)
    before = bus.connection.nc.stats["out_msgs"]
    assert await items_of(bus).of_changed(dict.fromkeys(names, 1), NOW) == {}
    assert bus.connection.nc.stats["out_msgs"] - before <= 3
