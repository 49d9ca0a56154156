"""Gather the rows and the gaps of a span from the stream of facts."""

from dataclasses import dataclass, field

from consumers.facts.store import FactStore
from consumers.periodic_reports.from_facts import FactRows, gaps_of
from consumers.periodic_reports.rows import Gap, Row
from consumers.periodic_reports.span import Span
from contracts import subjects
from contracts.facts import DayFact, Fact, FactKind, ReleaseFact


@dataclass
class Gatherer:
    """Keeps the rows of the newest fact of each key, not the facts: those of a year are many."""

    span: Span
    facts: FactRows = field(default_factory=FactRows)
    rows_by_key: dict[str, list[Row]] = field(default_factory=dict)
    days: dict[str, DayFact] = field(default_factory=dict)
    last_seq: int = 0

    async def read(self, store: FactStore) -> None:
        """Read all facts; releases first. Raises BusError."""
        async for stored in store.scan(FactKind.RELEASE):
            if isinstance(stored.fact, ReleaseFact):
                self.facts.learn(stored.fact)
        async for stored in store.scan():
            if stored.fact:
                self.add(stored.fact)
            self.last_seq = stored.seq
        for row in self.facts.rhythm(self.span):
            self.rows_by_key[f"{row.kind}.{row.detail}.{row.day}"] = [row]

    def add(self, fact: Fact) -> None:
        """Take the place of an earlier fact of the same key."""
        if isinstance(fact, DayFact):
            self.days[fact.key] = fact
        elif self.span.first <= fact.day <= self.span.last:
            self.rows_by_key[fact.key] = self.facts.of(fact)
        else:
            self.rows_by_key.pop(fact.key, None)

    @property
    def rows(self) -> list[Row]:
        return [row for rows in self.rows_by_key.values() for row in rows]

    @property
    def gaps(self) -> list[Gap]:
        return [*gaps_of(self.days.values(), self.span)]

    @property
    def streams(self) -> dict[str, int]:
        """The last sequence that was read."""
        return {subjects.FACTS.name: self.last_seq}
