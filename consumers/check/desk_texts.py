"""Texts that people wrote, changed or withdrew at the desk, as the editorial log has them."""

from pydantic import ValidationError

from consumers.check.publications import PublicationFacts, text_fingerprint
from consumers.editorial.log import EditorialLog
from consumers.intake import written
from consumers.intake.items import Item, Position
from consumers.intake.release import build_publication, build_withdrawal
from contracts import events
from contracts.content import Submitted
from contracts.editorial import Action, ActionKind
from contracts.errors import ContractError


async def approved_fingerprint(
    log: EditorialLog, facts: PublicationFacts, position: Position, item: Item
) -> bytes | None:
    """The text of a publication, by the act that people did; None if the log has no such act."""
    try:
        acts = [act async for _, act in log.acts(facts.content_id)]
        found = next((one for one in acts if _is_about(one, facts, position)), None)
        return _fingerprint(found, facts, position, item) if found else None
    except (ContractError, ValidationError):
        return None  # a broken item is named by another rule


def _is_about(act: Action, facts: PublicationFacts, position: Position) -> bool:
    """Whether an act withdrew the item, or brought the text that was approved."""
    if position.kind == "withdrawn":
        return _is_withdrawal(act) and _event_id(act, facts, position) == position.event_id
    if position.decision is None or position.decision.verdict != "approved":
        return False
    return act.text is not None and act.hash == position.decision.hash


def _is_withdrawal(act: Action) -> bool:
    return act.kind is ActionKind.WITHDRAW and bool(act.note)


def _event_id(act: Action, facts: PublicationFacts, position: Position) -> str:
    return written.withdrawal(facts.content_id, act, position.unit).event_id


def _fingerprint(
    act: Action, facts: PublicationFacts, position: Position, item: Item
) -> bytes | None:
    if act.text is None:
        return text_fingerprint(build_withdrawal(facts.content_id, item, position))
    content = events.KINDS[act.text.type].model_validate(act.text.data)
    if not isinstance(content, Submitted):
        return None
    return text_fingerprint(build_publication(content, item, position.event_id))
