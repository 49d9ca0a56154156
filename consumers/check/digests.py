"""Rules of digests: each issue is planned, a halted one reissued, each reader served once."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from consumers.check.context import CheckTime
from consumers.check.findings import STUCK_S
from consumers.check.plans import MAX_PLANNING_S, PlanTally, read_plan_batches, recipients
from consumers.digests.already_received import UNSENT_LETTERS
from consumers.digests.service import MAX_ITEM_WAIT_S
from consumers.dispatch.supersede import merge_sorted
from consumers.ledger.entry import STATUS_OF_LETTER
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.digest import Issue
from producers.bus import Bucket, Bus
from producers.bus.records import parse

_ISSUE_PREFIX = "issue."
EMAIL = ChannelName.EMAIL
_CANCELLED_LETTERS = frozenset(b"vw")


@dataclass
class IssueIndex:
    """Every issue of every digest, by its plan."""

    bus: Bus
    by_digest: dict[str, dict[int, Issue]] = field(default_factory=dict)

    async def read(self) -> None:
        bucket = self.bus.bucket(subjects.DIGESTS.name)
        async for _, value in bucket.values(_ISSUE_PREFIX):
            if issue := parse(Issue, value.data):
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
    is_reissued = issues.find(issue.plan._replace(revision=issue.revision + 1)) is not None
    ended = max(issue.issued.timestamp(), tally.closed)
    return bool(tally.cursor.halt) and not is_reissued and at.is_overdue(ended, STUCK_S)


async def served_twice(bucket: Bucket, issue: Issue, issues: IssueIndex) -> AsyncIterator[str]:
    """Recipients of an item here and also in its own plan, or in another issue at that position."""
    for number, item in enumerate(issue.items):
        if item.out:
            continue
        others = [_served_recipients(bucket, PlanKey(EMAIL, item.content_id, item.revision))]
        for other, other_number in issues.holding(item.content_id):
            is_same = other.items[other_number].revision == item.revision
            if is_same and other.plan < issue.plan:
                others.append(_served_recipients(bucket, other.plan, other_number))
        own_row = _served_recipients(bucket, issue.plan, number)
        last = ""
        async for id in merge_sorted([own_row, *others]):
            if id == last:
                yield f"{item.content_id}: {id}"
            last = id


def _served_recipients(
    bucket: Bucket, plan: PlanKey, number: int | None = None
) -> AsyncIterator[str]:
    """Recipients of a plan that was not cancelled; of a digest, those who got item *number*."""
    cancelled = _CANCELLED_LETTERS if number is None else UNSENT_LETTERS
    letters = STATUS_OF_LETTER.keys() - cancelled
    return recipients(read_plan_batches(bucket, plan), letters, number)
