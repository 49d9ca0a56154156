"""No rule releases an issue of a bulletin that a unit's system sends: a person approves it."""

import secrets
from datetime import timedelta

import pytest

from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.publications import no_seals
from consumers.bulletins.released import ReleasedItems
from consumers.desk.item_acts import ItemActs
from consumers.intake.handler import Intake
from consumers.staff.authorization import Actor
from contracts.bulletins import composition
from contracts.desk.editorial import Order
from contracts.editorial import ActionKind
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from tests.support.bulletin_desk import PEOPLE
from tests.support.bulletin_history import (
    BEGIN,
    SERIES,
    SERIES_ID,
    a_released_item,
    propose,
    week,
)
from tests.support.decisions import approve_item
from tests.support.events import (
    carry_out_acts,
    corrected,
    open_drafts,
    register_unit,
    released_actions,
    submitted,
    withdrawn,
)
from tests.support.publications import a_publication
from tests.support.services import store_publication

ISSUE = propose(a_released_item("mot"))
NAME = ISSUE.content_id
TEXT = {**composition.new_text_of(ISSUE, SERIES), "audiences": []}


@pytest.fixture
async def intake(bus, clock) -> Intake:
    await register_unit(bus, SERIES.unit)
    return Intake(bus, DEFAULT, clock)


async def take_in(intake: Intake, event) -> None:
    source = event.model_copy(update={"source": f"/units/{SERIES.unit}"})
    await intake.handle(source, SERIES.unit)
    await carry_out_acts(intake, NAME)


async def test_an_issue_and_each_later_text_of_it_wait_for_a_person(bus, intake):
    for event in (submitted(NAME, **TEXT), submitted(NAME, **TEXT)):
        await take_in(intake, event)
        assert await open_drafts(bus) == [f"{NAME}.1"]
    await approve_item(intake.decisions, NAME, "Trần Thị Bình")
    assert await released_actions(bus, NAME) == ["published"]
    await take_in(intake, corrected(NAME, **TEXT | {"title": "Bản sửa"}, reason="Sai tiêu đề."))
    assert await open_drafts(bus) == [f"{NAME}.2"]
    assert await released_actions(bus, NAME) == ["published"]


async def test_what_a_system_takes_back_before_it_was_out_frees_number_and_items(bus, intake):
    times = dict.fromkeys(("first_released_at", "released_at"), BEGIN)
    await store_publication(bus, a_publication(content_id="mot", topic=min(SERIES.topics), **times))
    for event in (submitted(NAME, **TEXT), withdrawn(NAME)):
        await take_in(intake, event)
    log, later = intake.decisions.log, (BEGIN + timedelta(days=8)).timestamp()
    issues = SeriesIssues(ReleasedItems(bus, no_seals), log, DEFAULT, lambda: later)
    again = await issues.propose(SERIES_ID, week(0))
    assert (again.content_id, again.content_ids) == (NAME, ("mot",))
    intake.clock.advance(60)
    await send_and_approve(intake, composition.new_text_of(again, SERIES))
    assert (await released_actions(bus, NAME))[-1] == "published"


async def send_and_approve(intake: Intake, text) -> None:
    """Save a text for the issue, and bring it to readers."""
    acts = ItemActs(intake.decisions.log, DEFAULT, intake.clock)
    for kind in (ActionKind.SAVE, *PEOPLE):
        hash = (await acts.log.read(NAME)).state.hash
        data = text if kind is ActionKind.SAVE else None
        order = Order(NAME, kind, secrets.token_hex(), hash, data, is_clean=True)
        await acts.perform(order, Actor(PEOPLE.get(kind, "Lê An")))
        await carry_out_acts(intake, NAME)


async def test_an_issue_without_any_item_is_refused(bus, intake):
    empty = propose()
    with pytest.raises(Invalid) as refused:
        await take_in(intake, submitted(NAME, **composition.new_text_of(empty, SERIES)))
    assert [one.field for one in refused.value.errors] == ["data.bulletin"]
    assert await open_drafts(bus) == []


async def test_another_text_under_the_topic_of_the_issues_waits(bus, intake):
    event = submitted("mot", topic=SERIES.topic)
    await intake.handle(event.model_copy(update={"source": f"/units/{SERIES.unit}"}), SERIES.unit)
    assert await released_actions(bus, "mot") == []


async def test_other_items_of_the_unit_go_out_by_themselves(bus, intake):
    event = submitted("mot", topic=min(SERIES.topics))
    await intake.handle(event.model_copy(update={"source": f"/units/{SERIES.unit}"}), SERIES.unit)
    assert await released_actions(bus, "mot") == ["published"]
