"""The desk on a real bus: four eyes, one decision, and nothing decided twice or forgotten."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest
from pydantic import ValidationError

from consumers.editorial.log import EditorialLog
from consumers.intake import item_log
from consumers.intake.approval import rejection
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.handler import Intake
from consumers.staff.authorization import Actor
from consumers.staff.policy import Agreement
from contracts import subjects
from contracts.desk.editorial import Order
from contracts.editorial import Action, ActionKind, ItemState
from contracts.editorial.action import RULE, UNIT_SYSTEM
from contracts.errors import Conflict, Forbidden, Invalid
from contracts.vocabulary import DEFAULT, GIVEN_BY_PEOPLE
from producers.bus import Bus
from tests.support.bus_requests import count_requests
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crash_at, dying_buses
from tests.support.decisions import approve_item, decide, reject_item
from tests.support.editorial_world import fold
from tests.support.events import (
    ITEM,
    UNIT,
    bucket_records,
    corrected,
    open_drafts,
    refusal,
    register_unit,
    released_actions,
    released_publications,
    stored_position,
    submitted,
    withdrawn,
)

CLERK = "Trần Thị Bình"
AUTHOR = "Nguyễn Văn An"


@pytest.fixture
async def intake(bus: Bus, clock: FakeClock) -> Intake:
    await register_unit(bus, release="desk", urgent=True)
    return Intake(bus, DEFAULT, clock)


@pytest.fixture
def decisions(intake: Intake) -> DraftDecisions:
    return intake.decisions


async def test_the_list_shows_what_waits_most_urgent_first(intake, decisions, clock):
    await intake.handle(submitted("tin-cu", lane="bulk"), UNIT)
    clock.advance(60)
    await intake.handle(submitted("tin-moi"), UNIT)
    clock.advance(60)
    await intake.handle(submitted("tin-khan", lane="urgent"), UNIT)
    waiting = await decisions.waiting_drafts()
    assert [draft.content_id for draft in waiting] == ["tin-khan", "tin-moi", "tin-cu"]
    assert waiting[0].content.title == "Bộ Nội vụ ra mắt kênh thông tin trên Zalo"


@pytest.mark.promise("2.4")
async def test_an_approval_releases_exactly_what_was_shown(bus, intake, decisions, clock):
    await intake.handle(submitted(author=AUTHOR), UNIT)
    [draft] = await decisions.waiting_drafts()
    clock.advance(600)
    await approve_item(decisions, ITEM, CLERK, hash=draft.hash)
    [released] = await released_publications(bus)
    assert released["body"] == draft.content.body
    stored = await stored_position(bus)
    assert (stored["state"], stored["seq"]) == ("released", released["seq"])
    decided = {"verdict": "approved", "by": CLERK, "at": released["released_at"]}
    decided |= {"code": "", "reason": "", "role": "", "hash": draft.hash, "name_hash": ""}
    assert stored["decision"] == decided
    assert await decisions.waiting_drafts() == []
    assert await open_drafts(bus) == []


@pytest.mark.promise("2.4")
@pytest.mark.parametrize(
    "approver",
    [
        *(AUTHOR, "NGUYỄN VĂN AN", "Nguye\u0302\u0303n Va\u0306n An", "  nguyễn   văn an "),
        *(
            "Nguyen Van An",
            "nguyen-van-an",
            "Ｎｇｕｙễｎ Văn An",
            Actor("nv-x", "Nguyen Van An"),
        ),
    ],
)
async def test_nobody_approves_their_own_text(bus, intake, decisions, approver):
    await intake.handle(submitted(author=AUTHOR), UNIT)
    assert await refusal(approve_item(decisions, ITEM, approver), Forbidden) == ["by"]
    assert await released_publications(bus) == []
    assert (await stored_position(bus))["state"] == "waiting"


async def test_nobody_approves_what_they_sent_in(intake, decisions):
    event = submitted(author=AUTHOR).model_copy(update={"extensions": {"submitter": CLERK}})
    await intake.handle(event, UNIT)
    await refusal(approve_item(decisions, ITEM, CLERK), Forbidden)
    await approve_item(decisions, ITEM, "Lê Văn Cường")


async def test_an_account_does_not_approve_what_its_id_wrote(intake, decisions):
    await intake.handle(submitted(author="nv-abc"), UNIT)
    await refusal(approve_item(decisions, ITEM, Actor("nv-abc", "Trần Thị Bình")), Forbidden)
    approved = await approve_item(decisions, ITEM, Actor("nv-xyz", "Trần Thị Bình"))
    assert approved.decision.by == "nv-xyz", "the id is kept, not the name"


@pytest.mark.parametrize("nobody", ["", "   ", "\u200b"])
async def test_an_approval_needs_a_name(intake, decisions, nobody):
    await intake.handle(submitted(), UNIT)
    with pytest.raises((Invalid, ValidationError)):
        await approve_item(decisions, ITEM, nobody)
    assert len(await decisions.waiting_drafts()) == 1


async def test_an_approval_of_another_content_is_refused(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)
    fields = await refusal(approve_item(decisions, ITEM, CLERK, hash="x" * 52), Conflict)
    assert fields == ["hash"]
    assert await released_publications(bus) == []


@pytest.mark.promise("2.4")
@pytest.mark.parametrize("id", ["", "su-kien-khac"], ids=["in its place", "behind it"])
async def test_a_draft_that_was_changed_in_the_log_is_not_released(bus, intake, decisions, id):
    await intake.handle(submitted(), UNIT)
    [draft] = await decisions.waiting_drafts()
    forged = draft.model_copy(update={"data": draft.data | {"body": "Nội dung khác"}})
    state = (await decisions.log.read(ITEM)).state
    changes = {"text": forged.text, "id": id or "khac", "prev": state.head if id else ""}
    act = state.last_change.model_copy(update=changes)
    await bus.publish(subjects.editorial(ITEM), act.encode())
    with suppress(Conflict):
        await approve_item(decisions, ITEM, CLERK)
    assert await released_publications(bus) == []
    assert (await stored_position(bus))["state"] == "waiting"


async def test_a_rejection_keeps_who_when_and_why(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)
    await reject_item(decisions, ITEM, CLERK, code="trung-lap", reason="Đã đăng ngày 20/11")
    stored = await stored_position(bus)
    assert (stored["state"], stored["code"]) == ("refused", "trung-lap")
    assert stored["decision"]["by"] == CLERK
    assert stored["decision"]["reason"] == "Đã đăng ngày 20/11"
    assert await released_publications(bus) == []
    assert await open_drafts(bus) == []


@pytest.mark.parametrize("why", [{}, {"reason": " "}, {"code": "khong-co"}])
async def test_a_rejection_needs_a_known_code_or_a_reason(intake, decisions, why):
    await intake.handle(submitted(), UNIT)
    assert await refusal(reject_item(decisions, ITEM, CLERK, **why), Invalid) == ["code"]
    assert len(await decisions.waiting_drafts()) == 1


def test_an_unknown_code_of_refusal_lists_them_all_and_suggests_the_nearest():
    with pytest.raises(Invalid) as caught:
        rejection("trung_lap", "")
    message = caught.value.errors[0].message
    assert all(code in message for code in GIVEN_BY_PEOPLE)
    assert message.endswith("did you mean trung-lap?")


async def test_a_rejected_revision_stays_rejected_when_its_event_is_repeated(
    bus, intake, decisions
):
    await intake.handle(submitted(), UNIT)
    await reject_item(decisions, ITEM, CLERK, code="trung-lap")
    await intake.handle(submitted(), UNIT)
    assert (await stored_position(bus))["state"] == "refused"
    assert await decisions.waiting_drafts() == []


async def test_after_a_rejection_the_unit_sends_a_higher_revision(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)
    await reject_item(decisions, ITEM, CLERK, code="khong-dat-chat-luong")
    await intake.handle(submitted(revision=2), UNIT)
    await approve_item(decisions, ITEM, CLERK)
    [released] = await released_publications(bus)
    assert (released["revision"], released["action"]) == (2, "published")


async def test_a_correction_of_a_text_that_never_came_out_is_a_first_text(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(), UNIT)
    await approve_item(decisions, ITEM, CLERK)
    assert await released_actions(bus) == ["published"]


async def test_what_is_out_cannot_be_decided(bus, intake, decisions):
    await register_unit(bus)
    await intake.handle(submitted(), UNIT)
    hash = (await decisions.log.read(ITEM)).state.hash
    for kind in (ActionKind.APPROVE, ActionKind.REJECT):
        order = Order(ITEM, kind, "mot-lan", hash, code="trung-lap", is_clean=True)
        assert await refusal(decide(decisions, order, CLERK), Conflict) == ["kind"]
    assert await released_actions(bus) == ["published"]


@pytest.mark.parametrize(
    ("newer", "field"),
    [(corrected(), "hash"), (withdrawn(), "kind")],
    ids=["corrected", "withdrawn"],
)
async def test_what_a_newer_event_has_superseded_cannot_be_approved(
    bus, intake, decisions, newer, field
):
    await intake.handle(submitted(), UNIT)
    [read] = await decisions.waiting_drafts()
    await intake.handle(newer, UNIT)
    assert await refusal(approve_item(decisions, ITEM, CLERK, hash=read.hash), Conflict) == [field]
    assert await released_publications(bus) == []


async def test_two_clerks_at_once_are_one_decision(bus, intake, decisions, clock):
    for number in range(20):
        item = f"tin-{number}"
        await intake.handle(submitted(item), UNIT)
        other = Intake(bus, DEFAULT, clock).decisions
        await asyncio.gather(
            approve_item(decisions, item, CLERK),
            reject_item(other, item, "Lê Văn Cường", code="trung-lap"),
            return_exceptions=True,
        )
        verdict = (await stored_position(bus, item=item))["decision"]["verdict"]
        assert len(await released_publications(bus, item)) == (verdict == "approved")
    assert await open_drafts(bus) == []


async def test_looking_through_many_waiting_drafts_asks_the_bus_no_more_than_for_one(
    intake, decisions
):
    await intake.handle(submitted("tin-dau"), UNIT)
    for look in (decisions.finish_interrupted, decisions.waiting_drafts):
        await look()  # the log is read to its end
        of_one = await count_requests(look)
        for number in range(8):
            await intake.handle(submitted(f"{look.__name__}-{number}".replace("_", "-")), UNIT)
        await look()
        assert await count_requests(look) == of_one


async def test_approval_and_withdrawal_at_once_never_leave_the_item_out(bus, intake, decisions):
    for number in range(20):
        item = f"tin-{number}"
        await intake.handle(submitted(item), UNIT)
        await asyncio.gather(
            approve_item(decisions, item, CLERK),
            intake.handle(withdrawn(item), UNIT),
            return_exceptions=True,
        )
        await decisions.finish_interrupted()
        actions = sorted(await released_actions(bus, item))
        assert actions in ([], ["published", "withdrawn"]), number
    assert await open_drafts(bus) == []


@pytest.mark.promise("2.3")
@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
@pytest.mark.parametrize(
    "decide_on",
    [approve_item, partial(reject_item, code="trung-lap")],
    ids=["approve", "reject"],
)
async def test_a_decision_cut_short_anywhere_is_finished(
    bus, intake, decisions, clock, decide_on, after
):
    for number, dying in enumerate(dying_buses(bus, after=after, fewest=6)):
        item = f"tin-{number}"
        await intake.handle(submitted(item), UNIT)
        with suppress(SimulatedCrash):
            await decide_on(Intake(dying, DEFAULT, clock).decisions, item, CLERK)
        await decisions.finish_interrupted()
        await check_finished(bus, decisions, item)


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_an_approval_counts_once_its_draft_is_in_the_log(
    bus, intake, decisions, clock, after
):
    """Intake died between booking a revision and laying it on the desk; a clerk was fast."""
    decided = 0
    for number, dying in enumerate(dying_buses(bus, after=after, fewest=8)):
        item = f"tin-{number}"
        with suppress(SimulatedCrash):
            await Intake(dying, DEFAULT, clock).handle(submitted(item), UNIT)
        state = (await decisions.log.read(item)).state
        if state.text:
            await decide(
                decisions,
                Order(item, ActionKind.APPROVE, "nhanh", state.hash, is_clean=True),
                CLERK,
            )
            await decisions.carry_out(item)
            decided += 1
        await intake.handle(submitted(item), UNIT)
        await approve_item(decisions, item, CLERK)
        await check_finished(bus, decisions, item)
        assert len(await released_publications(bus, item)) == 1
        kinds = [act.kind for act in await acts_of(bus, item)]
        assert kinds == ["receive", "approve", "schedule", "publish"]
    assert decided > 1


async def check_finished(bus: Bus, decisions: DraftDecisions, item: str) -> None:
    """Either nothing was decided and the draft still waits, or everything was carried out."""
    stored = await stored_position(bus, item=item)
    waiting = [draft.content_id for draft in await decisions.waiting_drafts()]
    if stored["state"] == "waiting":
        assert waiting == [item]
        await reject_item(decisions, item, CLERK, code="trung-lap")
        return
    assert waiting == []
    assert await open_drafts(bus) == []
    assert (await bucket_records(bus, "publications"))[item]["waiting"] == []
    assert len(await released_publications(bus, item)) == (stored["state"] == "released")
    assert (stored["seq"] is not None) == (stored["state"] == "released")


async def acts_of(bus: Bus, item: str = ITEM) -> list[Action]:
    """The acts on an item in the editorial log, oldest first."""
    messages = bus.scan(subjects.EDITORIAL.name, subjects.editorial(item))
    return [Action.model_validate_json(one.data) async for one in messages]


async def test_a_withdrawal_delivered_again_leaves_a_newer_revision_on_the_desk(
    bus, intake, decisions
):
    await intake.handle(submitted(), UNIT)
    await approve_item(decisions, ITEM, CLERK)
    with crash_at("intake.withdrawal_published"):
        await intake.handle(withdrawn(), UNIT)
    await intake.handle(submitted(revision=3), UNIT)
    for _ in range(2):
        await intake.handle(withdrawn(), UNIT)
    assert [draft.revision for draft in await decisions.waiting_drafts()] == [3]
    acts = await acts_of(bus)
    assert [act.revision for act in acts if act.kind is ActionKind.WITHDRAW] == [1]
    assert fold(acts).out == 0
    await approve_item(decisions, ITEM, CLERK)
    assert await released_actions(bus) == ["published", "withdrawn", "published"]


async def test_a_text_that_the_log_no_longer_has_cannot_be_decided(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)

    def taken_back(state: ItemState) -> Action:
        facts = {"by": UNIT, "role": UNIT_SYSTEM, "kind": ActionKind.WITHDRAW, "note": "Sai"}
        text = {"revision": 1, "hash": state.hash, "prev": state.head}
        return Action.model_validate({"id": "go", "at": state.last_change.at, **facts, **text})

    await decisions.log.act(ITEM, taken_back)
    before = await stored_position(bus)
    assert await refusal(approve_item(decisions, ITEM, CLERK), Conflict) == ["kind"]
    reject = reject_item(decisions, ITEM, CLERK, code="trung-lap")
    assert await refusal(reject, Conflict) == ["kind"]
    assert await stored_position(bus) == before
    assert len(await acts_of(bus)) == 2


async def test_an_approval_cut_short_is_carried_out_though_the_next_text_is_rejected(
    bus, intake, decisions, clock
):
    await intake.handle(submitted(), UNIT)
    with crash_at("desk.item_released"):
        await approve_item(decisions, ITEM, CLERK)
    await intake.handle(corrected(), UNIT)
    with crash_at("editorial.stored"):
        await reject_item(decisions, ITEM, CLERK, code="trung-lap")
    restarted = DraftDecisions(bus, clock)
    assert await restarted.finish_interrupted() == 2
    [released] = await released_publications(bus)
    assert (released["revision"], (await stored_position(bus))["seq"]) == (1, released["seq"])
    assert await restarted.finish_interrupted() == 0
    assert await open_drafts(bus) == []


@pytest.mark.parametrize("died_at", ["desk.decided", "desk.carried_out", "desk.settled"])
async def test_a_later_process_settles_a_rejection_and_then_has_nothing_open(
    bus, intake, decisions, clock, died_at
):
    await intake.handle(submitted(), UNIT)
    with crash_at(died_at):
        await reject_item(decisions, ITEM, CLERK, code="trung-lap")
    restarted = DraftDecisions(bus, clock)
    assert await restarted.log.open_items() != {}
    await restarted.finish_interrupted()
    assert await restarted.log.open_items() == await EditorialLog(bus).open_items() == {}
    kinds = [act.kind for act in await acts_of(bus)]
    assert kinds == [ActionKind.RECEIVE, ActionKind.REJECT, ActionKind.SETTLE]


async def test_the_log_names_the_person_who_withdrew(bus, intake, decisions):
    await intake.handle(submitted(author=AUTHOR), UNIT)
    await approve_item(decisions, ITEM, CLERK)
    event = withdrawn().model_copy(update={"extensions": {"submitter": "nv-go"}})
    await intake.handle(event, UNIT)
    act = (await acts_of(bus))[-1]
    assert (act.kind, act.by, act.role) == (ActionKind.WITHDRAW, "nv-go", "")


async def test_a_unit_answers_for_a_withdrawal_by_the_author(bus, intake, decisions):
    await intake.handle(submitted(author=AUTHOR), UNIT)
    await approve_item(decisions, ITEM, CLERK)
    event = withdrawn().model_copy(update={"extensions": {"submitter": AUTHOR}})
    await intake.handle(event, UNIT)
    act = (await acts_of(bus))[-1]
    assert (act.kind, act.by, act.role) == (ActionKind.WITHDRAW, UNIT, UNIT_SYSTEM)
    assert await released_actions(bus) == ["published", "withdrawn"]


async def test_the_log_and_the_position_name_both_people_of_an_approval_by_two(
    bus, intake, decisions
):
    await intake.handle(submitted(), UNIT)
    second = Actor("nv-2", "Lê Văn Cường", "lanh-dao", agreed=(Agreement("nv-1", "lanh-dao"),))
    approved = await approve_item(decisions, ITEM, second)
    [act] = [act for act in await acts_of(bus) if act.kind is ActionKind.APPROVE]
    assert (act.by, act.role, act.agreed) == ("nv-2", "lanh-dao", ("nv-1",))
    assert approved.decision.role == "lanh-dao" and "nv-1" in approved.decision.reason


def gone(state: ItemState) -> Action:
    """An act of a person who withdraws the text."""
    facts = {"by": "nv-go", "kind": ActionKind.WITHDRAW, "note": "Sai.", "hash": state.hash}
    facts |= {"revision": state.revision, "prev": state.head, "at": state.last_change.at}
    return Action.model_validate({"id": "go", **facts})


def edited(state: ItemState) -> Action:
    """An act of an editor, who changes the text."""
    text = state.text.model_copy(update={"data": state.text.data | {"body": "Chưa ai duyệt"}})
    facts = {"by": "nv-sua", "kind": ActionKind.EDIT, "revision": state.revision}
    texts = {"text": text, "hash": text.hash, "prev": state.head}
    return Action.model_validate({"id": "sua", "at": state.last_change.at, **facts, **texts})


@pytest.mark.promise("2.4")
async def test_a_text_edited_after_its_approval_is_not_released_with_it(
    bus, intake, decisions, clock
):
    await intake.handle(submitted(), UNIT)
    with crash_at("editorial.stored"):
        await approve_item(decisions, ITEM, CLERK)
    await decisions.log.act(ITEM, edited)
    await DraftDecisions(bus, clock).finish_interrupted()
    assert await released_publications(bus) == []
    [draft] = await decisions.waiting_drafts()
    await approve_item(decisions, ITEM, CLERK, hash=draft.hash)
    [released] = await released_publications(bus)
    assert released["body"] == "Chưa ai duyệt"


STEPS = [("act", n) for n in range(1, 5)] + [("update_item", 1), ("update_item", 2)]
STEPS += [("update_position", 1), ("publish_once", 1)]


@pytest.mark.promise("2.4")
@pytest.mark.parametrize(("step", "turn"), STEPS)
async def test_what_is_out_is_the_text_of_the_log_whenever_another_process_edits(
    bus, intake, decisions, step, turn, monkeypatch
):
    """An editor's act is tried right before a step of the release."""
    await intake.handle(submitted(), UNIT)
    editor, refused, turns = EditorialLog(bus), [], iter(range(1, 99))
    owner = {"act": item_log, "publish_once": decisions.releaser}.get(step, decisions.repository)
    go_on = getattr(owner, step)

    async def edit_first(*args, **more):
        if next(turns) == turn:
            try:
                await editor.act(ITEM, edited)
            except Conflict as conflict:
                refused.append(conflict)
        return await go_on(*args, **more)

    monkeypatch.setattr(owner, step, edit_first)
    with suppress(Conflict):
        await approve_item(decisions, ITEM, CLERK)
    assert next(turns) > turn
    state = fold(await acts_of(bus))
    bodies = [one["body"] for one in await released_publications(bus)]
    assert bodies == ([state.text.data["body"]] if state.out else [])
    assert bool(state.out) == bool(refused)


@pytest.mark.promise("2.4")
async def test_a_text_withdrawn_between_its_approval_and_its_release_stays_in(
    bus, intake, decisions
):
    await intake.handle(submitted(), UNIT)
    with crash_at("desk.decided"):
        await approve_item(decisions, ITEM, CLERK)
    await decisions.log.act(ITEM, gone)
    await decisions.finish_interrupted()
    assert await released_publications(bus) == []
    assert fold(await acts_of(bus)).is_unfinished is False


@pytest.mark.promise("2.4")
async def test_an_edited_text_is_released_under_its_own_hash(bus, intake, decisions):
    await intake.handle(submitted(), UNIT)
    [sent] = await decisions.waiting_drafts()
    for kind, by in (
        (ActionKind.CONFIRM, "nv-lanh-dao"),
        (None, ""),
        (ActionKind.PROPOSE, "nv-de"),
    ):
        await decisions.log.act(ITEM, partial(checked, kind, by) if kind else edited)
    [draft] = await decisions.waiting_drafts()
    await refusal(approve_item(decisions, ITEM, CLERK, hash=sent.hash), Conflict)
    approved = await approve_item(decisions, ITEM, CLERK, hash=draft.hash)
    [released] = await released_publications(bus)
    assert (released["body"], approved.decision.hash) == ("Chưa ai duyệt", draft.hash)
    again = await approve_item(decisions, ITEM, CLERK, hash=draft.hash)
    assert again.seq == released["seq"]


def checked(kind: ActionKind, by: str, state: ItemState, role: str = "") -> Action:
    """An act on the text as it is."""
    facts = {"id": kind.value, "at": state.last_change.at, "by": by, "kind": kind, "role": role}
    text = {"revision": state.revision, "hash": state.hash, "prev": state.head}
    return Action.model_validate(facts | text)


async def test_an_approval_that_was_scheduled_before_it_was_booked_is_carried_out(
    bus, intake, decisions, clock
):
    await intake.handle(submitted(), UNIT)
    with crash_at("editorial.stored"):
        await approve_item(decisions, ITEM, Actor(CLERK, role="lanh-dao"))
    await decisions.log.act(ITEM, partial(checked, ActionKind.SCHEDULE, "loa", role=RULE))
    assert await DraftDecisions(bus, clock).finish_interrupted() == 1
    assert len(await released_publications(bus)) == 1
    decision = (await stored_position(bus))["decision"]
    assert (decision["by"], decision["role"]) == (CLERK, "lanh-dao")
