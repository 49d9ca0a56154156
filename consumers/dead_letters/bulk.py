"""One decision about many letters, one after another; what stops one stops no other."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from pydantic import BaseModel

from consumers.dead_letters.decisions import Decisions, Person, whole
from consumers.dead_letters.letter import Letter
from consumers.dead_letters.query import Query
from consumers.dead_letters.store import DeadLetters
from consumers.faults import fault
from contracts.errors import ContractError, FieldError, Invalid
from producers.bus import Bus, BusError

Deed = Callable[[Letter, Person], Awaitable[Letter]]


class Done(BaseModel):
    """A letter that was dealt with, and where its message went, if it was sent."""

    id: int
    unit: str
    content_id: str
    sent_to: str = ""


class Refused(BaseModel):
    """A letter that could not be dealt with."""

    id: int
    errors: tuple[FieldError, ...]


class Summary(BaseModel):
    """What came of many letters; `left` wait because the bus went `away`."""

    dry_run: bool = False
    done: list[Done] = []
    refused: list[Refused] = []
    left: list[int] = []
    away: str = ""


class Bulk:
    """Somebody's decision about many letters; where nobody decides, nothing is written or sent."""

    def __init__(self, bus: Bus, person: Person | None) -> None:
        self.dead = DeadLetters(bus)
        self.decisions = Decisions(self.dead)
        self.person = person
        self.summary = Summary(dry_run=person is None)

    async def replay(self, query: Query) -> Summary:
        return await self.each(query, self.decisions.replay)

    async def discard(self, query: Query) -> Summary:
        """Raises Invalid without a reason."""
        if self.person and not self.person.reason.strip():
            raise Invalid(fault("reason", "reason_required"))
        return await self.each(query, self.decisions.discard)

    async def each(self, query: Query, deed: Deed) -> Summary:
        """In the order of their death. Numbers that are no letters are refused by name."""
        chosen = await self.chosen(query)
        if chosen:  # read as a whole before: what dies again meanwhile is not meant
            async for letter in self.dead.letters(Query(ids=chosen, ended=True)):
                await self.one(letter, deed)
        return self.summary

    async def chosen(self, query: Query) -> tuple[int, ...]:
        """Those letters that *query* means; a letter may be named by any of its deaths."""
        if query.ids is not None:
            letters = (await self.dead.deaths()).letters
            known = [letters[id] for id in query.ids if id in letters]
            self.refuse(id for id in dict.fromkeys(query.ids) if id not in letters)
            query = replace(query, ids=tuple(known))
        return tuple([letter.id async for letter in self.dead.letters(query)])

    def refuse(self, unknown: Iterable[int]) -> None:
        for id in unknown:
            wrong = fault("id", "letter_unknown", value=id)
            self.summary.refused.append(Refused(id=id, errors=(wrong,)))

    async def one(self, letter: Letter, deed: Deed) -> None:
        if self.summary.away:
            self.summary.left.append(letter.id)
            return
        try:
            ended = await self.carry_out(letter, deed)
        except ContractError as refusal:
            self.summary.refused.append(Refused(id=letter.id, errors=refusal.errors))
        except BusError as away:
            self.summary.away = str(away)
            self.summary.left.append(letter.id)
        else:
            self.summary.done.append(told(ended))

    async def carry_out(self, letter: Letter, deed: Deed) -> Letter:
        self.decisions.open(letter)
        if deed == self.decisions.replay:
            whole(letter)
        return await deed(letter, self.person) if self.person else letter


def told(letter: Letter) -> Done:
    sent_to = letter.decisions[-1].sent_to if letter.ended else ""
    return Done(
        id=letter.id, unit=letter.about.unit, content_id=letter.about.content_id, sent_to=sent_to
    )
