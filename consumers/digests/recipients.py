"""Recipients of a digest issue and the items each one gets: sorted, each once, without repeats."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consumers.digests.already_received import UNSENT_LETTERS, AlreadyReceived
from consumers.digests.current_revision import load_publications
from consumers.digests.store import DigestStore
from consumers.directory.digest_audience import DigestAudience, DigestQuery, DigestSubscriber
from consumers.dispatch.audience import AudienceRow
from consumers.ledger.store import Ledger
from contracts.delivery import PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bus

_CLOCK_MARGIN_S = 3600.0
"""Clocks differ: changes of frequency shortly before the window are checked, too."""


class DigestDirectory(Protocol):
    """The part of the directory that digests need."""

    async def ready(self) -> None: ...
    def digest_audience(self, query: DigestQuery) -> DigestAudience: ...


@dataclass
class DigestRecipients:
    """The recipients of one issue after the other. Raises BusError."""

    bus: Bus
    ledger: Ledger
    store: DigestStore
    directory: DigestDirectory
    clock: Callable[[], float]

    async def recipients_after(self, issue: Issue, after: str) -> AsyncIterator[AudienceRow]:
        """Yield recipients behind *after* who have an item left to receive."""
        served = AlreadyReceived(self.ledger, self.store, issue, after)
        await served.load()
        audience = self.directory.digest_audience(await self.build_query(issue, served.since))
        async for id, picks, changed in self.candidates(issue, issue.revision, audience, after):
            if remaining := await served.not_yet_received(
                id, picks & issue.items_mask, has_changed_frequency=changed
            ):
                yield AudienceRow(id, picks=remaining)

    async def build_query(self, issue: Issue, changed_since: datetime) -> DigestQuery:
        return DigestQuery(
            issue.frequency,
            issue.since.timestamp() - _CLOCK_MARGIN_S,
            changed_since.timestamp() - _CLOCK_MARGIN_S,
            self.clock(),
            await load_publications(self.bus, issue),
        )

    async def candidates(
        self, issue: Issue, revision: int, audience: DigestAudience, after: str
    ) -> AsyncIterator[DigestSubscriber]:
        """Yield all subscribers for the first issue, unsent ones for a later one.

        Unsent are recipients whose mail was stopped, and subscribers who were not planned before.
        """
        if revision == 1:
            for candidate in _all_subscribers(audience, after):
                yield candidate
            return
        earlier = issue.plan._replace(revision=revision - 1)
        async for candidate in self.unsent_recipients(earlier, after):
            yield candidate
        stored_plan = await self.ledger.plan(earlier)
        if stored_plan and not stored_plan.value.complete:
            last = max(after, stored_plan.value.last)
            async for candidate in self.candidates(issue, revision - 1, audience, last):
                yield candidate

    async def unsent_recipients(self, plan: PlanKey, after: str) -> AsyncIterator[DigestSubscriber]:
        """Yield recipients whose mail of an earlier issue never left."""
        async for batch, entry in self.ledger.entries(plan):
            if UNSENT_LETTERS.isdisjoint(entry.value.rows):
                continue
            rows = await self.ledger.rows(batch)
            for id, letter in zip(rows.ids, entry.value.rows, strict=True):
                if id > after and letter in UNSENT_LETTERS:
                    yield DigestSubscriber(id, rows.item_masks[id], True)


def _all_subscribers(audience: DigestAudience, after: str) -> Iterator[DigestSubscriber]:
    """Yield the whole audience, a page at a time."""
    while True:
        subscribers, after = audience.page(after)
        yield from subscribers
        if not after:
            return
