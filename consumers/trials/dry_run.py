"""The outlook of an event that a unit only asks about, by intake's rules; nothing is stored."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from consumers.intake.received import ReceivedEvent
from consumers.intake.repository import ItemRepository
from consumers.ledger.errors import LedgerError
from consumers.ledger.store import Ledger
from consumers.reporting.plan_summary import summarize
from consumers.reporting.reach import known_followers
from consumers.trials.faces import RenderedTrials
from consumers.trials.items import TrialItem, publication_of, recipients, take_in
from consumers.trials.store import TrialStore
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.case import CaseUpdated
from contracts.content import Submitted, is_broadcast
from contracts.delivery import ChannelName, PlanKey, Status
from contracts.errors import WHOLE_EVENT, ContractError, Unavailable, field_error
from contracts.events import CheckedEvent
from contracts.interruptions.interruption import TOPIC as INTERRUPTION_TOPIC
from contracts.publication import Publication
from contracts.subscriptions.reader_counts import READER_COUNTS_KEY, ReaderCounts
from contracts.trace import StatusCounts
from contracts.trials.dry_run import Outlook, Release
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, records

_RETRY_AFTER_S = 5


@dataclass(frozen=True)
class ItemDryRuns:
    """Reads items, trials, the ledger, and counts of readers."""

    bus: Bus
    store: TrialStore
    ledger: Ledger
    faces: RenderedTrials
    vocabulary: Vocabulary
    clock: Clock
    counts: ReaderCounts | None = None
    """None before the first count."""
    followers: int = 0

    async def with_readers(self) -> Self:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        counts = await records.read_or_absent(bucket, READER_COUNTS_KEY, ReaderCounts)
        return replace(self, counts=counts.value, followers=await known_followers(self.bus))

    async def of_event(self, checked: CheckedEvent, mode: str, *, previews: bool) -> Outlook:
        """The outlook of a new event in earnest. Raises BusError, Unavailable."""
        item = await ItemRepository(self.bus).item(checked.content_id)
        known = TrialItem.model_validate(item.model_dump()) if item else None
        try:
            after, publication = self._taken_in(checked, known)
        except ContractError as refusal:
            return Outlook(checked.revision, refusal.errors)
        return Outlook(
            after.position_of(checked.event_id),
            release=self._release(checked, mode),
            channels=await self._reach(publication, known) if publication else {},
            previews=await self._previews(publication) if publication and previews else {},
        )

    async def of_trial(self, checked: CheckedEvent, *, previews: bool) -> Outlook:
        """The outlook of a new trial. Raises BusError."""
        known = await self.store.item(checked.unit, checked.content_id)
        guests = [guest.id for guest in await self.store.guests(checked.unit)]
        try:
            after, publication = self._taken_in(checked, known)
        except ContractError as refusal:
            return Outlook(checked.revision, refusal.errors)
        told = recipients(after, publication, guests) if publication else {}
        return Outlook(
            after.position_of(checked.event_id),
            release="automatic",
            channels={ChannelName.EMAIL: {"guests": len(told)}},
            previews=await self._previews(publication) if publication and previews else {},
        )

    def _taken_in(
        self, checked: CheckedEvent, known: TrialItem | None
    ) -> tuple[TrialItem, Publication | None]:
        """The item after the event, and its publication. Raises ContractError."""
        content = checked.content
        if isinstance(content, CaseUpdated):
            raise TypeError("a case notice has no item")
        received = ReceivedEvent(checked.unit, checked.event, content, utc_now(self.clock))
        item = take_in(known, received, ())
        return item, publication_of(item, received)

    def _release(self, checked: CheckedEvent, mode: str) -> Release:
        """Who would release a text: intake's rules look at the plan of a campaign, and at times."""
        text = checked.content
        if not isinstance(text, Submitted):
            return "automatic"
        series = {one.topic for one in self.vocabulary.bulletins.values()}
        if mode == "desk" or text.topic in series:
            return "desk"
        has_rule = text.interruption or text.topic == INTERRUPTION_TOPIC or text.campaign
        return "rule" if has_rule else "automatic"

    async def _reach(
        self, publication: Publication, known: TrialItem | None
    ) -> Mapping[str, Mapping[str, Any]]:
        """By channel of the item, how many it would reach."""
        found: dict[str, Mapping[str, Any]] = {}
        if ChannelName.PORTAL in publication.channels:
            found[ChannelName.PORTAL] = {"pages": 1}
        if ChannelName.EMAIL in publication.channels:
            following = await asyncio.to_thread(_following, publication, self.counts)
            earlier = await self._earlier_mails(publication.content_id, known)
            found[ChannelName.EMAIL] = following | {"earlier": earlier}
        if ChannelName.ZALO in publication.channels:
            is_told = publication.action == "published" and is_broadcast(publication.broadcast)
            facts = {"articles": 1, "broadcasts": int(is_told), "followers": self.followers}
            found[ChannelName.ZALO] = facts
        return found

    async def _earlier_mails(self, content_id: str, known: TrialItem | None) -> int:
        """The mails of the item's newest position, whose readers a later one reaches, too."""
        plan = PlanKey(ChannelName.EMAIL, content_id, known.revision if known else 0)
        try:
            stored = await self.ledger.plan(plan)
            if stored is None:
                return 0
            if stored.value.removed:
                return StatusCounts.model_validate(stored.value.counts).delivered
            return (await summarize(self.ledger, plan, stored.value)).statuses[Status.DELIVERED]
        except LedgerError as error:
            unavailable = field_error(WHOLE_EVENT, "unavailable", retry_after_s=_RETRY_AFTER_S)
            raise Unavailable(unavailable, retry_after_s=_RETRY_AFTER_S) from error

    async def _previews(self, publication: Publication) -> Mapping[str, str]:
        return await self.faces.of_publication(publication)


def _following(publication: Publication, counts: ReaderCounts | None) -> dict[str, Any]:
    """The readers who follow what the item is, by when they get it; None before a count."""
    if publication.action == "withdrawn":
        return {"readers": 0}
    if counts is None:
        return {"readers": None}
    matching = counts.matching(publication)
    by_frequency = {str(name): count for name, count in matching.items()}
    facts: dict[str, Any] = {"readers": matching.total(), **by_frequency}
    facts["counted_at"] = counts.at.isoformat()
    return facts | ({"uncounted": counts.others} if counts.others else {})
