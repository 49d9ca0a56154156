"""Acts of the desk, as pure functions of an item's state: each has an id of its own."""

from datetime import UTC, datetime

import pytest

from consumers.intake import desk_acts
from consumers.intake.approval import Draft, draft_of
from consumers.intake.items import Decision, Position
from contracts import events
from contracts.editorial import Action, ActionKind, EditorialText, ItemState, state_after
from contracts.editorial.action import UNIT_SYSTEM
from contracts.errors import Conflict

AT = datetime(2027, 1, 15, 8, tzinfo=UTC)
APPROVED = Decision(verdict="approved", by="nv-binh", at=AT)
REJECTED = Decision(verdict="rejected", by="nv-cuong", at=AT, code="trung-lap")
BY_ANOTHER = Decision(verdict="approved", by="nv-cuong", at=AT)


def act(state: ItemState, kind: ActionKind, by: str, body: str = "", **more: object) -> ItemState:
    """The state after an act; one with a *body* brings the text of a next or the same revision."""
    data = {"content_id": "tin-1", "body": body}
    text = EditorialText(unit="vu-cchc", type=events.SUBMITTED, data=data) if body else None
    facts = {
        "id": f"{kind}.{len(state.ids)}",
        "at": AT,
        "by": by,
        "kind": kind,
        "revision": state.revision + (kind is ActionKind.RECEIVE),
        "hash": text.hash if text else state.hash,
        "text": text,
        "prev": state.head,
    }
    return state_after(state, Action.model_validate(facts | more))


def received(state: ItemState, body: str) -> ItemState:
    """A text without an event, as one written at the desk."""
    return act(state, ActionKind.RECEIVE, "vu-cchc", body, role=UNIT_SYSTEM)


def draft(state: ItemState) -> Draft:
    return desk_acts.drafts_of("tin-1", state)[state.revision]


def decide(state: ItemState, decision: Decision) -> ItemState:
    return state_after(state, desk_acts.decision_act(draft(state), decision, state))


def publish(state: ItemState) -> ItemState:
    [(number, text)] = state.approved.items()
    known = draft_of("tin-1", number, text, AT)
    facts = {"event_id": "", "hash": known.hash, "unit": "vu-cchc", "kind": "submitted", "at": AT}
    record = Position.model_validate(facts | {"state": "released", "seq": number})
    return state_after(state, desk_acts.outcome_act(known, record, AT, state))


def test_texts_without_an_event_are_each_decided_and_each_out():
    state = ItemState()
    for number, body in enumerate(("Bản một", "Bản hai"), start=1):
        state = publish(decide(received(state, body), APPROVED))
        assert state.out == number


def test_a_text_that_was_edited_after_its_approval_can_be_approved_again():
    state = decide(received(ItemState(), "Bản một"), APPROVED)
    edited = act(state, ActionKind.EDIT, "nv-sua", "Bản đã sửa")
    again = decide(edited, Decision(verdict="approved", by="nv-dung", at=AT))
    assert again.approved[1].data["body"] == "Bản đã sửa"


@pytest.mark.parametrize("other", [REJECTED, BY_ANOTHER], ids=["the opposite", "the same"])
def test_decisions_of_two_people_at_once_are_two_acts(other):
    state = received(ItemState(), "Bản một")
    ids = {desk_acts.decision_act(draft(state), one, state).id for one in (APPROVED, other)}
    assert len(ids) == 2
    assert desk_acts.decision_act(draft(state), APPROVED, state).id in ids, "a repeat has the same"


def arrival(event_id: str, revision: int) -> Draft:
    data = {"content_id": "tin-1", "body": event_id}
    text = EditorialText(unit="vu-cchc", type=events.SUBMITTED, data=data, event_id=event_id)
    return draft_of("tin-1", revision, text, AT)


def test_an_arrival_is_an_act_once_and_a_number_is_of_one_text():
    first, other = arrival("e1", 2), arrival("e2", 2)
    state = state_after(ItemState(), desk_acts.arrival_act(first, ItemState()))
    assert desk_acts.arrival_act(first, state) is None
    assert desk_acts.arrival_act(arrival("e0", 1), state) is None, "a later one has come"
    with pytest.raises(Conflict):
        desk_acts.arrival_act(other, state)
