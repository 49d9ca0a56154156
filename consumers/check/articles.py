"""Whether each article that was delivered at Zalo is remembered: without its id nobody hides it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.zalo.notebook import Note
from consumers.audience import ARTICLE
from consumers.check.findings import Violation
from consumers.check.look import Places
from consumers.check.released import Released
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus

NOTES = "note.zalo."
DELIVERED = ord("d")


@dataclass
class Articles:
    """*places* is what the ledger has booked, read before the notes are."""

    bus: Bus
    released: Released
    places: Places
    notes: dict[str, list[Note]] = field(default_factory=dict)

    async def violations(self) -> list[Violation]:
        async for key, value in self.bus.bucket(subjects.LEDGER.name).values(NOTES):
            self.notes.setdefault(key.rpartition(".")[2], []).append(Note.decode(value.data))
        return list(self.unnoted())

    def unnoted(self) -> Iterator[Violation]:
        for plan, letters in self.places.items():
            delivered = plan.channel is ChannelName.ZALO and letters.get(ARTICLE) == DELIVERED
            if delivered and not self.is_noted(plan):
                key = f"state.{BatchKey(*plan, 0)}"
                yield Violation(rule="article-unnoted", key=key, detail="no note has its id")

    def is_noted(self, plan: PlanKey) -> bool:
        """A withdrawal of what never came to be only remembers that it looked."""
        notes = self.notes.get(plan.content_id, [])
        known = [note for note in notes if note.article_id]
        edition = self.released.find(plan.content_id, plan.revision)
        if not known and edition and edition.action == "withdrawn":
            return bool(notes)
        return any(note.shown >= plan.revision for note in known)
