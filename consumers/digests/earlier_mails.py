"""Find the earlier mails that brought each recipient of a correction the text it corrects."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.digests.store import DigestStore
from consumers.ledger.codec import BatchRows
from consumers.ledger.plan_rows import PlanRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, PlanKey

CACHE_SIZE = 64
_ALL_ROWS = -1


class SourceMail(NamedTuple):
    """A mail that brought some position of an item: alone, or as item of a digest."""

    revision: int
    plan: PlanKey
    item_number: int = _ALL_ROWS


SourceMails = tuple[Sequence[SourceMail], Sequence[SourceMail]]
"""Digests, and plans of the item alone; the latter matter only for recipients of the former."""
PlansByRecipient = Mapping[str, tuple[PlanKey, ...]]


@dataclass
class EarlierMails:
    """Reads the ledger one batch at a time. Raises BusError or LedgerError.

    An item that was in no digest costs one read in its whole plan. Otherwise a batch of a
    correction is compared with the batches of earlier mails in the same range of ids; no recipient
    is looked up singly.
    """

    ledger: Ledger
    store: DigestStore
    mail_cache: dict[PlanKey, SourceMails] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = PlanRows(self.ledger)

    async def received_by(self, batch: BatchKey, rows: BatchRows) -> PlansByRecipient:
        """Return the earlier mails that each recipient got or may have got, oldest text first.

        Covers only corrected rows whose earlier mails include a digest.
        """
        had: dict[str, list[SourceMail]] = defaultdict(list)
        wanted: Collection[str] = rows.corrections
        for mails in await self.source_mails(batch.plan) if wanted else ():
            for mail in mails if wanted else ():
                async for id in self.reached_recipients(mail, rows.ids[0], rows.ids[-1]):
                    if id in wanted:
                        had[id].append(mail)
            wanted = set(had)
        return {id: tuple(mail.plan for mail in sorted(mails)) for id, mails in had.items()}

    async def source_mails(self, plan: PlanKey) -> SourceMails:
        """Return digests with an older position, and mails of the item alone since then."""
        if plan not in self.mail_cache:
            held = [pair async for pair in self.store.issues_with(plan.content_id)]
            mails = [SourceMail(issue.items[n].revision, issue.plan, n) for issue, n in held]
            digests = sorted(mail for mail in mails if mail.revision < plan.revision)
            first = digests[0].revision if digests else plan.revision
            since = range(first, plan.revision)
            alone = [SourceMail(number, plan._replace(revision=number)) for number in since]
            if len(self.mail_cache) >= CACHE_SIZE:
                self.mail_cache.clear()
            self.mail_cache[plan] = digests, alone
        return self.mail_cache[plan]

    async def reached_recipients(self, mail: SourceMail, low: str, high: str) -> AsyncIterator[str]:
        """Yield the ids from *low* to *high* that got the mail, or may have got it."""
        async for batch, rows in self.rows.between(mail.plan, low, high):
            state = await self.ledger.state(batch)
            for row in state.value.reached_rows() if state else ():
                id = rows.ids[row]
                if mail.item_number == _ALL_ROWS or rows.item_masks[id] >> mail.item_number & 1:
                    yield id
