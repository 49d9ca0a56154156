"""Rules of digests: each issue is planned, a halted one reissued, each reader served once."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from consumers.check.batches import CheckTime
from consumers.check.findings import STUCK_S
from consumers.check.plans import MAX_PLANNING_S, PlanTally, read_plan_batches
from consumers.digests.already_received import UNSENT_LETTERS
from consumers.digests.service import MAX_ITEM_WAIT_S
from consumers.dispatch.supersede import merge_sorted
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bucket, Bus

ISSUE_PREFIX = "issue."


EMAIL = ChannelName.EMAIL


CANCELLED_LETTERS = frozenset(b"vw")


@dataclass
class IssueIndex:
    """Every issue of every digest, by its plan; nothing without a bus to read."""

    bus: Bus | None = None
    by_digest: dict[str, dict[int, Issue]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    async def read(self) -> None:
        if self.bus is None:
            return
        bucket = self.bus.bucket(subjects.DIGESTS.name)
        async for key, value in bucket.values(ISSUE_PREFIX):
            try:
                issue = Issue.model_validate_json(value.data)
            except ValidationError:
                self.unreadable.add(key)
                continue
            self.by_digest.setdefault(issue.digest_id, {})[issue.revision] = issue

    def find(self, plan: PlanKey) -> Issue | None:
        return self.by_digest.get(plan.content_id, {}).get(plan.revision)

    def all(self) -> Iterator[Issue]:
        for issues in self.by_digest.values():
            yield from issues.values()

    def holding(self, content_id: str) -> Iterator[tuple[Issue, int]]:
        """Issues that hold an item, and its number there."""
        for issue in self.all():
            number = issue.number_of(content_id)
            if number is not None:
                yield issue, number


def is_plan_late(issue: Issue, at: CheckTime) -> bool:
    """Whether its plan should be there."""
    return at.is_overdue(issue.issued.timestamp(), MAX_ITEM_WAIT_S + MAX_PLANNING_S)


def is_not_reissued(issue: Issue, tally: PlanTally, issues: IssueIndex, at: CheckTime) -> bool:
    """Whether an issue was halted, has ended, and was not reissued for ten minutes."""
    followed = issues.find(issue.plan._replace(revision=issue.revision + 1)) is not None
    ended = max(issue.issued.timestamp(), tally.closed)
    return bool(tally.cursor.halt) and not followed and at.is_overdue(ended, STUCK_S)


async def served_twice(bucket: Bucket, issue: Issue, issues: IssueIndex) -> AsyncIterator[str]:
    """Recipients of an item here and also in its own plan, or in another issue at that position."""
    for number, item in enumerate(issue.items):
        if item.out:
            continue
        own = PlanKey(EMAIL, item.content_id, item.revision)
        others = [served_recipients(bucket, own)]
        for other, place in issues.holding(item.content_id):
            same = other.items[place].revision == item.revision
            if same and other.plan < issue.plan:
                others.append(served_recipients(bucket, other.plan, place))
        here = served_recipients(bucket, issue.plan, number)
        last = ""
        async for id in merge_sorted([here, *others]):
            if id == last:
                yield f"{item.content_id}: {id}"
            last = id


async def served_recipients(
    bucket: Bucket, plan: PlanKey, number: int | None = None
) -> AsyncIterator[str]:
    """Recipients of a plan that was not cancelled; of a digest, those who got item *number*."""
    async for batch in read_plan_batches(bucket, plan):
        if batch.entry and batch.rows:
            stops = CANCELLED_LETTERS if number is None else UNSENT_LETTERS
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                mine = number is None or batch.rows.item_masks.get(id, 0) >> number & 1
                if letter not in stops and mine:
                    yield id
