"""Gather the rows and the gaps of a span from the stream of facts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from consumers.facts.store import FactStore
from consumers.periodic_reports.from_facts import FactRows, gaps_of
from consumers.periodic_reports.rows import Gap, Row, encode_row, merge_lines
from consumers.periodic_reports.span import Span
from contracts import subjects
from contracts.facts import DayFact, DecisionFact, Fact, FactKind, ReleaseFact

_LATER = "later"
"""Behind the key of a decision whose text readers had on another day: the rows of that day."""


@dataclass
class Gatherer:
    """Keeps the lines of the newest fact of each key, in one piece: a year has half a million."""

    span: Span
    facts: FactRows = field(default_factory=FactRows)
    lines_by_key: dict[str, tuple[date, bytes]] = field(default_factory=dict)
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
        self.complete()

    def complete(self) -> None:
        """Leave out what happened in gaps, and add the periods of bulletins.

        All releases and days are known.
        """
        counted = {fact.on: fact.counted for fact in self.days.values()}
        for key, (day, _) in [*self.lines_by_key.items()]:
            if key.partition(".")[0] not in counted.get(day, ()):
                del self.lines_by_key[key]
        days = {day for day, kinds in counted.items() if FactKind.RELEASE in kinds}
        for row in self.facts.rhythm(self.span, days):
            self.lines_by_key[f"{row.kind}.{row.detail}.{row.day}"] = row.day, encode_row(row)

    def add(self, fact: Fact) -> None:
        """Take the place of an earlier fact of the same key."""
        if isinstance(fact, DayFact):
            self.days[fact.key] = fact
            return
        rows = self.facts.of(fact) if self._may_count(fact) else []
        self._keep(fact.key, [row for row in rows if row.day == fact.day])
        self._keep(f"{fact.key}.{_LATER}", [row for row in rows if row.day != fact.day])

    def _may_count(self, fact: Fact) -> bool:
        """Whether a fact may have rows in the span; an early decision may take effect in it."""
        is_early = fact.day < self.span.first and not isinstance(fact, DecisionFact)
        return fact.day <= self.span.last and not is_early

    def _keep(self, key: str, rows: Sequence[Row]) -> None:
        """Keep the rows of one day in place of those before, if it is of the span."""
        if rows and self.span.first <= (day := rows[0].day) <= self.span.last:
            self.lines_by_key[key] = day, b"\n".join(map(encode_row, rows))
        else:
            self.lines_by_key.pop(key, None)

    def lines(self) -> Iterator[bytes]:
        """Give the lines of all rows away, sorted, a day at a time. Raises LevelTwice.

        What was given is kept no longer: the report that follows needs the memory.
        """
        days = defaultdict[date, list[bytes]](list)
        while self.lines_by_key:
            _, (day, lines) = self.lines_by_key.popitem()
            days[day].append(lines)
        for day in sorted(days):
            yield from merge_lines(b"\n".join(days.pop(day)).split(b"\n"))

    @property
    def gaps(self) -> list[Gap]:
        return [*gaps_of(self.days.values(), self.span)]

    @property
    def streams(self) -> dict[str, int]:
        """The last sequence that was read."""
        return {subjects.FACTS.name: self.last_seq}
