"""Count readers' reactions, of which the bus holds one message each."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel

from consumers.intake.items import Item
from consumers.intake.repository import ItemRepository
from consumers.ledger.entry import REACHED_LETTERS, SENDING_LETTERS
from consumers.operations.rebuild import portal_row_letters
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.subscriptions.reaction import Reaction
from producers.bus import Bus

VISIBLE_LETTERS = REACHED_LETTERS | SENDING_LETTERS
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
    """Counts of one item, or of every item with reactions; most reactions first."""
    wanted = f"opinion.*.{content_id or '*'}.*"
    found: dict[tuple[str, ChannelName], Counter[Reaction]] = {}
    for subject, count in (await bus.count_by_subject(subjects.OPINIONS.name, wanted)).items():
        _, channel, item, said = subject.split(".")
        found.setdefault((item, ChannelName(channel)), Counter())[Reaction(said)] += count
    made = [
        ReactionCounts(
            content_id=item, channel=channel, **{said.value: n for said, n in counts.items()}
        )
        for (item, channel), counts in found.items()
    ]
    return sorted(made, key=lambda one: (-one.total, one.content_id, one.channel))


async def portal_state(bus: Bus, content_id: str) -> Literal["", "released", "withdrawn"]:
    """The item's state on the portal; empty for an item it never showed. Raises BusError.

    The register knows what was decided, not what can be seen: it has an item under embargo, and one
    for other channels alone.
    """
    item = await ItemRepository(bus).item(content_id)
    newest = await newest_on_portal(bus, content_id, item) if item else 0
    if not (item and newest):
        return ""
    gone = item.state == "withdrawn" or newest in item.withdrawals
    return "withdrawn" if gone else "released"


async def newest_on_portal(bus: Bus, content_id: str, item: Item) -> int:
    """The newest position that the portal has, or had, as the ledger knows; 0 for none."""
    keys = {
        f"state.{BatchKey(ChannelName.PORTAL, content_id, one, 0)}": one for one in item.released
    }
    rows = await portal_row_letters(bus, list(keys), since=0)
    return max((keys[key] for key, letter in rows.items() if letter in VISIBLE_LETTERS), default=0)
