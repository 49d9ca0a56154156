"""Items of units that release at once: in the editorial log as all others, approved by a rule."""

import pytest

from consumers.intake import written
from consumers.intake.handler import Intake
from consumers.runtime.errors import RetryLater
from contracts import events
from contracts.editorial import Action, ActionKind, EditorialText, ItemState, Status
from contracts.editorial.action import AUTOMATIC_RELEASE, DESK_ACT
from contracts.errors import Conflict, Forbidden
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.clock import FakeClock
from tests.support.crashing_bus import crash_at
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    carry_out_acts,
    corrected,
    open_drafts,
    refusal,
    register_unit,
    released_actions,
    submitted,
    withdrawn,
)

K = ActionKind
WRITER, LEADER = "nv-viet", "nv-lanh-dao"
OTHER_UNIT = "vu-cchc"


@pytest.fixture
async def intake(bus: Bus, clock: FakeClock) -> Intake:
    await register_unit(bus)
    return Intake(bus, DEFAULT, clock)


async def history(intake: Intake) -> tuple[ItemState, list[tuple[str, int, str, str]]]:
    state, acts = await intake.decisions.log.history(ITEM)
    return state, [(one.kind, one.revision, one.by, one.rule) for one in acts]


def a_draft(unit: str = UNIT) -> EditorialText:
    data = submitted(ITEM).data
    facts = {"event_id": written.event_id(unit, ITEM, 1), "submitter": WRITER}
    return EditorialText(unit=unit, type=events.SUBMITTED, data=data, **facts)


async def act(intake: Intake, kind: ActionKind, by: str, text: EditorialText | None = None) -> None:
    """A person does an act on the newest text, or writes *text*."""

    def decide(state: ItemState) -> Action:
        return Action(
            id=f"{DESK_ACT}{state.head[:8]}.{kind}", at=intake.clock.now, by=by, kind=kind,
            revision=state.revision or 1, hash=text.hash if text else state.hash, text=text,
            note="Sai số liệu.", prev=state.head,
        )  # fmt: skip

    await intake.decisions.log.act(ITEM, decide)


async def test_each_revision_is_received_approved_by_rule_and_published_in_the_log(bus, intake):
    for event in (submitted(), corrected(), withdrawn()):
        await intake.handle(event, UNIT)
        for _ in range(2):
            await carry_out_acts(intake)
    state, acts = await history(intake)
    rule = AUTOMATIC_RELEASE
    assert acts == [
        (K.RECEIVE, 1, UNIT, rule), (K.PUBLISH, 1, "loa", ""),
        (K.RECEIVE, 2, UNIT, rule), (K.PUBLISH, 2, "loa", ""),
        (K.WITHDRAW, 2, UNIT, ""),
    ]  # fmt: skip
    assert (state.status, state.out) == (Status.WITHDRAWN, 0)
    assert await released_actions(bus) == ["published", "corrected", "withdrawn"]
    assert await open_drafts(bus) == []


@pytest.mark.parametrize("follower", ["follows", "missed it"])
@pytest.mark.parametrize(
    "point",
    [
        *("intake.received", "intake.position_taken", "intake.position_opened"),
        *("release.decided", "release.stored", "intake.done", "editorial.decided"),
    ],
)
async def test_a_crash_on_the_way_leaves_each_act_and_the_release_once(
    bus, clock, intake, point, follower
):
    with crash_at(point):
        await intake.handle(submitted(), UNIT)
    again = Intake(bus, DEFAULT, clock)
    await carry_out_acts(again)
    await again.decisions.finish_interrupted()
    await again.handle(submitted(), UNIT)
    await (carry_out_acts(again) if follower == "follows" else again.decisions.finish_interrupted())
    assert [one[0] for one in (await history(again))[1]] == [K.RECEIVE, K.PUBLISH]
    assert await released_actions(bus) == ["published"]
    assert await open_drafts(bus) == []


@pytest.mark.parametrize("release", ["automatic", "desk"])
async def test_a_draft_at_the_desk_owns_its_name_from_its_first_save(bus, intake, release):
    await register_unit(bus, release=release)
    await act(intake, K.SAVE, WRITER, a_draft(OTHER_UNIT))
    assert await refusal(intake.handle(submitted(), UNIT), Forbidden) == ["data.content_id"]
    assert await refusal(intake.handle(submitted(revision=2), UNIT)) == ["data.content_id"]
    state, acts = await history(intake)
    assert (state.status, len(acts)) == (Status.DRAFT, 1)
    assert await released_actions(bus) == []


@pytest.mark.parametrize("release", ["automatic", "desk"])
async def test_of_a_draft_and_an_event_of_one_name_the_first_in_the_log_has_it(
    bus, intake, monkeypatch, release
):
    """The draft is saved after intake has looked, and before it adds the event."""
    await register_unit(bus, release=release)
    receive = intake.decisions.receive

    async def late(*args, **options):
        await act(intake, K.SAVE, WRITER, a_draft())
        return await receive(*args, **options)

    monkeypatch.setattr(intake.decisions, "receive", late)
    assert await refusal(intake.handle(submitted(), UNIT), Conflict) == ["data.revision"]
    await act(intake, K.SUBMIT, WRITER)
    await carry_out_acts(intake)
    item = await intake.repository.require_item(ITEM)
    assert (item.positions, item.waiting) == ({1: a_draft().event_id}, (1,))
    assert await released_actions(bus) == []


async def test_what_a_person_withdraws_before_it_has_its_position_never_leaves(bus, clock, intake):
    with crash_at("intake.received"):
        await intake.handle(submitted(), UNIT)
    await act(intake, K.WITHDRAW, LEADER)
    again = Intake(bus, DEFAULT, clock)
    with pytest.raises(RetryLater):
        await carry_out_acts(again)
    await again.handle(submitted(), UNIT)
    await carry_out_acts(again)
    assert await released_actions(bus) == []
    item = await again.repository.require_item(ITEM)
    assert (item.state, item.barred) == ("", 2)
    assert (await history(again))[0].status is Status.WITHDRAWN
    assert await open_drafts(bus) == []


@pytest.mark.parametrize("before", ["automatic", "desk"])
async def test_the_log_says_for_good_how_a_text_is_approved(bus, clock, intake, before):
    after = {"automatic": "desk", "desk": "automatic"}[before]
    await register_unit(bus, release=before)
    with crash_at("intake.received"):
        await intake.handle(submitted(), UNIT)
    await register_unit(bus, release=after)
    again = Intake(bus, DEFAULT, clock)
    await again.handle(submitted(), UNIT)
    await carry_out_acts(again)
    position = (await bucket_records(bus, "publications"))[f"{ITEM}.1"]
    assert position["policy"] == before, "`loa check` expects a decision where it says desk"
    is_automatic = before == "automatic"
    assert await released_actions(bus) == ["published"] * is_automatic
    assert await open_drafts(bus) == ([] if is_automatic else [f"{ITEM}.1"])


async def test_an_event_that_a_person_corrected_waits_for_another_person(bus, intake):
    await intake.handle(submitted(), UNIT, is_edited=True)
    await carry_out_acts(intake)
    assert await released_actions(bus) == []
    assert (await history(intake))[0].status is Status.SUBMITTED
    assert (await bucket_records(bus, "publications"))[f"{ITEM}.1"]["policy"] == "desk"
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    assert await released_actions(bus) == ["published"]


async def test_items_of_before_stay_as_they_are_and_go_on_in_the_log(bus, intake, monkeypatch):
    async def as_before(*_, **__):
        return ItemState(by_rule=frozenset({1}))

    with monkeypatch.context() as earlier:
        earlier.setattr(intake.decisions, "receive", as_before)
        await intake.handle(submitted(), UNIT)
    await intake.handle(submitted(), UNIT)
    assert (await history(intake))[1] == [], "a repeat adds nothing"
    await intake.handle(corrected(), UNIT)
    await carry_out_acts(intake)
    state, _ = await history(intake)
    assert (state.status, state.out) == (Status.PUBLISHED, 2)
    await intake.handle(withdrawn(), UNIT)
    assert await released_actions(bus) == ["published", "corrected", "withdrawn"]
    assert (await history(intake))[0].status is Status.WITHDRAWN
