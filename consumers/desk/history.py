"""The acts on an item as a history shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.desk.editorial import ActLine
from contracts.desk.shown_status import begins_later
from contracts.editorial import Action
from contracts.editorial.action import RULE, UNIT_SYSTEM

_LOA = "Loa"


def history_lines(acts: Sequence[Action], names: Mapping[str, str]) -> tuple[ActLine, ...]:
    """The acts, oldest first, with the names of accounts by their ids."""
    texts = {act.hash: act.text.data for act in acts if act.text}
    return tuple(_line(act, names, texts.get(act.hash, {})) for act in acts)


def _line(act: Action, names: Mapping[str, str], data: Mapping[str, Any]) -> ActLine:
    """*data*: the text that the act concerns."""
    who = _LOA if act.role == RULE else names.get(act.by, act.by)
    role = "" if act.role in (RULE, UNIT_SYSTEM) else act.role
    facts = (act.kind, act.revision, act.hash, act.note, act.code, act.place)
    agreed = tuple(names.get(one, one) for one in act.agreed)
    return ActLine(act.at, who, role, *facts, agreed, act.rule, begins_later(act, data))
