"""The register of items and positions: bucket `publications`, changed by compare-and-set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from consumers.items import NOT_ADMITTED, Item, Position, ended, settled
from contracts import keys, subjects
from producers.bus import Bucket, Bus, Conflict, Silence

T = TypeVar("T", bound=BaseModel)
TRIES = 50


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """What a key holds at a revision (0: nothing); `fresh`: whoever asked has just written it."""

    value: T | None
    revision: int = 0
    fresh: bool = False

    @property
    def known(self) -> T:
        """The value. Raises LookupError when there is none."""
        if self.value is None:
            raise LookupError("the record vanished")
        return self.value


class Register:
    """Reads and changes the records of items and of their positions."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.PUBLISHED.name)

    async def item(self, content_id: str) -> Item | None:
        return (await self.held_item(content_id)).value

    async def held_item(self, content_id: str) -> Held[Item]:
        return await read(self.bucket, content_id, Item)

    async def position(self, content_id: str, revision: int) -> Position | None:
        key = keys.publication_key(content_id, revision)
        return (await read(self.bucket, key, Position)).value

    async def change_item(
        self,
        content_id: str,
        move: Callable[[Item | None], Item],
        held: Held[Item] | None = None,
    ) -> Item:
        """Apply *move* to what stands there; what it raises passes through and nothing changes.

        *held* is what was read before: it saves a read, and is read again if it is out of date.
        """
        return (await change(self.bucket, content_id, Item, move, held)).known

    async def change_position(
        self,
        content_id: str,
        revision: int,
        move: Callable[[Position | None], Position],
        held: Held[Position] | None = None,
    ) -> Position:
        """As `change_item`, for the record of one position."""
        key = keys.publication_key(content_id, revision)
        return (await change(self.bucket, key, Position, move, held)).known

    async def open(self, content_id: str, revision: int, first: Position) -> Held[Position]:
        """The record of a position: *first*, or what its event has written there before.

        The item's record says which event has the position; whatever another one left is replaced.
        """

        def move(found: Position | None) -> Position:
            mine = found is not None and found.event_id == first.event_id
            return found if found and mine and found.code != NOT_ADMITTED else first

        key = keys.publication_key(content_id, revision)
        return await change(self.bucket, key, Position, move, Held(None))

    async def end(self, content_id: str, number: int, item: Item) -> Position:
        """Book that a position was left behind before it was released; see `items.ended`."""

        def move(found: Position | None) -> Position:
            return ended(Held(found).known, item, number)

        return await self.change_position(content_id, number, move)

    async def overtaken(self, content_id: str, number: int) -> Position:
        """As `end`, after a release that came too late."""
        return await self.end(content_id, number, (await self.held_item(content_id)).known)

    async def settle(self, content_id: str, numbers: tuple[int, ...]) -> Item:
        """Take positions off the list of those that wait."""

        def move(found: Item | None) -> Item:
            return settled(Held(found).known, numbers)

        return await self.change_item(content_id, move)


async def read(bucket: Bucket, key: str, kind: type[T]) -> Held[T]:
    value = await bucket.get(key)
    return Held(kind.model_validate_json(value.data), value.revision) if value else Held(None)


async def change(
    bucket: Bucket,
    key: str,
    kind: type[T],
    move: Callable[[T | None], T],
    held: Held[T] | None = None,
) -> Held[T]:
    """Replace what *key* holds by what *move* makes of it, and again if somebody was faster.

    *move* must leave alone what it has changed already: a write whose answer was lost is seen
    again. Raises Silence when the bus is away, Conflict when others never let go.
    """
    for _ in range(TRIES):
        held = held or await read(bucket, key, kind)
        wanted = move(held.value)
        if wanted == held.value:
            return Held(wanted, held.revision)
        try:
            return Held(wanted, await _write(bucket, key, wanted, held.revision), fresh=True)
        except (Conflict, Silence):
            held = None
    raise Conflict(f"{bucket.name}.{key} changed {TRIES} times")


async def _write(bucket: Bucket, key: str, wanted: BaseModel, revision: int) -> int:
    data = wanted.model_dump_json().encode()
    return await (bucket.swap(key, data, revision) if revision else bucket.create(key, data))
