"""Count readers' reactions; the bus holds a message for each."""

from collections import Counter, defaultdict
from typing import Literal

from pydantic import BaseModel

from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.ledger import bulk
from consumers.ledger.entry import REACHED_LETTERS, SENDING_LETTERS
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.subscriptions.reaction import Reaction
from producers.bus import Bus

_VISIBLE_LETTERS = REACHED_LETTERS | SENDING_LETTERS
"""Letters of rows that readers of the portal may see, or have seen."""


class ReactionCounts(BaseModel):
    """Reactions to one item by its readers on one channel."""

    content_id: str
    channel: ChannelName
    satisfied: int = 0
    neutral: int = 0
    dissatisfied: int = 0

    @property
    def total(self) -> int:
        return self.satisfied + self.neutral + self.dissatisfied


async def count_reactions(bus: Bus, content_id: str = "") -> list[ReactionCounts]:
    """Count one item's reactions, or those of every item; most reactions first."""
    filter_subject = f"opinion.*.{content_id or '*'}.*"
    by_subject = await bus.count_by_subject(subjects.OPINIONS.name, filter_subject)
    counts: dict[tuple[str, ChannelName], Counter[str]] = defaultdict(Counter)
    for subject, count in by_subject.items():
        _, channel, item, reaction = subject.split(".")
        counts[item, ChannelName(channel)][Reaction(reaction).value] += count
    rows = [
        ReactionCounts(content_id=item, channel=channel, **reactions)
        for (item, channel), reactions in counts.items()
    ]
    return sorted(rows, key=lambda row: (-row.total, row.content_id, row.channel))


async def portal_state(bus: Bus, content_id: str) -> Literal["", "released", "withdrawn"]:
    """Return the item's state on the portal; empty if it was never shown. Raises BusError.

    The register has items that are not on the portal: under embargo, or for other channels only.
    """
    item = await ItemRepository(bus).item(content_id)
    newest = await _newest_on_portal(bus, content_id, item) if item else 0
    if not (item and newest):
        return ""
    gone = item.state == "withdrawn" or newest in item.withdrawals
    return "withdrawn" if gone else "released"


async def _newest_on_portal(bus: Bus, content_id: str, item: Item) -> int:
    """Return the newest position that, by the ledger, the portal has shown; 0 for none."""
    portal = ChannelName.PORTAL
    keys = {f"state.{BatchKey(portal, content_id, n, 0)}": n for n in item.released}
    letters = await bulk.first_letters(bus.bucket(subjects.LEDGER.name), list(keys), since=0)
    visible = [keys[key] for key, letter in letters.items() if letter in _VISIBLE_LETTERS]
    return max(visible, default=0)
