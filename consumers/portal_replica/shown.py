"""Texts that the ledger says the portal has shown."""

from collections.abc import AsyncIterator, Sequence

import structlog

from channels.portal.errors import NOT_SEEN
from consumers.digests.current_revision import load_publication
from consumers.ledger import codec
from consumers.ledger.bulk import decode_batch
from consumers.ledger.entry import DELIVERED_LETTERS, LedgerEntry
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.seals.publications import PublicationSeals
from contracts.delivery import PlanKey
from contracts.publication import Publication
from producers.bus import Bus, Change
from producers.seals.errors import NotSealed

log = structlog.get_logger()


def shown_plans(changes: Sequence[Change]) -> list[PlanKey]:
    """The plans whose publication the portal has shown, in the order of *changes*, once each."""
    plans: dict[PlanKey, None] = {}
    for change in changes:
        found = decode_batch(change.key, change.data) if change.data else None
        if found and is_shown(found[1]):
            plans[found[0].plan] = None
    return list(plans)


def is_shown(entry: LedgerEntry) -> bool:
    """Whether the portal's files have the text, be it that readers could not see it there yet.

    The second kind matters where the readback asks a replica: each would wait for the other.
    """
    letter, reason = entry.rows[:1], entry.waiting_reasons.get(0, "")
    return not DELIVERED_LETTERS.isdisjoint(letter) or reason.startswith(NOT_SEEN)


async def load_shown(
    bus: Bus, plans: Sequence[PlanKey], seals: PublicationSeals | None
) -> AsyncIterator[Publication]:
    """The publications of *plans*; one that can't be read is logged. Raises BusError."""
    ledger = Ledger(bus)
    for plan in plans:
        try:
            cursor = await ledger.plan(plan)
            if cursor is None:
                raise LedgerError(f"plan.{plan} is missing")
            yield await load_publication(bus, cursor.value.source, seals)
        except (LedgerError, NotSealed, *codec.DECODE_ERRORS) as error:
            log.error("replica_item_unreadable", plan=str(plan), error=type(error).__name__)
