"""Acts of the desk that an item's records do not tell: returns, and whom a text waits for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from contracts.editorial import UNSENT, Action, ActionKind, ItemState
from contracts.editorial.moves import name_of
from contracts.errors import ContractError, FieldError
from contracts.trace import TimelineEntry
from producers.bus import Bus

History = tuple[ItemState, Sequence[Action]]
"""An item as the editorial log has it, and its acts, oldest first."""


class TextReturn(BaseModel):
    """When a text went back to its author, by whom, and why; no reason for who reads no drafts."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    reason: str

    def named(self, names: Mapping[str, str]) -> FieldError:
        """That the author has to act, with the name of an account in place of its id."""
        facts = {"at": self.at, "who": names.get(self.by, self.by)}
        if not self.reason:
            return field_error("author", "waits_for_author", **facts)
        return field_error("author", "waits_for_author_because", reason=self.reason, **facts)


async def read_history(bus: Bus, content_id: str) -> History:
    """The item and its acts; nothing of one that `loa check` calls broken. Raises BusError."""
    try:
        return await EditorialLog(bus).history(content_id)
    except ContractError:
        return ItemState(), ()


def without_notes(history: History) -> History:
    """The history for who reads no drafts: what people wrote about a text is left out."""
    state, acts = history
    return state, [act.model_copy(update={"note": ""}) for act in acts]


def find_return(history: History) -> TextReturn | None:
    """The last return of a text that is with its author; None if it is not there."""
    state, acts = history
    returns = [one for one in acts if one.kind is ActionKind.RETURN]
    if not (returns and state.status in UNSENT and returns[-1].revision == state.revision):
        return None
    last = returns[-1]
    return TextReturn(at=last.at, by=last.by, reason=last.note)


def act_entries(acts: Sequence[Action], waiting: Collection[int]) -> Iterator[TimelineEntry]:
    """Yield the returns, and the approvals of revisions that wait by their records."""
    for act in acts:
        label = f"revision {act.revision}"
        if act.kind is ActionKind.RETURN:
            detail = f"{label}: {act.note}" if act.note else label
            yield TimelineEntry(at=act.at, event="returned", detail=detail, by=act.by)
        if act.kind is ActionKind.APPROVE and act.revision in waiting:
            yield TimelineEntry(at=act.at, event="approved", detail=label, by=act.by)


def describe_unsent(
    content_id: str, history: History, names: Mapping[str, str], desk: str
) -> FieldError | None:
    """That a text has not left the desk, and who had it last; None where there is no text.

    *desk*: its address; empty for one that is not known.
    """
    state, _ = history
    last = state.last_change
    if not (last and state.status):
        return None
    status = name_of("given_up" if state.is_given_up else state.status)
    facts = {"of": state.revision, "status": status, "at": last.at, "desk": desk}
    code, who = "item_at_this_desk" if desk else "item_at_desk", names.get(last.by, last.by)
    return field_error("content_id", code, value=content_id, who=who, **facts)


def describe_wait(history: History, names: Mapping[str, str]) -> FieldError | None:
    """Whom a waiting text waits for: its author, a person of the desk, or intake."""
    state, _ = history
    if returned := find_return(history):
        return returned.named(names)
    if state.revision in state.approved:
        return field_error("intake", "waits_for_intake")
    if state.is_undecided and state.status:
        return field_error("desk", "waits_for_desk", status=name_of(state.status))
    return None
