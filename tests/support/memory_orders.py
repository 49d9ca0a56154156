"""Orders on one item in memory: the product's checks and decisions, on acts of a random story."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from consumers.desk.orders.rules import OrderRules
from consumers.staff.authorization import Actor, Authorizer
from contracts.desk.editorial import Order
from contracts.editorial import Action, ItemState, state_after
from producers.bus import RevisionConflict
from tests.support.editorial_world import Attempt

Allow = Callable[[ItemState], Awaitable[None]]


class MemoryValue(NamedTuple):
    data: bytes
    revision: int


@dataclass
class MemoryBucket:
    """Values that change by compare-and-set."""

    values: dict[str, MemoryValue] = field(default_factory=dict)
    revision: int = 0

    async def get(self, key: str) -> MemoryValue | None:
        return self.values.get(key)

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        self._expect(key, revision)
        self.values[key] = MemoryValue(data, self.revision)
        return self.revision

    async def purge_if(self, key: str, revision: int) -> int:
        self._expect(key, revision)
        del self.values[key]
        return self.revision

    def _expect(self, key: str, revision: int) -> None:
        known = self.values.get(key)
        if revision != (known.revision if known else 0):
            raise RevisionConflict(key)
        self.revision += 1


class MemoryBus:
    """A bus with proposals, and without readers."""

    def __init__(self) -> None:
        self.proposals = MemoryBucket()

    def bucket(self, _: str) -> MemoryBucket:
        return self.proposals

    async def stream_info(self, _: str) -> dict[str, Any]:
        return {"state": {}}


class MemoryAuthorizer(Authorizer):
    """Decides as the product does; who proposes is recorded nowhere."""

    @property
    def audit_log(self) -> Any:
        return self

    async def record(self, _: object) -> None:
        """In place of the audit log's."""


class MemoryRules(OrderRules):
    """The rules for a unit that may ask for urgent texts."""

    async def _unit_may_be_urgent(self, _: ItemState) -> bool:
        return True


class World(Protocol):
    """The story to which the item belongs."""

    def newest(self) -> ItemState: ...

    def before_it_is_stored(self) -> None:
        """Hook for a change between the decision and the last look."""
        ...

    def store(self, attempt: Attempt, action: Action, state: ItemState, new: ItemState) -> bool: ...


@dataclass
class MemoryActs:
    """The acts of an item, of which one is ordered: *attempt*."""

    attempt: Attempt
    now: datetime
    seen: ItemState
    world: "World"
    made: dict[str, tuple[Action, ItemState]] = field(default_factory=dict)
    """The act with the state behind it, by the head of the one before."""

    @property
    def log(self) -> Any:
        """The log, as far as orders read it."""
        return self

    async def read(self, _: str) -> Any:
        return SimpleNamespace(state=self.world.newest())

    def after(self, state: ItemState) -> tuple[Action, ItemState]:
        if state.head not in self.made:
            action = self.attempt.on(state, self.now)
            self.made[state.head] = action, state_after(state, action)
        return self.made[state.head]

    def is_stored(self, _: Order, state: ItemState) -> bool:
        return self.attempt.id in state.ids

    async def check(self, _: Order, __: Actor, state: ItemState) -> None:
        self.after(state)

    async def perform(self, _: Order, __: Actor, allow: Allow | None = None) -> ItemState:
        """Add the act to the state that was seen; after a conflict to the newest."""
        for state in (self.seen, self.world.newest()):
            action, new = self.after(state)
            if new is state:
                break  # a repeat
            self.world.before_it_is_stored()
            if allow:
                await allow(state)
            if self.world.store(self.attempt, action, state, new):
                return new
        return state
