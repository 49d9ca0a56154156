"""No rule releases a campaign, or what joins one that is another unit's or is not open."""

from datetime import timedelta

import pytest

from consumers.intake.handler import Intake
from contracts.base.times import utc_now
from contracts.vocabulary import DEFAULT
from tests.support.campaigns import CAMPAIGN, PLAN
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    carry_out_acts,
    corrected,
    open_drafts,
    register_unit,
    released_publications,
    submitted,
)

OTHER = "vu-cong-chuc-vien-chuc"


@pytest.fixture
async def intake(bus, clock) -> Intake:
    await register_unit(bus)
    await register_unit(bus, OTHER)
    return Intake(bus, DEFAULT, clock)


async def take_in(intake: Intake, event, unit: str = UNIT) -> None:
    source = event.model_copy(update={"source": f"/units/{unit}"})
    await intake.handle(source, unit)
    await carry_out_acts(intake, event.data["content_id"])


async def propose_campaign(intake: Intake, unit: str = UNIT) -> None:
    """A unit's system proposes a campaign of today and tomorrow."""
    today = utc_now(intake.clock).date()
    days = {"first_day": str(today), "last_day": str(today + timedelta(days=1))}
    plan = {**PLAN, **days, "partners": [], "entries": []}
    await take_in(intake, submitted(CAMPAIGN, campaign=CAMPAIGN, campaign_plan=plan), unit)


async def is_out(intake: Intake, content_id: str = ITEM) -> bool:
    return bool(await released_publications(intake.bus, content_id))


async def test_a_campaign_waits_for_a_person_and_then_items_of_its_unit_join_by_rule(bus, intake):
    await propose_campaign(intake)
    joins = submitted("tin-som", campaign=CAMPAIGN)
    await take_in(intake, joins)
    assert await open_drafts(bus) == [f"{CAMPAIGN}.1", "tin-som.1"], "it is not approved yet"
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    assert await is_out(intake, CAMPAIGN)
    await take_in(intake, submitted(campaign=CAMPAIGN))
    assert await is_out(intake)
    assert await open_drafts(bus) == ["tin-som.1"]


async def test_what_joins_a_campaign_of_another_unit_or_an_unknown_one_waits(bus, intake):
    await propose_campaign(intake, OTHER)
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    await take_in(intake, submitted("tin-a", campaign=CAMPAIGN))
    await take_in(intake, submitted("tin-b", campaign="khong-co"))
    assert await open_drafts(bus) == ["tin-a.1", "tin-b.1"]


async def test_what_joins_after_the_last_day_waits_and_what_had_joined_is_corrected(
    bus, intake, clock
):
    await propose_campaign(intake)
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    await take_in(intake, submitted(campaign=CAMPAIGN))
    clock.advance(30 * 86400)
    await take_in(intake, submitted("tin-muon", campaign=CAMPAIGN))
    await take_in(intake, corrected(campaign=CAMPAIGN, reason="Sửa lỗi chính tả"))
    assert await open_drafts(bus) == ["tin-muon.1"]
    assert [one["revision"] for one in await released_publications(bus, ITEM)] == [1, 2]
