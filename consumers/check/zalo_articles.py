"""Rule of Zalo articles: each delivered article has a record with its id, so it can be hidden."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.zalo.publications.record import ArticleRecord
from consumers.check.findings import Violation
from consumers.check.ledger_pass import OutcomesByPlan
from consumers.check.publications import PublicationIndex
from consumers.dispatch.audience import ARTICLE
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus

RECORD_PREFIX = "note.zalo."
DELIVERED_LETTER = ord("d")


@dataclass
class ZaloArticleRules:
    """*places* is what the ledger has booked, read before the notes are."""

    bus: Bus
    publications: PublicationIndex
    outcomes: OutcomesByPlan
    records: dict[str, list[ArticleRecord]] = field(default_factory=dict)

    async def violations(self) -> list[Violation]:
        async for key, value in self.bus.bucket(subjects.LEDGER.name).values(RECORD_PREFIX):
            self.records.setdefault(key.rpartition(".")[2], []).append(
                ArticleRecord.decode(value.data)
            )
        return list(self.unrecorded())

    def unrecorded(self) -> Iterator[Violation]:
        for plan, letters in self.outcomes.items():
            delivered = (
                plan.channel is ChannelName.ZALO and letters.get(ARTICLE) == DELIVERED_LETTER
            )
            if delivered and not self.is_recorded(plan):
                key = f"state.{BatchKey(*plan, 0)}"
                yield Violation(rule="article-unnoted", key=key, detail="no note has its id")

    def is_recorded(self, plan: PlanKey) -> bool:
        """A withdrawal of what never came to be only remembers that it looked."""
        notes = self.records.get(plan.content_id, [])
        known = [note for note in notes if note.article_id]
        edition = self.publications.find(plan.content_id, plan.revision)
        if not known and edition and edition.action == "withdrawn":
            return bool(notes)
        return any(note.shown >= plan.revision for note in known)
