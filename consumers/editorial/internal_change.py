"""Whether a text changes no more than the plan of a campaign, by the item's acts."""

from collections.abc import Mapping
from typing import Any

from consumers.editorial.waiting import read_history
from contracts.desk.shown.internal_change import PLANNING, is_internal_change
from producers.bus import Bus


async def is_internal(bus: Bus, content_id: str, revision: int, data: Mapping[str, Any]) -> bool:
    """Whether the approval of a text would release nothing; false for one that is out.

    Only the log of an item that takes part in a campaign is read. Raises BusError.
    """
    if not data.keys() & PLANNING:
        return False
    state, acts = await read_history(bus, content_id)
    if not 0 < state.out < revision:
        return False
    out = state.published[state.out]
    before = next((one.text.data for one in acts if one.text and one.hash == out), {})
    return is_internal_change(before, data)
