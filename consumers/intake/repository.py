"""Repository of items and positions: bucket `publications`, changed by compare-and-set."""

from collections.abc import Callable, Sequence

from consumers.intake import items
from consumers.intake.items import NOT_ADMITTED_CODE, Item, Position
from consumers.messages import field_error
from contracts import keys, subjects
from contracts.errors import Invalid
from producers.bus import Bus
from producers.bus.records import Versioned, read, require, update


class ItemRepository:
    """Reads and changes the records of items and of their positions."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.PUBLISHED.name)

    async def item(self, content_id: str) -> Item | None:
        return (await self.versioned_item(content_id)).value

    async def require_item(self, content_id: str) -> Item:
        """The item. Raises Invalid if there is none."""
        if (item := await self.item(content_id)) is None:
            raise Invalid(field_error("content_id", "item_unknown", value=content_id))
        return item

    async def versioned_item(self, content_id: str) -> Versioned[Item | None]:
        return await read(self.bucket, content_id, Item)

    async def position(self, content_id: str, revision: int) -> Position | None:
        key = keys.publication_key(content_id, revision)
        return (await read(self.bucket, key, Position)).value

    async def released_positions(self, content_id: str) -> Sequence[int]:
        """The released positions of an item, oldest first."""
        item = await self.item(content_id)
        return sorted(item.released) if item else []

    async def halt_mark(self, content_id: str, revision: int) -> str:
        """The halt mark of a text superseded before its start time; see `items.halt_mark`."""
        item = await self.item(content_id)
        return items.halt_mark(item, revision) if item else ""

    async def update_item(
        self,
        content_id: str,
        transition: Callable[[Item | None], Item],
        known: Versioned[Item | None] | None = None,
    ) -> Item:
        """Apply *transition* to the stored item; if it raises, the item stays unchanged.

        *known* is an earlier read, which saves one; an outdated value is read again.
        """
        return (await update(self.bucket, content_id, Item, transition, known)).value

    async def update_position(
        self,
        content_id: str,
        revision: int,
        transition: Callable[[Position | None], Position],
        known: Versioned[Position | None] | None = None,
    ) -> Position:
        """As `update_item`, for the record of one position."""
        key = keys.publication_key(content_id, revision)
        return (await update(self.bucket, key, Position, transition, known)).value

    async def open_position(
        self, content_id: str, revision: int, first: Position
    ) -> Versioned[Position]:
        """Store *first* as the record of a position, unless its event has a record already.

        The item's record decides which event has the position; another event's record is replaced.
        """

        def move(found: Position | None) -> Position:
            mine = found is not None and found.event_id == first.event_id
            return found if found and mine and found.code != NOT_ADMITTED_CODE else first

        key = keys.publication_key(content_id, revision)
        return await update(self.bucket, key, Position, move, Versioned(None))

    async def close_position(self, content_id: str, number: int, item: Item) -> Position:
        """Close a position that was superseded before its release; see `items.close_superseded`."""
        return await self.update_position(
            content_id, number, lambda one: items.close_superseded(require(one), item, number)
        )

    async def remove_waiting(self, content_id: str, numbers: tuple[int, ...]) -> Item:
        return await self.update_item(
            content_id, lambda item: items.without_waiting(require(item), numbers)
        )
