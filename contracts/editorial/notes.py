"""Notes that Loa writes into an item's history for a person's act."""

from datetime import datetime

from contracts.editorial.moves import name_of
from contracts.text.moments import VIETNAM, format_moment_in_sentence


def moved_note(not_before: str) -> str:
    """Note in the history on a text that now leaves at *not_before*; empty: at once."""
    if not not_before:
        return name_of("moved_to_now").vi
    at = datetime.fromisoformat(not_before).astimezone(VIETNAM)
    return name_of("moved_to").vi.format(at=format_moment_in_sentence(at))
