"""The register of items and positions: bucket `publications`, changed by compare-and-set."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from consumers.items import NOT_ADMITTED, Item, Position, ended, settled
from contracts import keys, subjects
from producers.bus import Bucket, Bus, Conflict, Silence, Value

T = TypeVar("T", bound=BaseModel)
TRIES = 50


class Register:
    """Reads and changes the records of items and of their positions."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.PUBLISHED.name)

    async def item(self, content_id: str) -> Item | None:
        value = await self.bucket.get(content_id)
        return Item.model_validate_json(value.data) if value else None

    async def position(self, content_id: str, revision: int) -> Position | None:
        value = await self.bucket.get(keys.publication_key(content_id, revision))
        return Position.model_validate_json(value.data) if value else None

    async def change_item(self, content_id: str, move: Callable[[Item | None], Item]) -> Item:
        """Apply *move* to what stands there; what it raises passes through and nothing changes."""
        return await change(self.bucket, content_id, Item, move)

    async def change_position(
        self, content_id: str, revision: int, move: Callable[[Position | None], Position]
    ) -> Position:
        """As `change_item`, for the record of one position."""
        key = keys.publication_key(content_id, revision)
        return await change(self.bucket, key, Position, move)

    async def open(self, content_id: str, revision: int, first: Position) -> Position:
        """The record of a position: *first*, or what its event has written there before.

        The item's record says which event has the position; whatever another one left is replaced.
        """

        def move(found: Position | None) -> Position:
            mine = found is not None and found.event_id == first.event_id
            return found if found and mine and found.code != NOT_ADMITTED else first

        return await self.change_position(content_id, revision, move)

    async def end(self, content_id: str, number: int, item: Item) -> Position:
        """Book that a position was left behind before it was released; see `items.ended`."""

        def move(found: Position | None) -> Position:
            return ended(_there(found, content_id), item, number)

        return await self.change_position(content_id, number, move)

    async def overtaken(self, content_id: str, number: int) -> Position:
        """As `end`, after a release that came too late."""
        return await self.end(content_id, number, _there(await self.item(content_id), content_id))

    async def settle(self, content_id: str, numbers: tuple[int, ...]) -> Item:
        """Take positions off the list of those that wait."""

        def move(found: Item | None) -> Item:
            return settled(_there(found, content_id), numbers)

        return await self.change_item(content_id, move)


def _there(found: T | None, key: str) -> T:
    if found is None:
        raise LookupError(f"the record of {key} vanished")
    return found


async def change(bucket: Bucket, key: str, kind: type[T], move: Callable[[T | None], T]) -> T:
    """Replace what *key* holds by what *move* makes of it, and again if somebody was faster.

    *move* must leave alone what it has changed already: a write whose answer was lost is seen
    again. Raises Silence when the bus is away, Conflict when others never let go.
    """
    for _ in range(TRIES):
        value = await bucket.get(key)
        found = kind.model_validate_json(value.data) if value else None
        wanted = move(found)
        if wanted == found or await _wrote(bucket, key, value, wanted.model_dump_json().encode()):
            return wanted
    raise Conflict(f"{bucket.name}.{key} changed {TRIES} times")


async def _wrote(bucket: Bucket, key: str, value: Value | None, data: bytes) -> bool:
    """Whether the write surely stands; if not, look again."""
    try:
        await (bucket.swap(key, data, value.revision) if value else bucket.create(key, data))
    except (Conflict, Silence):
        return False
    return True
