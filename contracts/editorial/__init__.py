"""The editorial record of an item: every act on it, and its state as a pure fold over them."""

from contracts.editorial.action import Action, ActionKind, EditorialText, name_hash
from contracts.editorial.fold import state_after
from contracts.editorial.moves import OUT, UNSENT, Status
from contracts.editorial.state import ItemState

__all__ = [
    "OUT",
    "UNSENT",
    "Action",
    "ActionKind",
    "EditorialText",
    "ItemState",
    "Status",
    "name_hash",
    "state_after",
]
