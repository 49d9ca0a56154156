"""Days that may be sealed: those that are over, and that facts will count no more."""

from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import fact_sources
from consumers.facts.days import countable_from
from consumers.facts.follow import FactFollower
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import HeaderSources, ReportArchive, check_name
from consumers.periodic_reports.contents.composition import read_figures, read_parts
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.data_set import write_data_set
from consumers.periodic_reports.indicators import load_indicators
from consumers.periodic_reports.rows import Row
from consumers.periodic_reports.span import Span
from contracts import publication, subjects
from contracts.errors import Invalid
from contracts.facts.kinds import day_of
from contracts.vocabulary import DEFAULT
from tests.support.clock import FakeClock
from tests.support.publications import a_publication

SOURCES = HeaderSources(load_texts(Path("none")), DEFAULT)


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
    assert not await is_counted(bus, tmp_path, clock, before), "it would have no figure"
    longer = Span(before.first, day)
    assert await is_counted(bus, tmp_path, clock, longer), "nothing counts the first days any more"
    later = await publish(bus, "tin-b")
    assert await is_counted(bus, tmp_path, clock, span) == (later >= countable_from(day))


def seal_year(archive: ReportArchive, label: str, span: Span, units: int) -> None:
    """Seal days in which each of so many units published an item."""
    header = SOURCES.header(label, span, None)
    rows = [
        Row(span.first, "items.published", 1, unit=unit, item=unit)
        for unit in sorted(header.names["unit"])[:units]
    ]
    write = partial(write_data_set, header=header, gaps=[], rows=rows)
    archive.report(label).seal(write, archive.clock)


def test_a_year_in_a_review_reads_as_its_own_report(tmp_path):
    """A unit that ended within the first year is none of the second one's."""
    archive = ReportArchive(tmp_path, Ed25519PrivateKey.generate(), FakeClock())
    years = {"2025": Span.of_year(2025), "2026": Span.of_year(2026)}
    for label, span in years.items():
        seal_year(archive, label, span, units=22)
    archive.review(["2026", "2025"], "2025-2026", SOURCES)
    reviewed = read_parts(archive.report("2025-2026").data)
    own = {label: read_figures(archive.report(label).data) for label in years}
    for one in load_indicators():
        for label in years:
            assert reviewed[label].figure(one) == own[label].figure(one)
    assert len({len(figures.units) for figures in own.values()}) == 2, "the years differ"


@pytest.mark.parametrize("name", ["2025", "2024-2025"])
def test_a_name_of_years_is_for_no_other_days(tmp_path, name):
    quarter = Span(date(2026, 7, 1), date(2026, 9, 30))
    with pytest.raises(Invalid):
        check_name(name, quarter)
    check_name(f"{name}-quy-3", quarter)
    days = {"2025": Span.of_year(2025), "2024-2025": Span(date(2023, 12, 15), date(2025, 12, 14))}
    check_name(name, days[name])
    archive = ReportArchive(tmp_path, Ed25519PrivateKey.generate(), FakeClock())
    seal_year(archive, name, quarter, units=1)
    assert archive.former(name) is None, "sealed before names were checked"
