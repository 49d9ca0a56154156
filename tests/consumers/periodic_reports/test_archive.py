"""What may be sealed: days that are over, and that facts will count no more."""

from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import fact_sources
from consumers.facts.days import countable_from
from consumers.facts.follow import FactFollower
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import ReportArchive
from consumers.periodic_reports.span import Span
from contracts import publication, subjects
from contracts.errors import Invalid
from contracts.facts.kinds import day_of
from tests.support.clock import FakeClock
from tests.support.publications import a_publication


async def is_counted(bus, path, clock, span) -> bool:
    archive = ReportArchive(path, Ed25519PrivateKey.generate(), clock)
    try:
        await archive.check_counted(FactStore(bus), span)
    except Invalid:
        return False
    return True


async def publish(bus, content_id: str, **changes) -> datetime:
    """Publish an item; when the bus stored it."""
    released = a_publication(content_id=content_id, **changes)
    subject = subjects.publication(released.topic, content_id)
    await bus.publish(subject, publication.encode(released), msg_id=released.key)
    message = await bus.last_message(subjects.PUBLICATIONS.name, subject)
    return message.time


async def test_a_day_is_counted_once_it_is_closed_and_nothing_of_it_is_unread(bus, tmp_path):
    day = day_of(await publish(bus, "tin-a"))
    span, clock = Span(day, day), FakeClock(countable_from(day).timestamp() - 1)
    store = FactStore(bus)

    async def follow() -> None:
        await FactFollower(
            store, fact_sources(store, EditorialLog(bus), clock, None), clock
        ).follow()

    await follow()
    assert not await is_counted(bus, tmp_path, clock, span), "the hour after its end"
    clock.advance(2)
    assert not await is_counted(bus, tmp_path, clock, span)
    await follow()
    assert await is_counted(bus, tmp_path, clock, span)
    before = Span(day - timedelta(days=9), day - timedelta(days=3))
    assert await is_counted(bus, tmp_path, clock, before), "nothing counts these days any more"
    later = await publish(bus, "tin-b")
    assert await is_counted(bus, tmp_path, clock, span) == (later >= countable_from(day))
