"""The portal's page of delivery figures, from the facts on the bus to its files."""

import csv
import io
import json
import shutil
from contextlib import closing
from datetime import date, datetime, timedelta

from channels.portal.writer.audit import FolderAudit
from consumers.facts.days import midnight
from consumers.facts.public_figures import FigureRenewal, read_public_figures
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, FactKind
from contracts.facts.kinds import day_of
from tests.support.clock import FakeClock
from tests.support.portal_dir import new_writer, open_portal, page, rebuild, site_files, text_of
from tests.support.publications import a_publication
from tests.support.released_items import FIRST

TODAY = datetime.now().astimezone()
YESTERDAY = day_of(TODAY) - timedelta(days=1)
CLOCK = FakeClock(midnight(day_of(TODAY)).timestamp() + 2 * 3600)


def a_mail(number: int, *, delivered: int, within: int, on: date = YESTERDAY) -> DeliveryFact:
    at = midnight(on) + timedelta(hours=9)
    return DeliveryFact(
        channel=ChannelName.EMAIL, content_id=f"tin-{number}", revision=1, lane=Lane.URGENT,
        began_at=at, ended_at=at, counts={Status.DELIVERED: delivered}, within_10_s=within,
    )  # fmt: skip


async def tell(bus, *facts) -> None:
    store = FactStore(bus)
    for fact in facts:
        assert await store.add(fact, (await store.read(fact.key)).seq)


async def test_a_changed_fact_counts_once_and_one_before_the_span_not_at_all(bus):
    before = a_mail(1, delivered=700, within=700, on=YESTERDAY - timedelta(days=30))
    await tell(bus, before, a_mail(2, delivered=90, within=90), a_mail(2, delivered=100, within=97))
    await tell(bus, DayFact(on=YESTERDAY, counted=(FactKind.DELIVERY,)))
    figures = await read_public_figures(bus, CLOCK)
    (urgent,) = (one for one in figures.lanes if one.recipients)
    assert (urgent.recipients, urgent.within_10_s, urgent.permille) == (100, 97, 970)
    assert (figures.last, len(figures.gaps)) == (YESTERDAY, 29)


async def test_what_loa_did_not_seal_is_in_no_figure(bus):
    fact = a_mail(1, delivered=10**6, within=0)
    await bus.publish(subjects.fact(fact.key), fact.encode(), msg_id="foreign")
    figures = await read_public_figures(bus, CLOCK)
    assert not any(one.recipients for one in figures.lanes)


async def test_the_files_say_what_the_facts_say_and_a_rebuild_keeps_them(bus, tmp_path):
    await tell(bus, a_mail(1, delivered=3000, within=2999))
    await tell(bus, DayFact(on=YESTERDAY, counted=(FactKind.DELIVERY,)))
    figures = await read_public_figures(bus, CLOCK)
    writer = new_writer(tmp_path)
    assert not writer.has_figures()
    writer.show_figures(figures)
    assert writer.has_figures()
    writer.close()
    shown = files(tmp_path)
    assert json.loads(shown["so-lieu.json"])["lanes"][1]["percent_within_10_s"] == 99.9
    rows = [*csv.DictReader(io.StringIO(shown["so-lieu.csv"].decode()))]
    assert (rows[1]["channel"], rows[1]["within_10_s"], len(rows)) == ("email", "2999", 9 + 30 * 3)
    assert "3.000" in text_of(page(tmp_path, "hieu-nang"))
    rebuild(tmp_path, [FIRST, a_publication(content_id="tin-khac")])
    assert files(tmp_path) == shown
    assert problems(tmp_path) == []


async def test_damaged_and_foreign_files_are_found(bus, tmp_path):
    writer = new_writer(tmp_path)
    writer.show_figures(await read_public_figures(bus, CLOCK))
    writer.close()
    folder = tmp_path / "public/hieu-nang"
    (folder / "so-lieu.csv").write_text("100%")
    (folder / "khac.html").write_text("<p>")
    found = {(one.rule, one.path) for one in problems(tmp_path)}
    assert found == {
        ("page-differs", "hieu-nang/so-lieu.csv"),
        ("page-unexpected", "hieu-nang/khac.html"),
    }


async def test_the_page_is_renewed_each_hour_and_at_once_where_it_is_lost(bus, tmp_path):
    clock = FakeClock(CLOCK.now)
    async with open_portal(tmp_path) as channel, channel.session():
        renewal = FigureRenewal(bus, channel, clock)
        await renewal.renew()
        empty = files(tmp_path)
        await tell(bus, a_mail(1, delivered=3000, within=2999))
        await tell(bus, DayFact(on=YESTERDAY, counted=(FactKind.DELIVERY,)))
        await renewal.renew()
        assert files(tmp_path) == empty
        clock.advance(3600)
        await renewal.renew()
        full = files(tmp_path)
        assert full != empty
    shutil.rmtree(tmp_path / "public")
    shutil.rmtree(tmp_path / "state")
    async with open_portal(tmp_path) as channel, channel.session():
        renewal.channel = channel
        await renewal.renew()
    assert files(tmp_path) == full


def files(folder) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in (folder / "public/hieu-nang").iterdir()}


def problems(folder):
    audit = FolderAudit(folder, site_files())
    with closing(audit.open_snapshot()) as snapshot:
        return [*audit.find_problems(snapshot)]
