"""What was released, as an issue may tell of it, by the newest texts that readers have."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.bulletins.released import ReleasedItems
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
    item = a_publication(content_id=content_id, revision=revision, topic=TOPIC, **times | more)
    await store_publication(bus, item)


async def found(bus) -> dict[str, int]:
    """The items that may be new, each with its revision."""

    async def no_seals():
        return None

    items = ReleasedItems(bus, no_seals)
    read = await items.of_topics([TOPIC], datetime(2026, 1, 1, tzinfo=UTC), START, NOW)
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


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data": {"released_at": "2026-12-15"}}'])
async def test_what_cannot_be_read_is_passed_over(released, body):
    await released.publish(f"publication.{TOPIC}.la", body, msg_id="la")
    assert await found(released) == {"moi": 1, "cho-lau": 1}
