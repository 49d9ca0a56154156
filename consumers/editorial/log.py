"""The editorial log: the stream EDITORIAL, one subject for each item, to which acts are added.

An act is stored only right behind the one that its author has seen. What Loa did not seal is no
act. An item whose acts contradict each other is named, and blocks no other.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import structlog

from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.editorial import Action, ItemState
from contracts.errors import Conflict, ContractError, field_error
from producers.bus import Bus, Message, RevisionConflict
from producers.seals import RefusedSeals

log = structlog.get_logger()
_STREAM = subjects.EDITORIAL.name
_EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
_MAX_TRIES = 50
Decide = Callable[[ItemState], Action | None]


@dataclass(frozen=True)
class Recorded:
    """An item's state, and the sequence of its last message."""

    state: ItemState
    seq: int = 0


@dataclass
class EditorialLog:
    """Reads items and adds acts, each once, by compare-and-set."""

    bus: Bus
    _open: dict[str, ItemState] = field(default_factory=dict)
    _next: int = 1

    async def read(self, content_id: str) -> Recorded:
        """The item as its acts say. Raises Conflict for acts that contradict each other."""
        state, seq = ItemState(), 0
        async for message in self.bus.scan(_STREAM, subjects.editorial(content_id)):
            state, seq = await self._follow(state, message), message.seq
        return Recorded(state, seq)

    async def act(self, content_id: str, decide: Decide) -> ItemState:
        """Add what *decide* finds right for the present state; None adds nothing.

        It is asked again after another's act, and after a lost answer, when the act may be there.
        Raises what it raises, and what the act's rules raise.
        """
        for _ in range(_MAX_TRIES):
            found = await self.read(content_id)
            action = decide(found.state)
            if action is None or action.id in found.state.ids:
                return found.state
            state = found.state.after(action)
            crash_point("editorial.decided")
            if await self._append(content_id, action, found.seq):
                crash_point("editorial.stored")
                return state
        raise RevisionConflict(f"{content_id} changed {_MAX_TRIES} times")

    async def open_items(self) -> dict[str, ItemState]:
        """The items that wait for a person, or whose decision may still have to be carried out."""
        async for message in self.bus.scan(_STREAM, start=self._next):
            content_id = subjects.item_of_editorial(message.subject)
            try:
                state = await self._next_state(content_id, message)
            except ContractError as broken:
                fields = [one.field for one in broken.errors]
                log.error("editorial_item_broken", content_id=content_id, fields=fields)
                state = ItemState()
            self._open.pop(content_id, None)
            if state.is_unfinished:
                self._open[content_id] = state
            self._next = message.seq + 1
        return dict(self._open)

    def finish(self, content_id: str, state: ItemState) -> None:
        """Note that nothing is left to carry out, until the next act."""
        if self._open.get(content_id) == state:
            del self._open[content_id]

    async def problems(self) -> AsyncIterator[tuple[str, str, bool]]:
        """Yield each foreign message, and each broken item: its name, why, and whether foreign."""
        states: dict[str, ItemState | None] = {}
        async for message in self.bus.scan(_STREAM):
            if problem := await self._problem(message):
                yield f"{_STREAM}.{message.seq}", problem, True
            elif (known := states.setdefault(message.subject, ItemState())) is not None:
                try:
                    states[message.subject] = _lean(known.after(_parse(message)))
                except ContractError as broken:
                    yield message.subject, str(broken), False
                    states[message.subject] = None

    async def _next_state(self, content_id: str, message: Message) -> ItemState:
        """The state after *message*; the earlier acts of a finished item are read again."""
        known = self._open.get(content_id)
        if await self._problem(message):
            return await self._follow(known or ItemState(), message)
        if known is None and _parse(message).prev:
            return await self._state_until(content_id, message.seq)
        return await self._follow(known or ItemState(), message)

    async def _state_until(self, content_id: str, seq: int) -> ItemState:
        state = ItemState()
        async for message in self.bus.scan(_STREAM, subjects.editorial(content_id)):
            if message.seq > seq:
                break
            state = await self._follow(state, message)
        return state

    async def _follow(self, state: ItemState, message: Message) -> ItemState:
        """The state after *message*, unless Loa did not write that."""
        if problem := await self._problem(message):
            facts = {"bucket": _STREAM, "key": message.subject, "reason": problem}
            log.error("act_not_sealed", **facts)
            return state
        return state.after(_parse(message))

    async def _problem(self, message: Message) -> str:
        """Why Loa did not write *message*; nothing is told without the key."""
        seals = self.bus.seals_of(message.subject)
        return (
            "" if seals is None or isinstance(seals, RefusedSeals) else await seals.problem(message)
        )

    async def _append(self, content_id: str, action: Action, seen: int) -> bool:
        """Add *action* behind message *seen* of its item; False if another act was first."""
        subject, body = subjects.editorial(content_id), action.encode()
        seals, name = self.bus.seals_of(subject), f"{content_id}.{action.id}"
        msg_id = seals.own_id(name) if seals else name
        headers = dict(seals.headers(subject, body, msg_id)) if seals else {}
        headers[_EXPECTED_HEADER] = str(seen)
        try:
            await self.bus.publish(subject, body, msg_id=msg_id, headers=headers)
        except RevisionConflict:
            return False
        return True


def _parse(message: Message) -> Action:
    """The act in *message*. Raises Conflict for one that this version can't read."""
    try:
        return Action.model_validate_json(message.data)
    except ValueError as error:
        raise Conflict(field_error("text", "editorial_unreadable")) from error


def _lean(state: ItemState) -> ItemState:
    """A finished state without its text, which no later act needs."""
    return state if state.is_unfinished else replace(state, text=None)
