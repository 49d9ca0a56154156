"""Decisions on items as people at the desk make them: an act of the log, which is carried out."""

import secrets

from consumers.desk.item_acts import ItemActs
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.items import Position
from consumers.staff.authorization import Actor
from contracts.desk.editorial import Order
from contracts.editorial import ActionKind
from contracts.vocabulary import DEFAULT
from producers.bus.records import require


async def approve_item(
    decisions: DraftDecisions, content_id: str, who: str | Actor, *, hash: str = ""
) -> Position:
    """Approve the newest text, or the one of *hash*; an approved text is carried out again."""
    state = (await decisions.log.read(content_id)).state
    if hash not in ("", state.hash) or not state.has_approved(state.hash):
        await decide(decisions, _order(content_id, ActionKind.APPROVE, hash or state.hash), who)
    return await _carried_out(decisions, content_id, state.revision)


async def reject_item(
    decisions: DraftDecisions,
    content_id: str,
    who: str | Actor,
    *,
    code: str = "",
    reason: str = "",
) -> Position:
    """Reject the newest text."""
    state = (await decisions.log.read(content_id)).state
    order = _order(content_id, ActionKind.REJECT, state.hash)
    await decide(decisions, order._replace(code=code, note=reason), who)
    return await _carried_out(decisions, content_id, state.revision)


async def decide(decisions: DraftDecisions, order: Order, who: str | Actor) -> None:
    """Add a person's act to the log, and carry nothing out."""
    actor = who if isinstance(who, Actor) else Actor(who)
    await ItemActs(decisions.log, DEFAULT, decisions.clock).perform(order, actor)


def _order(content_id: str, kind: ActionKind, hash: str) -> Order:
    return Order(content_id, kind, secrets.token_hex(), hash, is_clean=True)


async def _carried_out(decisions: DraftDecisions, content_id: str, revision: int) -> Position:
    await decisions.carry_out(content_id)
    return require(await decisions.repository.position(content_id, revision))
