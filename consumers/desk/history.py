"""The acts on an item as a history shows them."""

from collections.abc import Mapping

from contracts.desk.editorial import ActLine
from contracts.editorial import Action
from contracts.editorial.action import RULE, UNIT_SYSTEM

_LOA = "Loa"


def history_line(act: Action, names: Mapping[str, str]) -> ActLine:
    """The act, with the names of accounts by their ids."""
    who = _LOA if act.role == RULE else names.get(act.by, act.by)
    role = "" if act.role in (RULE, UNIT_SYSTEM) else act.role
    facts = (act.kind, act.revision, act.hash, act.note, act.code, act.place)
    agreed = tuple(names.get(one, one) for one in act.agreed)
    return ActLine(act.at, who, role, *facts, agreed, act.rule)
