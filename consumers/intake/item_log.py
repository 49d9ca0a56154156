"""Items of the editorial log: one that can't be read is told apart from an act that is refused."""

from contextlib import suppress

from consumers.editorial.log import Decide, EditorialLog
from consumers.intake.errors import BrokenItem
from consumers.messages import field_error
from contracts import subjects
from contracts.editorial import Action, ActionKind, ItemState
from contracts.errors import ContractError


async def read(log: EditorialLog, content_id: str) -> ItemState:
    """The item as its acts say. Raises BrokenItem."""
    try:
        return (await log.read(content_id)).state
    except ContractError as error:
        raise BrokenItem(field_error("content_id", "item_broken", value=content_id)) from error


async def act(
    log: EditorialLog, content_id: str, decide: Decide, *, is_new: bool = False
) -> ItemState:
    """As `EditorialLog.act`. Raises BrokenItem, and what the act's rules raise."""
    try:
        return await log.act(content_id, decide, is_new=is_new)
    except ContractError:
        await read(log, content_id)
        raise


async def find_approval(log: EditorialLog, content_id: str, state: ItemState) -> Action | None:
    """The last approval of the newest revision, along the chain that ends in *state*."""
    acts: dict[str, Action] = {}
    async for message in log.bus.scan(subjects.EDITORIAL.name, subjects.editorial(content_id)):
        with suppress(ValueError):  # a foreign message, which is not in the chain
            act = Action.model_validate_json(message.data)
            acts[act.digest] = act
    found = acts.get(state.head)
    while found and (found.kind, found.revision) != (ActionKind.APPROVE, state.revision):
        found = acts.get(found.prev)
    return found
