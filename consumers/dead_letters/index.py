"""The dead letters without their messages, kept in memory by a process that lists them often."""

import asyncio
from dataclasses import dataclass, field, replace

from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery, History
from consumers.dead_letters.store import DeadLetterStore, Deaths, history_key, parse_letter
from contracts import subjects
from producers.bus.records import parse


@dataclass
class DeadLetterIndex:
    """An index of dead letters; each reading adds the letters and decisions since the last one."""

    store: DeadLetterStore
    _letters: dict[int, DeadLetter] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)
    _deaths: Deaths = field(default_factory=Deaths)
    _read_to: tuple[int, int] = (0, 0)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, query: DeadLetterQuery) -> list[DeadLetter]:
        """The letters of *query*, newest first; `text` is not looked at. Raises BusError."""
        await self._follow()
        letters, wanted = reversed(self._letters.values()), replace(query, ended=True)
        return [
            one for one in letters if (query.ended or one.id in self._open) and wanted.matches(one)
        ]

    async def load(self, id: int) -> DeadLetter:
        """A letter with its whole body, by any of its deaths. Raises NotFound if unknown."""
        await self._follow()
        known = self._letters.get(self._deaths.letter_ids.get(id, 0))
        if known is None:
            return await self.store.load(id)
        stored = parse_letter(await self.store.read_message(known.id))
        letter = known.model_copy(update={"body": stored.body})
        return letter if letter.body is not None else await self.store.with_original(letter)

    async def _follow(self) -> None:
        async with self._reading:
            changed = await self.store.last_change()
            if changed == self._read_to:
                return
            bus, (letter, decision) = self.store.bus, self._read_to
            async for message in bus.scan(subjects.DEAD.name, start=letter + 1):
                self._take_death(letter := message.seq, parse_letter(message))
            histories = self.store.histories
            subject = f"$KV.{histories.name}.{history_key('*')}"
            async for message in bus.scan(histories.stream, subject, decision + 1):
                self._take_history(message.subject, message.data)
                decision = message.seq
            self._read_to = (letter, decision)

    def _take_death(self, seq: int, letter: DeadLetter) -> None:
        self._deaths.count(letter, seq)
        id = self._deaths.letter_ids[seq]
        known = self._letters.get(id) or letter.model_copy(update={"id": id, "body": None})
        count = self._deaths.by_identity[letter.identity]
        deaths = {"last": count.last, "times": count.times, "latest": count.latest}
        self._keep(known.model_copy(update=deaths))

    def _take_history(self, subject: str, data: bytes) -> None:
        """Take the decisions about a letter; a record that can't be read counts as none."""
        _, _, name = subject.rpartition(".")
        history, id = parse(History, data), int(name) if name.isdecimal() else 0
        if history and (letter := self._letters.get(id)):
            self._keep(letter.model_copy(update={"decisions": history.decisions}))

    def _keep(self, letter: DeadLetter) -> None:
        self._letters[letter.id] = letter
        if letter.ended:
            self._open.discard(letter.id)
        else:
            self._open.add(letter.id)
