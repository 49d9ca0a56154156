"""Dead letters at the desk: list, look, correct, send again, give up."""

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from consumers.dead_letters.correction import (
    corrected_body,
    difference,
    event_fields,
    event_of,
    visible_text,
)
from consumers.dead_letters.decisions import (
    DeadLetterDecisions,
    Operator,
    OutgoingMessage,
    ReplaySealer,
    check_corrected,
)
from consumers.dead_letters.index import DeadLetterIndex
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery, Decision, DecisionState
from consumers.dead_letters.store import DeadLetterStore
from consumers.dead_letters.trace import with_letters
from consumers.desk.names import AccountNames
from consumers.dispatch.release_guard import ReleaseGuard
from consumers.feedback import guard as receipt_guard
from consumers.intake.repository import ItemRepository
from consumers.messages import translate
from consumers.reporting.trace import TraceReader
from consumers.seals.publications import PublicationSeals
from consumers.staff.accounts import AccountStore
from contracts import subjects
from contracts.desk.dead_letters import (
    CorrectedLetter,
    LetterDecision,
    LetterFilter,
    LetterPage,
    ListedLetter,
    ShownLetter,
    TraceLine,
)
from contracts.desk.person import DeskAct, Person
from contracts.errors import limit_errors
from contracts.trace import TimelineEntry
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, Message

OpenSeals = Callable[[], Awaitable[PublicationSeals]]
_READ, _EDIT, _REPLAY, _DISCARD = "dead.read", "dead.edit", "dead.replay", "dead.discard"
_PAGE_LETTERS = 50
_ERRORS_LISTED = 3


def seal_replays(bus: Bus, open_seals: OpenSeals) -> ReplaySealer:
    """Seals messages that are sent again, and refuses forged ones, by Invalid."""

    async def headers(stored: Message, msg_id: str) -> Mapping[str, str]:
        if stored.subject.startswith(subjects.RECEIPTS.subjects[0].partition("*")[0]):
            return await receipt_guard.replay_headers(bus, stored, msg_id)
        guard = ReleaseGuard(await open_seals(), ItemRepository(bus), time.time)
        return await guard.replay_headers(stored)

    return headers


class _Ending(NamedTuple):
    """An act that ends a letter: its name, the state of the letter behind it, and its work."""

    action: str
    state: DecisionState
    decide: Callable[[DeadLetter, Operator], Awaitable[DeadLetter]]


@dataclass
class DeadLetterDesk:
    """The service behind the pages; the rules and the records are those of `loa dead`."""

    bus: Bus
    accounts: AccountStore
    vocabulary: Vocabulary
    open_seals: OpenSeals

    @cached_property
    def names(self) -> AccountNames:
        return AccountNames(self.accounts)

    @cached_property
    def store(self) -> DeadLetterStore:
        return DeadLetterStore(self.bus)

    @cached_property
    def index(self) -> DeadLetterIndex:
        return DeadLetterIndex(self.store)

    @property
    def decisions(self) -> DeadLetterDecisions:
        return DeadLetterDecisions(self.store, seal_replays(self.bus, self.open_seals))

    async def page(self, person: Person, wanted: LetterFilter) -> LetterPage:
        open_letters = await self._visible(person, DeadLetterQuery())
        query = DeadLetterQuery(
            unit=wanted.unit, field=wanted.field, since=wanted.since, ended=wanted.ended
        )
        found = await self._visible(person, query)
        found = [one for one in found if not wanted.before or one.id < wanted.before]
        shown, rest = found[:_PAGE_LETTERS], found[_PAGE_LETTERS:]
        names = await self.names.all()
        return LetterPage(
            [_listed(one, names) for one in shown],
            shown[-1].id if rest else 0,
            Counter(one.about.unit for one in open_letters if one.about.unit),
            Counter(name for one in open_letters for name in {e.field for e in one.errors}),
        )

    async def _visible(self, person: Person, query: DeadLetterQuery) -> list[DeadLetter]:
        letters, rights = await self.index.find(query), dict[str, bool]()
        for unit in {one.about.unit for one in letters}:
            rights[unit] = person.may_read(_READ, unit)
        return [one for one in letters if rights[one.about.unit]]

    async def show(self, person: Person, id: int) -> ShownLetter:
        letter = await self._load(person, id)
        names = await self.names.all()
        event, unit, is_open = event_of(letter), letter.about.unit, letter.ended is None
        can_send = is_open and letter.is_readable and not letter.erased
        return ShownLetter(
            letter=_listed(letter, names, len(letter.errors)),
            decisions=[_decision(one, names) for one in letter.decisions],
            left_out=letter.left_out,
            fields=event_fields(event),
            whole=_whole_text(letter),
            trace=await self._trace(person, letter),
            may_edit=can_send and letter.stage == "intake" and person.may_do(_EDIT, unit),
            may_replay=can_send and person.may_do(_REPLAY, unit),
            may_discard=is_open and person.may_do(_DISCARD, unit),
        )

    async def _load(self, person: Person, id: int) -> DeadLetter:
        letter = await self.index.load(id)
        person.require_read(_READ, letter.about.unit)
        return letter

    async def _trace(self, person: Person, letter: DeadLetter) -> list[TraceLine]:
        about = letter.about
        if not (about.content_id and person.may_read("item.read", about.unit)):
            return []
        reads_drafts = person.may_read("desk.read", about.unit)
        reader = TraceReader(self.bus, for_staff=True, reads_notes=lambda _: reads_drafts)
        delivered = await reader.trace(about.content_id)
        query = DeadLetterQuery(content_id=about.content_id, ended=True)
        found = (await self.index.find(query))[::-1]
        trace = with_letters(about.content_id, delivered, found)
        return list(map(_trace_line, trace.timeline)) if trace else []

    async def check(self, person: Person, id: int, fields: Mapping[str, str]) -> CorrectedLetter:
        letter, corrected = await self._corrected(person, id, fields)
        return CorrectedLetter(_listed(letter, {}), [*difference(letter, corrected)][2:])

    async def _corrected(
        self, person: Person, id: int, fields: Mapping[str, str]
    ) -> tuple[DeadLetter, OutgoingMessage]:
        letter = await self._load(person, id)
        self.decisions.require_open(letter)
        corrected = check_corrected(letter, corrected_body(letter, fields), self.vocabulary)
        return letter, corrected.submitted_by(person.account.id)

    async def edit(self, person: Person, id: int, fields: Mapping[str, str], reason: str) -> None:
        letter, corrected = await self._corrected(person, id, fields)
        who = Operator(person.account.id, reason)
        act = DeskAct(_EDIT, str(letter.id), letter.about.unit, reason)
        await person.perform(act, lambda: self.decisions.edit(letter, corrected, who))

    async def replay(self, person: Person, id: int, reason: str) -> None:
        await self._end(person, id, reason, _Ending(_REPLAY, "replayed", self.decisions.replay))

    async def discard(self, person: Person, id: int, reason: str) -> None:
        await self._end(person, id, reason, _Ending(_DISCARD, "discarded", self.decisions.discard))

    async def _end(self, person: Person, id: int, reason: str, ending: _Ending) -> None:
        """End an open letter; nothing, if the person has ended it just so before."""
        letter, who = await self._load(person, id), Operator(person.account.id, reason)
        if _is_done(letter, ending.state, who):
            return
        self.decisions.require_open(letter)
        act = DeskAct(ending.action, str(letter.id), letter.about.unit, reason)
        await person.perform(act, lambda: ending.decide(letter, who))


def _is_done(letter: DeadLetter, state: DecisionState, who: Operator) -> bool:
    """Whether the person has ended the letter just so: the answer to the first press was lost."""
    ended = letter.ended
    given = (state, who.name, who.reason.strip())
    return ended is not None and (ended.state, ended.by, ended.reason) == given


def _trace_line(entry: TimelineEntry) -> TraceLine:
    said = "; ".join(error.message_vi for error in entry.errors) or translate(entry.detail).vi
    return TraceLine(entry.at, translate(entry.event).vi, entry.channel or "", said)


def _listed(
    letter: DeadLetter, names: Mapping[str, str], most_errors: int = _ERRORS_LISTED
) -> ListedLetter:
    about, ended = letter.about, letter.ended
    return ListedLetter(
        id=letter.id,
        at=letter.at,
        last=letter.last or letter.at,
        times=letter.times,
        stage=letter.stage,
        unit=about.unit,
        content_id=about.content_id,
        event_id=about.event_id,
        errors=limit_errors(letter.errors, most_errors),
        ended=_decision(ended, names) if ended else None,
    )


def _decision(one: Decision, names: Mapping[str, str]) -> LetterDecision:
    who = names.get(one.by, one.by)
    return LetterDecision(one.state, one.at, who, one.reason, one.sent_to, one.done)


def _whole_text(letter: DeadLetter) -> str:
    """The message as people read it; of JSON, one line for each value."""
    event = event_of(letter)
    if event:
        return json.dumps(event, ensure_ascii=False, indent=1)
    return visible_text(letter.original)
