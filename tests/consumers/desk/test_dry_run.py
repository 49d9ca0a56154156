"""The dry run's numbers are those of the release that follows it."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from consumers.desk.release.mail_reach import MailReachCounter
from consumers.desk.release.planned_rows import PlannedRows
from consumers.directory.directory import Directory
from consumers.dispatch.audience import SubscriberAudience
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.reporting.plan_summary import summarize
from consumers.suppression.cache import SuppressionAwareContacts
from contracts import subjects
from contracts.delivery import ChannelName, Lane, PlanKey, Status
from contracts.desk.reach import MailReach
from contracts.publication import StoredPublication, decode
from tests.support.desk_app import CHANNELS
from tests.support.directory_harness import DirectoryHarness, running_directory
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted
from tests.support.intake_harness import IntakeHarness
from tests.support.pipeline_harness import RecordingChannel
from tests.support.services import new_dispatcher, new_worker, wake_until_closed
from tests.support.suppression_cache import RunningCache

TOPIC, AUDIENCE = "cai-cach-hanh-chinh", "cong-chuc"
READERS = {
    **{f"all-{number}": {} for number in range(700)},
    **{f"topic-{number}": {"topics": (TOPIC,)} for number in range(40)},
    **{f"chose-{number}": {"audiences": (AUDIENCE,)} for number in range(30)},
    **{f"other-{number}": {"topics": ("viec-lam",)} for number in range(20)},
    **{f"daily-{number}": {"frequency": "daily"} for number in range(10)},
    **{f"weekly-{number}": {"frequency": "weekly"} for number in range(5)},
    **{f"paused-{number}": {"paused_until": datetime(2199, 1, 1, tzinfo=UTC)} for number in (1, 2)},
    "returned": {},
}


class World:
    """Readers, and a release that can be counted and made."""

    def __init__(self, bus, clock, directory, cache, folder) -> None:
        self.bus, self.clock, self.directory = bus, clock, directory
        self.repository = ItemRepository(bus)
        self.readers = DirectoryHarness(bus)
        self.intake, self.ledger = IntakeHarness(bus, clock).intake, Ledger(bus)
        contacts = SuppressionAwareContacts(directory, cache.suppressed)
        audience = SubscriberAudience(directory)
        planned = PlannedRows(bus, {**CHANNELS, ChannelName.EMAIL: audience})
        self.counter = MailReachCounter(directory, contacts, planned, time.time)
        self.dispatcher = new_dispatcher(bus, audience, self.repository, clock)
        channel = RecordingChannel(name=ChannelName.EMAIL, window=25)
        self.worker = new_worker(bus, channel, clock, folder, contact_lookup=contacts)

    async def count(self, publication) -> MailReach:
        await self.directory.ready()
        while (found := await self.counter.count(publication)) is None:
            pass
        return found

    async def released(self, event):
        """Publications of the event, as its stream has them."""
        await self.intake.handle(event, UNIT)
        item = await self.repository.item(ITEM)
        position = await self.repository.position(ITEM, item.revision)
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, position.seq)
        return StoredPublication(publication=decode(message.data), seq=position.seq)

    async def send(self, released) -> Counter:
        """Plan and deliver; the rows by status."""
        await self.dispatcher.on_publication(released)
        publication = released.publication
        plan = PlanKey(ChannelName.EMAIL, publication.content_id, publication.revision)
        cursor = (await self.ledger.plan(plan)).value
        async for batch, _ in self.ledger.entries(plan, cursor):
            await wake_until_closed(self.worker, self.clock, batch, publication.lane)
        found = await summarize(self.ledger, plan, cursor)
        assert cursor.planned == sum(found.statuses.values())
        return found.statuses


@pytest.fixture
async def world(bus, clock, tmp_path):
    await register_unit(bus)
    directory = Directory(bus, tmp_path / "directory.sqlite")
    async with running_directory(directory), RunningCache(bus) as cache:
        world = World(bus, clock, directory, cache, tmp_path)
        await asyncio.gather(*(world.readers.add(id, **one) for id, one in READERS.items()))
        await cache.add("returned@example.com")
        await directory.ready()
        yield world


async def test_news_reach_those_whom_the_count_names(world):
    released = await world.released(submitted(audiences=(AUDIENCE, "cong-dan")))
    reach = await world.count(released.publication)
    assert (reach.readers, reach.other_choices) == (len(READERS), 20)
    assert (reach.daily, reach.weekly) == (10, 5)
    assert reach.matching == reach.planned == 700 + 40 + 30 + 2 + 1
    assert reach.by_audience == {AUDIENCE: 30, "": 743}
    assert (reach.paused, reach.left, sum(reach.suppressed.values())) == (2, 0, 1)
    assert reach.sent == 770
    statuses = await world.send(released)
    assert statuses == {Status.DELIVERED: reach.sent, Status.SUPPRESSED: 3}


async def test_urgent_news_reach_readers_of_digests_at_once(world):
    await register_unit(world.bus, urgent=True)
    released = await world.released(submitted(lane=Lane.URGENT))
    reach = await world.count(released.publication)
    assert (reach.daily, reach.weekly, reach.matching) == (0, 0, len(READERS) - 20)
    assert await world.send(released) == {Status.DELIVERED: reach.sent, Status.SUPPRESSED: 3}


async def test_a_correction_reaches_those_who_had_the_text_too(world):
    """One has left since, one paused, one chose another topic; all had the first text."""
    await world.send(await world.released(submitted()))
    await world.readers.erase("all-1")
    await world.readers.add("all-2", paused_until=datetime(2199, 1, 1, tzinfo=UTC))
    await world.readers.add("all-3", topics=("viec-lam",))
    await world.readers.add("all-new")
    world.clock.advance(60)
    released = await world.released(corrected(reason="Sai ngày"))
    reach = await world.count(released.publication)
    assert reach.matching + reach.earlier == reach.planned
    assert reach.earlier == 2, "who left, and who chose another topic"
    assert (reach.left, reach.paused) == (1, 2), "a pause lets corrections through"
    assert reach.planned - reach.paused - reach.left - 1 == reach.sent
    statuses = await world.send(released)
    assert statuses == {Status.DELIVERED: reach.sent, Status.SUPPRESSED: 4}


async def test_counts_are_kept_a_minute(world):
    released = await world.released(submitted())
    first = await world.count(released.publication)
    await world.readers.add("late")
    assert await world.count(released.publication) is first
    world.counter.clock = lambda: time.time() + timedelta(seconds=61).total_seconds()
    assert (await world.count(released.publication)).readers == first.readers + 1
