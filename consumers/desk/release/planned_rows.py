"""The rows that a release would plan, by the code that plans them; nothing is planned."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

from consumers.digests.store import DigestStore
from consumers.dispatch.audience import Audience, AudienceRow
from consumers.dispatch.handler import DigestPart, EarlierPositions
from consumers.dispatch.supersede import Supersession
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication
from producers.bus import Bus


@dataclass
class PlannedRows:
    """Reads the ledger. Raises BusError, LedgerError."""

    bus: Bus
    audiences: Mapping[ChannelName, Audience]

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.bus)
        self.digests = DigestStore(self.bus)
        self.repository = ItemRepository(self.bus)
        self.supersession = Supersession(self.ledger, Waker(self.bus))

    async def rows(
        self,
        channel: ChannelName,
        publication: Publication,
        released: Collection[int] | None = None,
    ) -> AsyncIterator[AudienceRow]:
        """Yield the rows on *channel*; none where no plan would be made.

        *released*: the item's positions that are out, where they were read before.
        """
        if released is None:
            released = await self.repository.released_positions(publication.content_id)
        earlier = await self._earlier(channel, publication, sorted(released))
        if channel not in publication.channels and not earlier.was_planned:
            return
        query = earlier.query(channel, publication, self.supersession, "")
        async for row in self.audiences[channel].rows(query, ""):
            yield row

    async def _earlier(
        self, channel: ChannelName, publication: Publication, released: Sequence[int]
    ) -> EarlierPositions:
        """The item's older positions on *channel* that have plans."""
        content_id, revision = publication.content_id, publication.revision
        plans = [PlanKey(channel, content_id, one) for one in released if one < revision]
        own = [plan for plan in plans if await self.ledger.plan(plan)]
        parts = await self._digest_parts(publication) if channel is ChannelName.EMAIL else []
        earlier = EarlierPositions(own, parts)
        was_planned = await self.supersession.any_planned(earlier.plans)
        return earlier._replace(was_planned=was_planned)

    async def _digest_parts(self, publication: Publication) -> list[DigestPart]:
        """Where digests hold an older position."""
        held = [pair async for pair in self.digests.issues_with(publication.content_id)]
        parts = [
            DigestPart(issue.plan, number)
            for issue, number in held
            if issue.items[number].revision < publication.revision
        ]
        return [part for part in parts if await self.ledger.plan(part.plan)]
