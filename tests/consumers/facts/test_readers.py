"""Readers are counted when a day is over, once: a count reads the record of each of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from consumers.facts.follow import FactFollower
from consumers.facts.readers import ReaderDays, Readers, Subscribers
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.subscriptions.subscriber import Subscriber
from tests.support.clock import FakeClock

READERS = 30


@dataclass
class CountedPasses(Subscribers):
    """Readers of mail; `passes`: how many readers each count has found."""

    passes: list[int] = field(default_factory=list)

    async def count(self, days: ReaderDays) -> None:
        await super().count(days)
        self.passes.append(days.total)


async def add_readers(bus) -> None:
    for number in range(READERS):
        person = Subscriber(id=f"nguoi-doc-{number}", email=f"{number}@example.com")
        data = person.model_dump_json().encode()
        await bus.bucket(subjects.SUBSCRIBERS.name).put(f"s.{person.id}", data)


async def test_an_import_and_restarts_make_no_further_count(bus):
    clock = FakeClock(datetime.now(UTC).timestamp())
    people = CountedPasses(bus.bucket(subjects.SUBSCRIBERS.name))
    store = FactStore(bus)

    async def hour(rounds: int) -> list[int]:
        """The counts of a process that starts now, in *rounds* of a minute."""
        follower = FactFollower(store, [Readers(people, store, clock)], clock)
        people.passes.clear()
        for _ in range(rounds):
            await follower.follow()
            clock.advance(60)
        return [*people.passes]

    assert await hour(rounds=2) == [0]
    await add_readers(bus)
    assert await hour(rounds=3) == []
    clock.advance(timedelta(days=1).total_seconds())
    assert await hour(rounds=3) == [READERS]
    assert await hour(rounds=3) == []


async def test_a_first_start_beside_readers_counts_them_once(bus):
    clock, store = FakeClock(datetime.now(UTC).timestamp()), FactStore(bus)
    people = CountedPasses(bus.bucket(subjects.SUBSCRIBERS.name))
    await add_readers(bus)
    follower = FactFollower(store, [Readers(people, store, clock)], clock)
    for _ in range(4):
        await follower.follow()
        clock.advance(60)
    assert people.passes == [READERS]
    await follower.rebuild()
    assert people.passes == [READERS] * 2
