"""Publications as the channels need them: read once from their stream, rendered once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consumers.ledger.store import Ledger, LedgerError
from contracts import publication, subjects
from contracts.delivery import PlanKey
from contracts.publication import Publication
from producers.bus import Bus

KEPT = 64


@dataclass(frozen=True, slots=True)
class Edition:
    """A publication and what its channel made of it."""

    publication: Publication
    rendered: Any


class Library:
    """The newest editions of one channel; found through the plan's cursor, kept in memory."""

    def __init__(self, bus: Bus, ledger: Ledger, render: Callable[[Publication], Any]) -> None:
        self.bus = bus
        self.ledger = ledger
        self.render = render
        self.kept: OrderedDict[PlanKey, Edition] = OrderedDict()

    async def edition(self, plan: PlanKey) -> Edition:
        """Raises LedgerError when a plan or its publication is missing."""
        if plan not in self.kept:
            found = await self.find(plan)
            self.kept[plan] = Edition(found, self.render(found))
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(plan)
        return self.kept[plan]

    async def find(self, plan: PlanKey) -> Publication:
        held = await self.ledger.plan(plan)
        if held is None:
            raise LedgerError(f"plan.{plan} is missing")
        message = await self.bus.get_message(subjects.PUBLICATIONS.name, held.value.source)
        if message is None:
            raise LedgerError(f"publication {held.value.source} is missing")
        return publication.decode(message.data)
