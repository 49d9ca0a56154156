"""Campaigns at intake: no rule releases them, and another plan alone is released nowhere."""

from datetime import timedelta

import pytest

from consumers.check.context import CheckContext
from consumers.check.positions import PositionRules
from consumers.editorial.joining import approved_data
from consumers.editorial.log import EditorialLog
from consumers.facts.decisions import decision_facts
from consumers.intake.handler import Intake
from consumers.reporting.trace import TraceReader
from consumers.staff.mail.item_history import history_of
from contracts.base.times import utc_now
from contracts.campaigns.composition import plan_in
from contracts.desk.shown.readership import readership_of
from contracts.editorial import ActionKind, Status
from contracts.editorial.action import NOT_RELEASED
from contracts.vocabulary import DEFAULT
from tests.support.campaigns import CAMPAIGN, PLAN
from tests.support.crashing_bus import crash_at
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    carry_out_acts,
    corrected,
    open_drafts,
    register_unit,
    released_actions,
    released_publications,
    submitted,
    withdrawn,
)

POINTS = ("desk.release_begun", "desk.decided", "desk.carried_out", "desk.settled")
"""Where the process dies on the way of an approval."""
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


async def propose_campaign(intake: Intake, unit: str = UNIT, **changes) -> None:
    """A unit's system proposes a campaign of today and tomorrow."""
    today = utc_now(intake.clock).date()
    days = {"first_day": str(today), "last_day": str(today + timedelta(days=1))}
    plan = {**PLAN, **days, "partners": [], "entries": []}
    await take_in(
        intake, submitted(CAMPAIGN, campaign=CAMPAIGN, campaign_plan=plan, **changes), unit
    )


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


async def send_plan(intake: Intake, revision: int = 2, **changes) -> None:
    """The unit's system sends the campaign again, with another target."""
    _, acts = await intake.decisions.log.history(CAMPAIGN)
    [*_, data] = [act.text.data for act in acts if act.text]
    targets = [{"metric": "items", "number": revision}]
    plan = {**data["campaign_plan"], "targets": targets}
    fields = {"campaign": CAMPAIGN, "campaign_plan": plan, **changes}
    await take_in(intake, corrected(CAMPAIGN, revision, **fields))


async def target_in_force(intake: Intake) -> int:
    """The target of the plan that counts."""
    state, acts = await intake.decisions.log.history(CAMPAIGN)
    plan = plan_in(approved_data(state, acts))
    assert plan
    return plan.targets[0].number


async def test_another_plan_is_in_force_and_nothing_is_released(bus, intake):
    await propose_campaign(intake, author="Lê An")
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    [first] = await released_publications(bus, CAMPAIGN)
    for revision in (2, 3):
        await send_plan(intake, revision, author="Lê An")
        record = await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
        assert (record.state, record.code, record.seq) == ("released", NOT_RELEASED, None)
        await carry_out_acts(intake, CAMPAIGN)
        assert await released_publications(bus, CAMPAIGN) == [first]
        assert await target_in_force(intake) == revision
        assert await open_drafts(bus) == []
    state, acts = await intake.decisions.log.history(CAMPAIGN)
    assert (state.out, state.status) == (3, Status.PUBLISHED)
    assert readership_of(state, acts, utc_now(intake.clock)).seen == 1
    told = [notice.line for one in history_of(CAMPAIGN, enumerate(acts)) for notice in one.notices]
    told = [(one.kind, one.step) for one in told if one.kind in ("approved", "progress")]
    assert told == [("approved", ""), ("progress", "scheduled"), *[("approved", "internal")] * 2]
    facts = decision_facts(CAMPAIGN, acts)
    assert [bool(one.published_at) for one in facts] == [True, False, False]
    assert {one.verdict for one in facts} == {"approved"}
    later = CheckContext(bus, clock=lambda: intake.clock() + 86400, recheck_after_s=0.0)
    assert await PositionRules(later, await EditorialLog(bus).audit()).violations() == []
    trace = await TraceReader(bus, intake.clock, for_staff=True).trace(CAMPAIGN)
    assert trace and trace.revision == 1
    assert [one.detail for one in trace.timeline if one.event == "not_released"] == [
        "revision 2", "revision 3",
    ]  # fmt: skip


async def test_another_text_after_it_is_a_correction_and_the_item_is_withdrawn_whole(bus, intake):
    await propose_campaign(intake)
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    await send_plan(intake)
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    await send_plan(intake, 3, body="Lời khác.", reason="Sai ngày.")
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    _, second = await released_publications(bus, CAMPAIGN)
    assert (second["action"], second["revision"], second["body"]) == ("corrected", 3, "Lời khác.")
    await send_plan(intake, 4, body="Lời khác.", reason="Sai ngày.")
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    await take_in(intake, withdrawn(CAMPAIGN))
    assert await released_actions(bus, CAMPAIGN) == ["published", "corrected", "withdrawn"]
    state, _ = await intake.decisions.log.history(CAMPAIGN)
    assert (state.out, state.status) == (0, Status.WITHDRAWN)
    await send_plan(intake, 6, body="Lời khác.")
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    assert len(await released_actions(bus, CAMPAIGN)) == 4, "readers had nothing"


async def test_a_plan_is_in_force_once_wherever_its_approval_is_interrupted(bus, intake):
    await propose_campaign(intake)
    await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
    for revision, point in enumerate(POINTS, start=2):
        await send_plan(intake, revision)
        with crash_at(point):
            await approve_item(intake.decisions, CAMPAIGN, "Trần Thị Bình")
        await intake.decisions.finish_interrupted()
        assert await target_in_force(intake) == revision
        assert await open_drafts(bus) == []
    assert await released_actions(bus, CAMPAIGN) == ["published"]
    _, acts = await intake.decisions.log.history(CAMPAIGN)
    in_force = [act.revision for act in acts if act.kind is ActionKind.PUBLISH]
    assert in_force == [*range(1, len(POINTS) + 2)]
