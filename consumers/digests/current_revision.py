"""The current revision of an item at a given time, and whether it belongs in a digest."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import structlog

from consumers.intake import items
from consumers.intake.items import Item, Position
from consumers.intake.repository import ItemRepository
from consumers.ledger.errors import LedgerError
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.delivery import ChannelName, Lane
from contracts.errors import ContractError
from contracts.publication import Publication
from contracts.subscriptions.digest import DigestItem, Issue
from producers.bus import Bus

log = structlog.get_logger()


class CurrentRevision(NamedTuple):
    """An item's newest position whose time has come; `is_only`: there was no other."""

    revision: int
    seq: int | None
    is_only: bool


_NO_REVISION = CurrentRevision(0, None, False)


async def find_current_revision(
    repository: ItemRepository, content_id: str, now: datetime
) -> CurrentRevision:
    """Return the current revision of an item; NO_REVISION for an unknown one."""
    item = await repository.item(content_id) or Item(unit="")
    for number in sorted(item.released, reverse=True):
        position = await repository.position(content_id, number)
        if position and has_started(position, now) and not items.superseding_position(item, number):
            only = len(items.visible_revisions(item, max(item.released))) == 1
            return CurrentRevision(number, position.seq, only)
    return _NO_REVISION


def has_started(position: Position | Publication, now: datetime) -> bool:
    """Whether the start time has come; until then an earlier position counts."""
    return position.not_before is None or position.not_before <= now


def belongs_in_digest(publication: Publication, now: datetime) -> bool:
    """Whether a text goes into digests; urgent ones were sent to all at once."""
    over = publication.expires_at is not None and publication.expires_at <= now
    for_mail = publication.action != "withdrawn" and ChannelName.EMAIL in publication.channels
    return for_mail and publication.lane is not Lane.URGENT and not over


def digest_item(text: Publication, seq: int, *, first: bool = False) -> DigestItem:
    return DigestItem(
        content_id=text.content_id,
        revision=text.revision,
        seq=seq,
        first=first,
        expires_at=text.expires_at,
    )


async def load_publication(
    bus: Bus, seq: int, seals: PublicationSeals | None = None
) -> Publication:
    """Load the publication at *seq*. Raises as `load_traced`."""
    return (await load_traced(bus, seq, seals))[0]


async def load_traced(
    bus: Bus, seq: int, seals: PublicationSeals | None = None
) -> tuple[Publication, Mapping[str, str]]:
    """Load the publication at *seq*, and the headers that name the trace of its release.

    Raises LedgerError if it is missing or unreadable, or if Loa did not release it by its *seals*.
    """
    message = await bus.get_message(subjects.PUBLICATIONS.name, seq)
    if message is None:
        raise LedgerError(f"{subjects.PUBLICATIONS.name} {seq} is missing")
    if seals and (problem := seals.problem(message)):
        log.error("publication_not_released", seq=seq, reason=problem)
        raise LedgerError(f"{subjects.PUBLICATIONS.name} {seq} was not released: {problem}")
    try:
        return publication.decode(message.data), message.headers
    except ContractError as broken:
        raise LedgerError(f"{subjects.PUBLICATIONS.name} {seq} can't be read") from broken


async def load_publications(
    bus: Bus, issue: Issue, seals: PublicationSeals | None = None
) -> dict[int, Publication]:
    """Load the texts of an issue, by their number. Raises as `load_publication`."""
    seqs = {number: item.seq for number, item in enumerate(issue.items) if not item.out}
    return {number: await load_publication(bus, seq, seals) for number, seq in seqs.items()}
