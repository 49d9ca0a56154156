"""The page of delivery figures under `loa check`: it shows what the facts say, or is named."""

import time
from contextlib import closing
from datetime import date, timedelta

import pytest

from channels.portal.writer.audit import FolderAudit
from consumers.check.context import CheckContext
from consumers.facts.days import last_day, midnight
from consumers.facts.public_figures import read_public_figures
from consumers.facts.public_figures_check import find_wrong_figures
from consumers.facts.store import FactStore
from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import DayFact, DeliveryFact, FactKind
from tests.support.clock import FakeClock
from tests.support.portal_dir import new_writer, site_files

HOUR = 3600.0


@pytest.fixture
def clock():
    """Three hours behind the moment at which the tests store their facts."""
    return FakeClock(time.time() + 3 * HOUR)


def day_of_page(clock) -> date:
    """The last day that was over when the test began."""
    return last_day(lambda: clock.now - 3 * HOUR)


def a_mail(number: int, delivered: int, on) -> DeliveryFact:
    at = midnight(on) + timedelta(hours=9)
    return DeliveryFact(
        channel=ChannelName.EMAIL, content_id=f"tin-{number}", revision=1, lane=Lane.NORMAL,
        began_at=at, ended_at=at, counts={Status.DELIVERED: delivered}, within_10_s=delivered,
    )  # fmt: skip


@pytest.fixture
async def shown(bus, clock, tmp_path):
    """The portal's folder with the figures of one mail."""
    day = day_of_page(clock)
    for fact in (a_mail(1, 900, day), DayFact(on=day, counted=(FactKind.DELIVERY,))):
        assert await FactStore(bus).add(fact, 0)
    show(tmp_path, await read_public_figures(bus, clock))
    return tmp_path


def show(folder, figures) -> None:
    with closing(new_writer(folder)) as writer:
        writer.show_figures(figures)


async def details(bus, folder, clock, running_since=0.0) -> list[str]:
    context = CheckContext(bus, clock, running_since=running_since)
    found = await find_wrong_figures(context, FolderAudit(folder, site_files()))
    assert {(one.rule, one.key) for one in found} <= {("figures-wrong", "hieu-nang")}
    return [one.detail for one in found]


async def test_figures_as_the_facts_give_them_are_right_whatever_comes_on_later_days(
    bus, shown, clock, tmp_path
):
    assert await details(bus, shown, clock) == []
    later = day_of_page(clock) + timedelta(days=1)
    assert await FactStore(bus).add(a_mail(2, 800, later), 0)
    assert await details(bus, shown, clock) == []
    assert await details(bus, tmp_path / "no-portal", clock) == []


async def test_other_numbers_than_the_facts_give_are_named(bus, shown, clock):
    figures = await read_public_figures(bus, clock)
    lanes = [
        one.model_copy(update={"within_10_s": 1}) if one.within_10_s else one
        for one in figures.lanes
    ]
    show(shown, figures.model_copy(update={"lanes": tuple(lanes)}))
    [said] = await details(bus, shown, clock)
    assert str(figures.last) in said


async def test_a_fact_that_the_page_lacks_is_named_once_it_had_two_hours(bus, shown, clock):
    assert await FactStore(bus).add(a_mail(3, 700, day_of_page(clock)), 0)
    assert await details(bus, shown, clock)
    just_now = FakeClock(time.time() + HOUR)
    assert await details(bus, shown, just_now) == []
    assert await details(bus, shown, clock, running_since=clock.now - HOUR) == []


async def test_a_page_that_a_running_loa_does_not_renew_is_named(bus, shown, clock):
    clock.advance(4 * 24 * HOUR)
    assert await details(bus, shown, clock) == [], "Loa does not run"
    assert await details(bus, shown, clock, running_since=clock.now - HOUR) == []
    [said] = await details(bus, shown, clock, running_since=clock.now - 3 * HOUR)
    assert "each hour" in said
