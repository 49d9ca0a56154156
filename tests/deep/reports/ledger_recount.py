"""Counts without Loa's facts: from letters in the ledger and a story's own notes.

Of Loa it uses how records are stored, and nothing that counts.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from producers.bus import Bus

Said = dict[str, Any]
"""Fields of a fact, as its JSON has them."""
_DAY = timedelta(days=1)
_STATUS = {
    **dict.fromkeys("dD", "delivered"),
    **dict.fromkeys("XUEWV", "maybe_sent"),
    **dict.fromkeys("kK", "unknown"),
    "x": "failed",
    "u": "suppressed",
    "e": "expired",
    "w": "withdrawn",
    "v": "superseded",
}
_COUNTED_LATER = {"release", "decision", "delivery", "events", "refusals", "opinions"}
"""Kinds that count also for a day on which no process ran."""


def vietnam_day(now: float) -> date:
    return (datetime.fromtimestamp(now, UTC) + timedelta(hours=7)).date()


class Row(NamedTuple):
    """One recipient's row in the ledger."""

    plan: str
    recipient: str
    letter: str
    closed_at: float


@dataclass
class PlanRecount:
    """Counts of one plan by the ledger. `measured`: a fact was made from its rows."""

    rows: list[Row] = field(default_factory=list)
    copies: int = 0
    is_open: bool = False
    measured: bool = False
    ended: float = 0.0


class Press(NamedTuple):
    """A button below an item, pressed."""

    day: date
    item: str
    channel: str
    button: str


class Told(NamedTuple):
    """Something that counts by a day: an event of a unit, or a notice of a channel."""

    day: date
    group: str
    label: str


@dataclass
class Notes:
    """Acts of a story, noted at once. Pairs are of a plan and a recipient."""

    events: Counter[Told] = field(default_factory=Counter)
    refusals: Counter[Told] = field(default_factory=Counter)
    notices: Counter[Told] = field(default_factory=Counter)
    opinions: Counter[Press] = field(default_factory=Counter)
    came: Counter[date] = field(default_factory=Counter)
    left: Counter[tuple[date, str]] = field(default_factory=Counter)
    texts: set[tuple[str, int]] = field(default_factory=set)
    arrived: set[tuple[str, str]] = field(default_factory=set)
    """As the providers say, or the receipts that came later."""
    bounced: set[tuple[str, str]] = field(default_factory=set)
    complained: set[tuple[str, str]] = field(default_factory=set)

    def readers_at_end_of(self, last: date) -> int:
        came = sum(count for day, count in self.came.items() if day <= last)
        return came - sum(count for (day, _), count in self.left.items() if day <= last)


@dataclass
class Recount:
    """Reads the ledger's own messages, and remembers the rows that retention removes later."""

    bus: Bus
    notes: Notes
    first: date
    plans: dict[str, PlanRecount] = field(default_factory=dict)
    followed: set[date] = field(default_factory=set)
    """The last days that were over in rounds that read everything."""

    async def learn(self) -> None:
        """Read what the ledger says now."""
        stored = {one.subject: one.data async for one in self.bus.scan("KV_ledger") if one.data}
        found = {key.removeprefix("$KV.ledger."): data for key, data in stored.items()}
        for key, data in found.items():
            kind, _, plan = key.partition(".")
            if kind == "plan" and not (cursor := codec.decode_cursor(data)).removed:
                known = self.plans.get(plan, PlanRecount())
                self.plans[plan] = _recounted(plan, cursor, found)
                self.plans[plan].measured = known.measured

    async def note_round(self, over: date) -> None:
        """A round read everything when *over* was the last day that was over."""
        await self.learn()
        self.followed.add(over)
        for plan in self.plans.values():
            plan.measured |= not plan.is_open and await self._has_rows(plan)

    async def _has_rows(self, plan: PlanRecount) -> bool:
        key = f"$KV.ledger.rows.{plan.rows[0].plan}.0" if plan.rows else ""
        found = await self.bus.last_message("KV_ledger", key) if key else None
        return found is not None and not found.is_deleted

    def rows(self, letters: str) -> list[Row]:
        """The rows with one of *letters* in plans that have ended."""
        plans = [one for one in self.plans.values() if not one.is_open]
        return [row for plan in plans for row in plan.rows if row.letter in letters]

    async def problems(self) -> list[str]:
        """Facts on the bus that are wrong, doubled or missing."""
        facts, found = dict[str, Said](), list[str]()
        async for message in self.bus.scan("FACTS"):
            key, said = message.subject.removeprefix("fact."), json.loads(message.data)
            if facts.get(key) == said:
                found.append(f"{key} was stored twice")
            facts[key] = said
        expected = {key: said async for key, said in self._expected()}
        found += [*_differences(facts, expected), *self._of_deliveries(facts)]
        return [*found, *self._of_readers(facts), *self._of_days(facts)]

    async def _expected(self) -> AsyncIterator[tuple[str, Said]]:
        """Expected contents of each fact, by key: some of its fields."""
        async for message in self.bus.scan("PUBLICATIONS"):
            body = json.loads(message.data)["data"]
            names = ("content_id", "revision", "action", "unit", "topic")
            said = {name: body[name] for name in names}
            yield f"release.{said['content_id']}.{said['revision']}", said
        for item, revision in self.notes.texts:
            yield f"decision.{item}.{revision}", {"content_id": item, "verdict": "approved"}
        for plan, seen in self.plans.items():
            if not seen.is_open:
                yield f"delivery.{plan}", self._delivery(plan, seen)
        for expected in self._expected_by_day():
            yield expected

    def _expected_by_day(self) -> Iterator[tuple[str, Said]]:
        over, notes = max(self.followed), self.notes
        for kind, name in (("events", "accepted"), ("refusals", "refused"), ("notices", "counts")):
            for key, counts in _by_group(getattr(notes, kind), over).items():
                yield f"{kind}.{key}", {name: counts}
        for key, counts in _by_item(notes.opinions, over).items():
            yield f"opinions.{key}", {"counts": counts}

    def _delivery(self, plan: str, seen: PlanRecount) -> Said:
        returned = {"bounced": self.notes.bounced, "complained": self.notes.complained}
        counts = Counter(_STATUS[row.letter] for row in seen.rows)
        said = {name: sum(one == plan for one, _ in pairs) for name, pairs in returned.items()}
        return said | {"counts": dict(counts), "copies": seen.copies}

    def _of_deliveries(self, facts: Mapping[str, Said]) -> Iterator[str]:
        arrived = Counter(plan for plan, _ in self.notes.arrived)
        for plan, seen in self.plans.items():
            said = facts.get(f"delivery.{plan}")
            if said is None or seen.is_open:
                continue
            if (count := said["counts"].get("delivered", 0)) != arrived[plan]:
                yield f"delivery.{plan}: {count} delivered, {arrived[plan]} arrived"
            ended = said.get("ended_at")
            at = datetime.fromisoformat(ended).timestamp() if ended else 0.0
            if (ended or seen.measured) and abs(at - seen.ended) > 0.001:
                yield f"delivery.{plan}: ended {ended} instead of {seen.ended}"

    def _of_readers(self, facts: Mapping[str, Said]) -> Iterator[str]:
        """Readers came and left on each day; how many there were where a round read all on time."""
        notes = self.notes
        wanted = {*self.followed, *notes.came, *(day for day, _ in notes.left)}
        for day in self._days():
            key = f"readers.{day}.email"
            said = facts.get(key)
            if said is None and day in wanted:
                yield f"{key} is missing"
            if said is None:
                continue
            left = {way: count for (on, way), count in notes.left.items() if on == day}
            if (said["came"], said["left"]) != (notes.came[day], left):
                yield f"{key} says {said} instead of {notes.came[day]} and {left}"
            is_known = day in self.followed or "total" in said
            if is_known and said.get("total") != notes.readers_at_end_of(day):
                yield f"{key} says {said} instead of {notes.readers_at_end_of(day)} in all"

    def _of_days(self, facts: Mapping[str, Said]) -> Iterator[str]:
        for day in self._days():
            counted = set(facts.get(f"day.{day}", {}).get("counted", ()))
            if not counted >= _COUNTED_LATER:
                yield f"day.{day} counts {sorted(counted)} only"

    def _days(self) -> Iterator[date]:
        """The days from the first one of the story that are over."""
        day = self.first
        while day <= max(self.followed):
            yield day
            day += _DAY


def _recounted(plan: str, cursor: PlanCursor, stored: Mapping[str, bytes]) -> PlanRecount:
    seen = PlanRecount(is_open=not (cursor.complete or (cursor.halt and cursor.count)))
    seen.ended = cursor.finished or cursor.created
    entries = [codec.decode_state(stored[f"state.{plan}.{n}"]) for n in range(cursor.count)]
    for number, entry in enumerate(entries):
        recipients = codec.decode_rows(stored[f"rows.{plan}.{number}"]).ids
        letters = zip(recipients, entry.rows.decode(), strict=True)
        seen.rows += [Row(plan, *row, entry.closed_at) for row in letters]
        seen.copies += entry.possible_copies
        seen.is_open |= not entry.closed_at
    seen.ended = max([entry.closed_at for entry in entries], default=seen.ended)
    return seen


def _by_group(told: Counter[Told], over: date) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for (day, group, label), count in told.items():
        if day <= over:
            found.setdefault(f"{day}.{group}", {})[label] = count
    return found


def _by_item(presses: Counter[Press], over: date) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for (day, item, channel, button), count in presses.items():
        if day <= over:
            found.setdefault(f"{day}.{item}", {}).setdefault(channel, {})[button] = count
    return found


def _differences(facts: Mapping[str, Said], expected: Mapping[str, Said]) -> Iterator[str]:
    """Facts that are missing, differ, or are of events that did not happen."""
    for key, wanted in expected.items():
        said = facts.get(key)
        if said is None:
            yield f"{key} is missing"
        elif found := {name: said.get(name) for name in wanted if said.get(name) != wanted[name]}:
            yield f"{key} says {found} instead of {wanted}"
    kinds = {key.partition(".")[0] for key in expected} | _COUNTED_LATER | {"notices"}
    unexpected: Iterable[str] = (key for key in facts if key.partition(".")[0] in kinds)
    yield from (f"{key} did not happen" for key in unexpected if key not in expected)
