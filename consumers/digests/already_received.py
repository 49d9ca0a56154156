"""Find items that a recipient has already received, alone or in another digest."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from consumers.digests.store import DigestStore
from consumers.dispatch.already_read import SortedIds
from consumers.dispatch.handler import DigestPart
from consumers.dispatch.supersede import merge_distinct
from consumers.ledger.entry import STATUS_OF_LETTER
from consumers.ledger.plan_rows import PlanRows
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.subscriptions.digest import DigestItem, Issue

UNSENT_LETTERS = frozenset(b"vwe")
"""Letters of rows that certainly got nothing and were not refused: stopped, or expired."""
_SERVED_LETTERS = frozenset(STATUS_OF_LETTER) - UNSENT_LETTERS


@dataclass
class AlreadyReceived:
    """Answers for an issue's recipients, asked in the order of their ids. Raises BusError.

    The recipients of an item's older texts are also in the plan of the newer one. So this plan and
    the digests with the same position show who has received the item.
    """

    ledger: Ledger
    store: DigestStore
    issue: Issue
    after: str
    parts: dict[int, Sequence[DigestPart]] = field(default_factory=dict)
    sorted_ids: dict[int, SortedIds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.since = self.issue.since
        self.rows = PlanRows(self.ledger)

    async def load(self) -> None:
        """Load the plans and digests to search.

        A digest of the other frequency may reach further back, and included subscribers who left
        that frequency within its window. So changes of frequency since then have to be checked,
        too.
        """
        for number, item in enumerate(self.issue.items):
            if not item.out:
                self.parts[number] = [part async for part in self.other_digests(item)]
                if not item.first:
                    self.sorted_ids[number] = SortedIds(self.all_recipients(number))

    def own_plan(self, number: int) -> PlanKey:
        item = self.issue.items[number]
        return PlanKey(ChannelName.EMAIL, item.content_id, item.revision)

    async def other_digests(self, item: DigestItem) -> AsyncIterator[DigestPart]:
        """Yield other planned digests that hold the same position."""
        async for issue, number in self.store.issues_with(item.content_id):
            is_other = issue.digest_id != self.issue.digest_id
            is_same = issue.items[number].revision == item.revision
            if is_other and is_same and await self.ledger.plan(issue.plan):
                self.since = min(self.since, issue.since)
                yield DigestPart(issue.plan, number)

    async def not_yet_received(self, id: str, picks: int, *, has_changed_frequency: bool) -> int:
        """Return those of *picks* that this recipient has not received."""
        for number, recipients in self.sorted_ids.items():
            if picks >> number & 1 and await recipients.contains(id):
                picks &= ~(1 << number)
        for number in self.parts if has_changed_frequency else ():
            is_open = picks >> number & 1 and number not in self.sorted_ids
            if is_open and await self.has_received(number, id):
                picks &= ~(1 << number)
        return picks

    # --- all recipients, in order

    def all_recipients(self, number: int) -> AsyncIterator[str]:
        in_digests = [self.digest_recipients(part) for part in self.parts[number]]
        return merge_distinct([self.planned_recipients(self.own_plan(number)), *in_digests])

    async def planned_recipients(self, plan: PlanKey) -> AsyncIterator[str]:
        """Yield all recipients of a plan, in any status."""
        stored_plan = await self.ledger.plan(plan)
        for number in range(stored_plan.value.count if stored_plan else 0):
            for id in (await self.ledger.rows(BatchKey(*plan, number))).ids:
                if id > self.after:
                    yield id

    async def digest_recipients(self, part: DigestPart) -> AsyncIterator[str]:
        """Yield the recipients of an item in a digest, without unsent rows."""
        async for id, picks in self.ledger.recipients(part.plan, _SERVED_LETTERS, self.after):
            if picks >> part.number & 1:
                yield id

    # --- one recipient

    async def has_received(self, number: int, id: str) -> bool:
        """Whether one recipient has received an item, by binary search."""
        if await self.rows.find(self.own_plan(number), id):
            return True
        for part in self.parts[number]:
            if await self.was_served_in(part, id):
                return True
        return False

    async def was_served_in(self, part: DigestPart, id: str) -> bool:
        row = await self.rows.find(part.plan, id)
        if row is None:
            return False
        state = await self.ledger.state(row.batch)
        letter = state.value.rows[row.row] if state else 0
        return letter not in UNSENT_LETTERS and bool(row.picks >> part.number & 1)
