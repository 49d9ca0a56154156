"""The bus on a real server: what is stored, what conflicts, what stays unknown."""

import pytest

from contracts import subjects
from producers.bus import Bus, Conflict


async def test_a_published_message_is_stored_once_under_its_id(bus: Bus):
    first = await bus.publish("dead.intake", b"x", msg_id="one")
    again = await bus.publish("dead.intake", b"x", msg_id="one")
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.seq == again.seq
    assert [m.data async for m in bus.scan("DEAD")] == [b"x"]


async def test_a_key_can_be_created_once_and_again_after_a_purge(bus: Bus):
    bucket = bus.bucket(subjects.UNITS.name)
    revision = await bucket.create("vp", b"1")
    with pytest.raises(Conflict) as lost:
        await bucket.create("vp", b"2")
    assert lost.value.revision == revision
    await bucket.purge("vp")
    assert await bucket.get("vp") is None
    await bucket.create("vp", b"3")
    value = await bucket.get("vp")
    assert value is not None and value.data == b"3"
