"""The acts on an item as a history shows them, with the agreements to acts that take two people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from consumers.desk.orders.rules import OrderRules
from consumers.staff.policy import Agreement
from consumers.staff.proposals import Proposals
from contracts.desk.editorial import ActLine, Order
from contracts.desk.shown.readership import begins_later
from contracts.editorial import Action, ActionKind, ItemState
from contracts.editorial.action import RULE, UNIT_SYSTEM
from contracts.editorial.moves import MOVES

_LOA = "Loa"


async def open_agreements(
    rules: OrderRules, proposals: Proposals, content_id: str, state: ItemState
) -> tuple[Agreement, ...]:
    """Who has approved the text already, where it takes two and one is missing."""
    if (state.status, ActionKind.APPROVE) not in MOVES:
        return ()
    act = await rules.act_of(Order(content_id, ActionKind.APPROVE, "", state.hash), state)
    return await proposals.agreements(act.action, act.facts, act.arguments)


def history_lines(
    acts: Sequence[Action],
    names: Mapping[str, str],
    state: ItemState,
    agreements: Sequence[Agreement] = (),
) -> tuple[ActLine, ...]:
    """The acts, oldest first, with the names of accounts by their ids.

    *agreements*: to the approval of the newest text, which waits for a second person.
    """
    texts, lines = {act.hash: act.text.data for act in acts if act.text}, list[ActLine]()
    for act in acts:
        _insert(lines, _agreements(act, names))
        lines.append(_line(act, names, texts.get(act.hash, {})))
    facts = (ActionKind.APPROVE, state.revision, state.hash)
    half = (
        ActLine(one.at, names.get(one.account, one.account), one.role, *facts, is_agreement=True)
        for one in agreements
        if one.at
    )
    _insert(lines, half)
    return tuple(lines)


def _insert(lines: list[ActLine], agreements: Iterable[ActLine]) -> None:
    """Put *agreements* among *lines*, the acts before theirs, by their times."""
    for one in agreements:
        place = next((n for n, line in enumerate(lines) if line.at > one.at), len(lines))
        lines.insert(place, one)


def _agreements(act: Action, names: Mapping[str, str]) -> Iterator[ActLine]:
    """A line for each who had agreed to an act, if it is known when."""
    for one in act.agreements:
        facts = (one.role, act.kind, act.revision, act.hash)
        yield ActLine(one.at, names.get(one.by, one.by), *facts, is_agreement=True)


def _line(act: Action, names: Mapping[str, str], data: Mapping[str, Any]) -> ActLine:
    """*data*: the text that the act concerns."""
    who = _LOA if act.role == RULE else names.get(act.by, act.by)
    role = "" if act.role in (RULE, UNIT_SYSTEM) else act.role
    facts = (act.kind, act.revision, act.hash, act.note, act.code, act.place)
    told = {one.by for one in act.agreements}
    agreed = tuple(names.get(one, one) for one in act.agreed if one not in told)
    return ActLine(act.at, who, role, *facts, agreed, act.rule, begins_later(act, data))
