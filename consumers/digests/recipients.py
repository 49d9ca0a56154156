"""Recipients of a digest issue and the items each one gets: sorted, each once, without repeats."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from consumers.digests.already_received import UNSENT_LETTERS, AlreadyReceived
from consumers.digests.current_revision import load_publications
from consumers.digests.store import DigestStore
from consumers.directory.digest_audience import DigestAudience, DigestQuery, DigestSubscriber
from consumers.directory.directory import Directory
from consumers.dispatch.audience import AudienceRow
from consumers.ledger.store import Ledger
from contracts.subscriptions.digest import Issue
from producers.bus import Bus

_CLOCK_MARGIN_S = 3600.0
"""Clocks differ: changes of frequency shortly before the window are checked, too."""


@dataclass
class DigestRecipients:
    """The recipients of one issue after the other. Raises BusError."""

    bus: Bus
    ledger: Ledger
    store: DigestStore
    directory: Directory
    clock: Callable[[], float]

    async def recipients_after(self, issue: Issue, after: str) -> AsyncIterator[AudienceRow]:
        """Yield recipients behind *after* who have an item left to receive."""
        served = AlreadyReceived(self.ledger, self.store, issue, after)
        await served.load()
        query = DigestQuery(
            issue.frequency,
            issue.since.timestamp() - _CLOCK_MARGIN_S,
            served.since.timestamp() - _CLOCK_MARGIN_S,
            self.clock(),
            await load_publications(self.bus, issue),
        )
        audience = self.directory.digest_audience(query)
        async for id, picks, changed in self.candidates(issue, issue.revision, audience, after):
            if remaining := await served.not_yet_received(
                id, picks & issue.items_mask, has_changed_frequency=changed
            ):
                yield AudienceRow(id, picks=remaining)

    async def candidates(
        self, issue: Issue, revision: int, audience: DigestAudience, after: str
    ) -> AsyncIterator[DigestSubscriber]:
        """Yield all subscribers for the first issue, unsent ones for a later one.

        Unsent are recipients whose mail was stopped, and subscribers who were not planned before.
        """
        if revision == 1:
            for candidate in audience.subscribers(after):
                yield candidate
            return
        earlier = issue.plan._replace(revision=revision - 1)
        async for id, picks in self.ledger.recipients(earlier, UNSENT_LETTERS, after):
            yield DigestSubscriber(id, picks, True)
        stored_plan = await self.ledger.plan(earlier)
        if stored_plan and not stored_plan.value.complete:
            last = max(after, stored_plan.value.last)
            async for candidate in self.candidates(issue, revision - 1, audience, last):
                yield candidate
