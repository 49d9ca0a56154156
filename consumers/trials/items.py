"""A unit's trials of one item: the positions they take by the rules of intake, and who had them."""

from collections.abc import Iterable
from typing import cast

from pydantic import Field

from consumers.intake import items
from consumers.intake.items import Item, ItemSummary
from consumers.intake.received import ReceivedEvent, withdrawal_summary
from consumers.intake.release import build_publication, build_withdrawal
from contracts.content import Submitted, Withdrawn
from contracts.publication import Publication

_MOST_POSITIONS = 100
"""How many of an item's positions its record keeps, the newest: it has to fit into a message."""


class TrialItem(Item):
    """Bucket `trials`, key `item.<unit>.<content_id>`."""

    guests: dict[str, int] = Field(default_factory=dict)
    """Guest → the first position that was sent to them."""

    def had_earlier(self, guest_id: str, position: int) -> bool:
        return self.guests.get(guest_id, position) < position

    def with_newest_positions(self) -> "TrialItem":
        """The item without its oldest positions: what comes below the newest is refused anyway."""
        kept = sorted(self.positions)[-_MOST_POSITIONS:]
        update = {
            "positions": {number: self.positions[number] for number in kept},
            "released": {number: at for number, at in self.released.items() if number in kept},
            "withdrawals": tuple(number for number in self.withdrawals if number in kept),
        }
        return self.model_copy(update=update)


def take_in(known: TrialItem | None, checked: ReceivedEvent, guests: Iterable[str]) -> TrialItem:
    """The item with the event's position, released at once; unchanged for a repeat.

    A text goes to all *guests*. Raises ContractError by the rules for items in earnest.
    """
    item, text, at = known or TrialItem(unit=checked.unit), checked.content, checked.received_at
    if isinstance(text, Withdrawn):
        withdrawn = items.withdraw(item, checked.event_id, at, text.content_id)
        return cast(TrialItem, withdrawn).with_newest_positions()
    taken = items.admit_text(item, checked.event_id, text)
    if taken is item:
        return item
    released = items.release(taken, text.revision, ItemSummary.of(text), at)
    first = dict.fromkeys(guests, text.revision)
    updated = released.model_copy(update={"guests": first | item.guests})
    return cast(TrialItem, updated).with_newest_positions()


def publication_of(item: TrialItem, checked: ReceivedEvent) -> Publication | None:
    """The position that readers would get, at once; None for a withdrawal of a withdrawn item."""
    text, number = checked.content, item.position_of(checked.event_id)
    if isinstance(text, Submitted):
        at_once = text.model_copy(update={"not_before": None})
        return build_publication(at_once, item, checked.event_id)
    if number not in item.released:
        return None
    summary, at = withdrawal_summary(text, item), item.released[number]
    more = {"state": "withdrawn", "released_at": at, "reason": text.reason}
    return build_withdrawal(text.content_id, item, checked.new_position(summary, **more))


def recipients(item: TrialItem, publication: Publication, guests: Iterable[str]) -> dict[str, bool]:
    """The guests who get a position, and whether they had an earlier one.

    A withdrawal goes to those who had the item, a text to all.
    """
    had = {guest: item.had_earlier(guest, publication.revision) for guest in guests}
    is_withdrawn = publication.action == "withdrawn"
    return {guest: earlier for guest, earlier in had.items() if earlier or not is_withdrawn}
