"""Which position of an item counts at a moment, and whether a digest may hold its text."""

from datetime import datetime
from typing import NamedTuple

from consumers import items
from consumers.items import Item, Position
from consumers.ledger.store import LedgerError
from consumers.register import Register
from contracts import publication, subjects
from contracts.delivery import ChannelName, Lane
from contracts.digest import DigestItem, Issue
from contracts.errors import ContractError
from contracts.publication import Publication
from producers.bus import Bus


class Standing(NamedTuple):
    """An item's newest position whose time has come; `only`: it never had another."""

    revision: int
    seq: int | None
    only: bool


NOTHING = Standing(0, None, False)


async def standing(register: Register, content_id: str, now: datetime) -> Standing:
    """What counts of an item *now*; NOTHING of one that the register does not know."""
    item = await register.item(content_id) or Item(unit="")
    for number in sorted(item.released, reverse=True):
        position = await register.position(content_id, number)
        if position and begun(position, now) and not items.overtaker(item, number):
            only = len(items.shown(item, max(item.released))) == 1
            return Standing(number, position.seq, only)
    return NOTHING


def begun(one: Position | Publication, now: datetime) -> bool:
    """Whether its time has come: until then an earlier position counts."""
    return one.not_before is None or one.not_before <= now


def fits(text: Publication, now: datetime) -> bool:
    """Whether it is for digests: urgent items have gone to everybody at once."""
    over = text.expires_at is not None and text.expires_at <= now
    for_mail = text.action != "withdrawn" and ChannelName.EMAIL in text.channels
    return for_mail and text.lane is not Lane.URGENT and not over


def part(text: Publication, seq: int, *, first: bool = False) -> DigestItem:
    return DigestItem(
        content_id=text.content_id,
        revision=text.revision,
        seq=seq,
        first=first,
        expires_at=text.expires_at,
    )


async def text(bus: Bus, seq: int) -> Publication:
    """The publication at *seq*. Raises LedgerError when it is gone or can't be read."""
    message = await bus.get_message(subjects.PUBLICATIONS.name, seq)
    if message is None:
        raise LedgerError(f"{subjects.PUBLICATIONS.name} {seq} is missing")
    try:
        return publication.decode(message.data)
    except ContractError as broken:
        raise LedgerError(f"{subjects.PUBLICATIONS.name} {seq} can't be read") from broken


async def texts(bus: Bus, issue: Issue) -> dict[int, Publication]:
    """The texts of an issue, by their places in it."""
    return {
        number: await text(bus, item.seq) for number, item in enumerate(issue.items) if not item.out
    }
