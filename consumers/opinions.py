"""What readers think: counted by the bus itself, which holds one message for each press."""

from collections import Counter

from pydantic import BaseModel

from contracts import subjects
from contracts.delivery import ChannelName
from contracts.opinion import Opinion
from producers.bus import Bus


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
