"""One decision about many letters, one after another; what stops one stops no other."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from pydantic import BaseModel

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator, require_whole
from consumers.dead_letters.letter import DeadLetter
from consumers.dead_letters.selection import DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from consumers.messages import field_error
from contracts.errors import ContractError, FieldError, Invalid
from producers.bus import Bus, BusError

Action = Callable[[DeadLetter, Operator], Awaitable[DeadLetter]]


class DecidedLetter(BaseModel):
    """A letter that was dealt with, and where its message went, if it was sent."""

    id: int
    unit: str
    content_id: str
    sent_to: str = ""


class RefusedLetter(BaseModel):
    """A letter that could not be dealt with."""

    id: int
    errors: tuple[FieldError, ...]


class BulkSummary(BaseModel):
    """What came of many letters; `left` wait because the bus went `away`."""

    dry_run: bool = False
    done: list[DecidedLetter] = []
    refused: list[RefusedLetter] = []
    left: list[int] = []
    away: str = ""


class BulkDecisions:
    """One operator's decision about many letters; without an operator it is a dry run."""

    def __init__(self, bus: Bus, person: Operator | None) -> None:
        self.store = DeadLetterStore(bus)
        self.decisions = DeadLetterDecisions(self.store)
        self.operator = person
        self.summary = BulkSummary(dry_run=person is None)

    async def replay(self, query: DeadLetterQuery) -> BulkSummary:
        return await self.apply_to_each(query, self.decisions.replay)

    async def discard(self, query: DeadLetterQuery) -> BulkSummary:
        """Raises Invalid without a reason."""
        if self.operator and not self.operator.reason.strip():
            raise Invalid(field_error("reason", "reason_required"))
        return await self.apply_to_each(query, self.decisions.discard)

    async def apply_to_each(self, query: DeadLetterQuery, action: Action) -> BulkSummary:
        """In the order of their death. Numbers that are no letters are refused by name."""
        chosen = await self.chosen_ids(query)
        if chosen:  # read as a whole before: what dies again meanwhile is not meant
            async for letter in self.store.letters(DeadLetterQuery(ids=chosen, ended=True)):
                await self.apply_to_one(letter, action)
        return self.summary

    async def chosen_ids(self, query: DeadLetterQuery) -> tuple[int, ...]:
        """Those letters that *query* means; a letter may be named by any of its deaths."""
        if query.ids is not None:
            letters = (await self.store.count_deaths()).letter_ids
            known = [letters[id] for id in query.ids if id in letters]
            self.refuse_unknown(id for id in dict.fromkeys(query.ids) if id not in letters)
            query = replace(query, ids=tuple(known))
        return tuple([letter.id async for letter in self.store.letters(query)])

    def refuse_unknown(self, unknown: Iterable[int]) -> None:
        for id in unknown:
            wrong = field_error("id", "letter_unknown", value=id)
            self.summary.refused.append(RefusedLetter(id=id, errors=(wrong,)))

    async def apply_to_one(self, letter: DeadLetter, action: Action) -> None:
        if self.summary.away:
            self.summary.left.append(letter.id)
            return
        try:
            ended = await self.run_action(letter, action)
        except ContractError as refusal:
            self.summary.refused.append(RefusedLetter(id=letter.id, errors=refusal.errors))
        except BusError as away:
            self.summary.away = str(away)
            self.summary.left.append(letter.id)
        else:
            self.summary.done.append(decided_letter(ended))

    async def run_action(self, letter: DeadLetter, action: Action) -> DeadLetter:
        self.decisions.require_open(letter)
        if action == self.decisions.replay:
            require_whole(letter)
        return await action(letter, self.operator) if self.operator else letter


def decided_letter(letter: DeadLetter) -> DecidedLetter:
    sent_to = letter.decisions[-1].sent_to if letter.ended else ""
    return DecidedLetter(
        id=letter.id, unit=letter.about.unit, content_id=letter.about.content_id, sent_to=sent_to
    )
