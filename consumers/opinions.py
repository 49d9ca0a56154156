"""What readers think: counted by the bus itself, which holds one message for each press."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel

from consumers.items import Item
from consumers.ledger.entry import ON_THE_WIRE, REACHED
from consumers.rebuild import portal_rows
from consumers.register import Register
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.opinion import Opinion
from producers.bus import Bus

SEEN = REACHED | ON_THE_WIRE
"""Letters of rows that readers of the portal may see, or have seen."""


class Tally(BaseModel):
    """How many said what of one item, having read it on one channel."""

    content_id: str
    channel: ChannelName
    satisfied: int = 0
    neutral: int = 0
    dissatisfied: int = 0

    @property
    def all(self) -> int:
        return self.satisfied + self.neutral + self.dissatisfied


async def tallies(bus: Bus, content_id: str = "") -> list[Tally]:
    """Of one item, or of every item that anybody had an opinion on; most opinions first."""
    wanted = f"opinion.*.{content_id or '*'}.*"
    found: dict[tuple[str, ChannelName], Counter[Opinion]] = {}
    for subject, count in (await bus.tally(subjects.OPINIONS.name, wanted)).items():
        _, channel, item, said = subject.split(".")
        found.setdefault((item, ChannelName(channel)), Counter())[Opinion(said)] += count
    made = [
        Tally(content_id=item, channel=channel, **{said.value: n for said, n in counts.items()})
        for (item, channel), counts in found.items()
    ]
    return sorted(made, key=lambda one: (-one.all, one.content_id, one.channel))


async def standing(bus: Bus, content_id: str) -> Literal["", "released", "withdrawn"]:
    """How the item stands on the portal; empty for one that it never showed. Raises BusError.

    The register knows what was decided, not what can be seen: it has an item under embargo, and one
    for other channels alone.
    """
    item = await Register(bus).item(content_id)
    newest = await shown(bus, content_id, item) if item else 0
    if not (item and newest):
        return ""
    gone = item.state == "withdrawn" or newest in item.withdrawals
    return "withdrawn" if gone else "released"


async def shown(bus: Bus, content_id: str, item: Item) -> int:
    """The newest position that the portal has, or had, as the ledger knows; 0 for none."""
    keys = {
        f"state.{BatchKey(ChannelName.PORTAL, content_id, one, 0)}": one for one in item.released
    }
    rows = await portal_rows(bus, list(keys), since=0)
    return max((keys[key] for key, letter in rows.items() if letter in SEEN), default=0)
