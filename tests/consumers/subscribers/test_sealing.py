"""Records about people are sealed at each start, and their keys looked through once a day."""

import time

import pytest

from consumers.key_file import KeyFile, seal_people
from consumers.subscribers.sealing import RecordSealer
from contracts import subjects
from producers.bus import NoReply
from producers.encryption import is_sealed
from producers.encryption.existing_records import BucketMigration

NAME, DAY_S = subjects.SUBSCRIBERS.name, 86_400


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


async def test_all_keys_are_read_once_a_day_however_often_a_process_starts(bus, clock):
    """A key without a record tells: it goes as soon as the keys are read."""
    keys = seal_people(bus, KeyFile(b"k" * 32))
    bucket, kept = bus.bucket(NAME), bus.bucket(subjects.PERSON_KEYS.name)

    async def start_beside_unused_key() -> bool:
        """Whether a process that starts now destroys the key that an erasure has left."""
        await bucket.put("s.an", b'{"email":"an@example.com"}')
        await bus.stored_bucket(NAME).purge("s.an")
        await RecordSealer(bus, keys, clock).run_if_due()
        return not await kept.keys(f"{NAME}.")

    clock.now = time.time() + 2 * DAY_S
    assert await start_beside_unused_key()
    clock.advance(DAY_S - 1)
    assert not await start_beside_unused_key()
    clock.advance(1)
    assert await start_beside_unused_key()
    clock.advance(-DAY_S)
    assert await start_beside_unused_key(), "a clock that was ahead holds nothing back"
