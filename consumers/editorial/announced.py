"""The interruption of services that readers of an item know of, as the editorial log has it."""

from collections.abc import Sequence
from datetime import datetime

from contracts.editorial import Action, ItemState
from contracts.interruptions.announcement import Announcement
from contracts.interruptions.interruption import Interruption


def known_interruption(
    state: ItemState, acts: Sequence[Action], now: datetime
) -> Interruption | None:
    """What the newest text says that readers have *now*; None without one.

    What a rule approves goes out at once; the log says a little later that it is out.
    """
    by_rule = {one: state.approved[one].hash for one in state.by_rule if one in state.approved}
    hashes = {**state.published, **by_rule}
    texts = {one.hash: one.text for one in acts if one.text}
    for revision in sorted(hashes, reverse=True):
        text = texts.get(hashes[revision])
        if text is None or revision <= state.ended:
            continue
        said = Announcement.read(text.data)
        if said.shown_at(now) <= now:
            return said.interruption
    return None
