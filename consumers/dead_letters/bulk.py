"""One decision about many letters, one after another; a refused one stops no other."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from pydantic import BaseModel

from consumers.dead_letters.decisions import (
    DeadLetterDecisions,
    Operator,
    ReplaySealer,
    require_whole,
)
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery
from consumers.dead_letters.store import DeadLetterStore
from consumers.messages import field_error
from consumers.progress import report_progress
from contracts.errors import ContractError, FieldError, Invalid
from producers.bus import Bus, BusError

Action = Callable[[DeadLetter, Operator], Awaitable[DeadLetter]]


class DecidedLetter(BaseModel):
    """A letter that was ended, and where its message went, if it was sent."""

    id: int
    unit: str
    content_id: str
    sent_to: str = ""

    @classmethod
    def of(cls, letter: DeadLetter) -> "DecidedLetter":
        sent_to = letter.decisions[-1].sent_to if letter.ended else ""
        about = letter.about
        return cls(id=letter.id, unit=about.unit, content_id=about.content_id, sent_to=sent_to)


class RefusedLetter(BaseModel):
    """A letter that could not be ended."""

    id: int
    errors: tuple[FieldError, ...]


class BulkSummary(BaseModel):
    """The result for many letters; `left` wait because the bus went `away`."""

    dry_run: bool = False
    done: list[DecidedLetter] = []
    refused: list[RefusedLetter] = []
    left: list[int] = []
    away: str = ""


class BulkDecisions:
    """One operator's decision about many letters; without an operator it is a dry run."""

    def __init__(
        self, bus: Bus, person: Operator | None, replay_sealer: ReplaySealer | None = None
    ) -> None:
        self.store = DeadLetterStore(bus)
        self.decisions = DeadLetterDecisions(self.store, replay_sealer)
        self.operator = person
        self.summary = BulkSummary(dry_run=person is None)

    async def replay(self, query: DeadLetterQuery) -> BulkSummary:
        return await self.apply_to_each(query, self.decisions.replay)

    async def discard(self, query: DeadLetterQuery) -> BulkSummary:
        """Raises Invalid without a reason."""
        if self.operator and not self.operator.reason.strip():
            raise Invalid(field_error("reason", "discard_reason"))
        return await self.apply_to_each(query, self.decisions.discard)

    async def apply_to_each(self, query: DeadLetterQuery, action: Action) -> BulkSummary:
        """Apply it in the order of their deaths; unknown ids are refused."""
        chosen = await self.chosen_ids(query)
        if chosen:  # read as a whole before: a message that dies again meanwhile is not meant
            number = 0
            async for letter in self.store.letters(DeadLetterQuery(ids=chosen, ended=True)):
                await self.apply_to_one(letter, action)
                number += 1
                report_progress("dead letters", number, len(chosen))
        return self.summary

    async def chosen_ids(self, query: DeadLetterQuery) -> tuple[int, ...]:
        """Return the ids of the chosen letters; a letter may be named by any of its deaths."""
        if query.ids is not None:
            letters = (await self.store.count_deaths()).letter_ids
            for id in dict.fromkeys(query.ids):
                if id not in letters:
                    error = field_error("id", "letter_unknown", value=id)
                    self.summary.refused.append(RefusedLetter(id=id, errors=(error,)))
            query = replace(query, ids=tuple(letters[id] for id in query.ids if id in letters))
        return tuple([letter.id async for letter in self.store.letters(query)])

    async def apply_to_one(self, letter: DeadLetter, action: Action) -> None:
        if self.summary.away:
            self.summary.left.append(letter.id)
            return
        try:
            ended = await self.run_action(letter, action)
        except ContractError as refusal:
            self.summary.refused.append(RefusedLetter(id=letter.id, errors=refusal.errors))
        except BusError as error:
            self.summary.away = str(error)
            self.summary.left.append(letter.id)
        else:
            self.summary.done.append(DecidedLetter.of(ended))

    async def run_action(self, letter: DeadLetter, action: Action) -> DeadLetter:
        self.decisions.require_open(letter)
        if action == self.decisions.replay:
            require_whole(letter)
        return await action(letter, self.operator) if self.operator else letter
