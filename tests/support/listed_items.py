"""Texts of items and the acts on them, as people at the desk do them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts import events
from contracts.editorial import Action, ActionKind, EditorialText, ItemState, Status
from contracts.editorial.action import RULE, UNIT_SYSTEM
from tests.support.editorial_world import START, UNIT

Build = Callable[[ItemState], Action]
_CLOSED = frozenset(Status) - {Status.DRAFT, Status.RETURNED}


def listed_text(
    unit: str = UNIT, author: str | None = None, submitter: str | None = None, **data: Any
) -> EditorialText:
    """A text with some of the fields of an event."""
    given = {"title": "Thông báo tuyển dụng", "topic": "cai-cach-hanh-chinh", "body": "Nội dung."}
    return EditorialText(
        unit=unit, type=events.SUBMITTED, data=given | data, author=author, submitter=submitter
    )


def save(by: str, text: EditorialText | None = None, at: datetime = START, **data: Any) -> Build:
    """A person writes a draft, or the next one after a decision."""
    found = text or listed_text(**data)

    def build(state: ItemState) -> Action:
        revision = max(state.revision + (state.status in _CLOSED), 1)
        return act(ActionKind.SAVE, by, state, at=at, text=found, revision=revision)

    return build


def receive(text: EditorialText, revision: int = 1, at: datetime = START) -> Build:
    """A unit's system sends a revision."""

    def build(state: ItemState) -> Action:
        facts = {"text": text, "revision": revision, "role": UNIT_SYSTEM, "at": at}
        return act(ActionKind.RECEIVE, text.unit, state, **facts)

    return build


def step(kind: ActionKind, by: str, at: datetime = START, **more: Any) -> Build:
    """An act on the newest revision."""
    return lambda state: act(kind, by, state, at=at, **more)


def publish(at: datetime = START, revision: int = 0, code: str = "") -> Build:
    """Loa publishes an approved revision."""

    def build(state: ItemState) -> Action:
        number = revision or state.revision
        facts = {"revision": number, "hash": state.approved[number].hash, "role": RULE, "at": at}
        return act(ActionKind.PUBLISH, "loa", state, **facts, code=code)

    return build


def act(kind: ActionKind, by: str, state: ItemState, **more: Any) -> Action:
    """The act of *by* on *state*; it is another one in each state."""
    text = more.get("text")
    facts = {
        "id": f"{kind}.{by}.{state.head[:16]}",
        "at": START,
        "revision": state.revision,
        "hash": text.hash if text else state.hash,
        "prev": state.head,
    }
    return Action.model_validate({"kind": kind, "by": by, **facts, **more})
