"""The ways of an item's revisions over the desk as facts: pure, from the item's acts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from contracts.editorial import Action, ActionKind
from contracts.editorial.action import NOT_RELEASED
from contracts.facts import DecisionFact

_Known = dict[str, Any]
"""The fields of a `DecisionFact`, as far as the acts so far say, and `_ENDED`."""
_ENDED = "ended"
"""Set once the revision is carried out."""


def decision_facts(content_id: str, acts: Iterable[Action]) -> list[DecisionFact]:
    """The fact of each revision that was sent; a draft has none."""
    revisions: dict[int, _Known] = {}
    for act in acts:
        known = revisions.setdefault(act.revision, {"content_id": content_id})
        known["revision"] = act.revision
        if act.text:
            known |= {"unit": act.text.unit, "topic": str(act.text.data.get("topic") or "")}
        _EFFECTS.get(act.kind, _nothing)(known, act)
    sent = (known for _, known in sorted(revisions.items()) if {"sent_at", "unit"} <= known.keys())
    return [DecisionFact.model_validate(known) for known in sent]


def _nothing(known: _Known, act: Action) -> None:
    pass


def _sent(known: _Known, act: Action) -> None:
    """A text is sent once: what comes back and is sent again keeps its first time."""
    known.setdefault("sent_at", act.at)
    if act.text and act.text.event_time:
        known.setdefault("event_at", act.text.event_time)
    if act.rule:
        known |= {"by_rule": True}
        _decided(known, act)


def _confirmed(known: _Known, act: Action) -> None:
    known["confirmed_at"] = act.at


def _proposed(known: _Known, act: Action) -> None:
    known["proposed_at"] = act.at


def _returned(known: _Known, act: Action) -> None:  # noqa: ARG001
    known["returns"] = known.get("returns", 0) + 1


def _edited(known: _Known, act: Action) -> None:
    """A text that changes has lost its approval."""
    if act.text and _ENDED not in known:
        known |= {"decided_at": None, "verdict": None, "code": ""}


def _published(known: _Known, act: Action) -> None:
    """Note the publication; a text in force without one keeps its verdict, too."""
    if act.code != NOT_RELEASED:
        known.setdefault("published_at", act.at)
    known[_ENDED] = True


_VERDICTS: Mapping[ActionKind, str] = {
    ActionKind.RECEIVE: "approved",
    ActionKind.APPROVE: "approved",
    ActionKind.REJECT: "rejected",
    ActionKind.WITHDRAW: "withdrawn",
    ActionKind.SUPERSEDE: "superseded",
}


def _decided(known: _Known, act: Action) -> None:
    """Keep the last verdict before publication; a later withdrawal does not change it."""
    if _ENDED not in known:
        verdict = _VERDICTS[act.kind]
        known |= {"decided_at": act.at, "verdict": verdict, "code": act.code}


_EFFECTS: Mapping[ActionKind, Callable[[_Known, Action], None]] = {
    ActionKind.RECEIVE: _sent,
    ActionKind.SUBMIT: _sent,
    ActionKind.CONFIRM: _confirmed,
    ActionKind.EDIT: _edited,
    ActionKind.PROPOSE: _proposed,
    ActionKind.APPROVE: _decided,
    ActionKind.RETURN: _returned,
    ActionKind.REJECT: _decided,
    ActionKind.SUPERSEDE: _decided,
    ActionKind.WITHDRAW: _decided,
    ActionKind.PUBLISH: _published,
}
