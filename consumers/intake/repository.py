"""Repository of items and positions: bucket `publications`, changed by compare-and-set."""

from collections.abc import Callable

from consumers.intake.items import (
    NOT_ADMITTED_CODE,
    Item,
    Position,
    close_superseded,
    without_waiting,
)
from contracts import keys, subjects
from producers.bus import Bus
from producers.bus.records import Versioned, read, update


class ItemRepository:
    """Reads and changes the records of items and of their positions."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.PUBLISHED.name)

    async def item(self, content_id: str) -> Item | None:
        return (await self.versioned_item(content_id)).value

    async def versioned_item(self, content_id: str) -> Versioned[Item]:
        return await read(self.bucket, content_id, Item)

    async def position(self, content_id: str, revision: int) -> Position | None:
        key = keys.publication_key(content_id, revision)
        return (await read(self.bucket, key, Position)).value

    async def update_item(
        self,
        content_id: str,
        transition: Callable[[Item | None], Item],
        known: Versioned[Item] | None = None,
    ) -> Item:
        """Apply *move* to what stands there; what it raises passes through and nothing changes.

        *held* is what was read before: it saves a read, and is read again if it is out of date.
        """
        return (await update(self.bucket, content_id, Item, transition, known)).required

    async def update_position(
        self,
        content_id: str,
        revision: int,
        transition: Callable[[Position | None], Position],
        known: Versioned[Position] | None = None,
    ) -> Position:
        """As `change_item`, for the record of one position."""
        key = keys.publication_key(content_id, revision)
        return (await update(self.bucket, key, Position, transition, known)).required

    async def open_position(
        self, content_id: str, revision: int, first: Position
    ) -> Versioned[Position]:
        """The record of a position: *first*, or what its event has written there before.

        The item's record says which event has the position; whatever another one left is replaced.
        """

        def move(found: Position | None) -> Position:
            mine = found is not None and found.event_id == first.event_id
            return found if found and mine and found.code != NOT_ADMITTED_CODE else first

        key = keys.publication_key(content_id, revision)
        return await update(self.bucket, key, Position, move, Versioned(None))

    async def close_position(self, content_id: str, number: int, item: Item) -> Position:
        """Book that a position was left behind before it was released; see `items.ended`."""

        def move(found: Position | None) -> Position:
            return close_superseded(Versioned(found).required, item, number)

        return await self.update_position(content_id, number, move)

    async def close_superseded(self, content_id: str, number: int) -> Position:
        """As `end`, after a release that came too late."""
        return await self.close_position(
            content_id, number, (await self.versioned_item(content_id)).required
        )

    async def remove_waiting(self, content_id: str, numbers: tuple[int, ...]) -> Item:
        """Take positions off the list of those that wait."""

        def move(found: Item | None) -> Item:
            return without_waiting(Versioned(found).required, numbers)

        return await self.update_item(content_id, move)
