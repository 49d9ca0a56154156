"""Plain data of an earlier version is sealed at the start, also where the bus is away then."""

import pytest

from consumers.key_file import KeyFile, seal_people
from consumers.subscribers.sealing import RecordSealer
from contracts import subjects
from producers.bus import NoReply
from producers.encryption import is_sealed
from producers.encryption.existing_records import BucketMigration

NAME = subjects.SUBSCRIBERS.name


async def test_a_bus_that_is_away_puts_the_sealing_off_by_a_minute_and_not_by_a_day(
    bus, clock, monkeypatch
):
    stored = bus.stored_bucket(NAME)
    await stored.put("s.an", b'{"email":"an@example.com"}')
    sealer = RecordSealer(bus, seal_people(bus, KeyFile(b"k" * 32)), clock)

    async def away(_):
        raise NoReply("away")

    with monkeypatch.context() as outage, pytest.raises(NoReply):
        outage.setattr(BucketMigration, "run", away)
        await sealer.run_if_due()
    clock.advance(60)
    await sealer.run_if_due()
    assert is_sealed((await stored.get("s.an")).data)
    monkeypatch.setattr(BucketMigration, "run", away)
    clock.advance(86_000)
    await sealer.run_if_due()  # not before a day has passed
    clock.advance(400)
    with pytest.raises(NoReply):
        await sealer.run_if_due()
