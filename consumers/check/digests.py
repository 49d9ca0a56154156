"""What digests promise: every issue is planned, a stopped one issued again, nobody served twice."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from consumers.check.batches import Moment
from consumers.check.findings import STUCK_S
from consumers.check.plans import PLANNING_S, Tally
from consumers.digests.served import LEFT
from consumers.digests.service import PATIENCE_S
from consumers.fence import merged
from consumers.ledger import bulk, codec
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.digest import Issue
from producers.bus import Bucket, Bus

ISSUE = "issue."
EMAIL = ChannelName.EMAIL
CANCELLED = frozenset(b"vw")


@dataclass
class Issues:
    """Every issue of every digest, by its plan; nothing without a bus to read."""

    bus: Bus | None = None
    found: dict[str, dict[int, Issue]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    async def read(self) -> None:
        if self.bus is None:
            return
        bucket = self.bus.bucket(subjects.DIGESTS.name)
        async for key, value in bucket.values(ISSUE):
            try:
                issue = Issue.model_validate_json(value.data)
            except ValidationError:
                self.broken.add(key)
                continue
            self.found.setdefault(issue.digest_id, {})[issue.revision] = issue

    def find(self, plan: PlanKey) -> Issue | None:
        return self.found.get(plan.content_id, {}).get(plan.revision)

    def all(self) -> Iterator[Issue]:
        for issues in self.found.values():
            yield from issues.values()

    def holding(self, content_id: str) -> Iterator[tuple[Issue, int]]:
        """Issues that hold an item, and its number there."""
        for issue in self.all():
            number = issue.number(content_id)
            if number is not None:
                yield issue, number


def late(issue: Issue, at: Moment) -> bool:
    """Whether its plan should be there."""
    return at.over(issue.issued.timestamp(), PATIENCE_S + PLANNING_S)


def stopped(issue: Issue, tally: Tally, issues: Issues, at: Moment) -> bool:
    """Halted, ended, and for ten minutes nobody has issued it again."""
    followed = issues.find(issue.plan._replace(revision=issue.revision + 1)) is not None
    ended = max(issue.issued.timestamp(), tally.closed)
    return bool(tally.cursor.halt) and not followed and at.over(ended, STUCK_S)


async def twice(bucket: Bucket, issue: Issue, issues: Issues) -> AsyncIterator[str]:
    """Who stands for one item here, and in its own plan or another issue at the same position."""
    for number, item in enumerate(issue.items):
        if item.out:
            continue
        own = PlanKey(EMAIL, item.content_id, item.revision)
        others = [standing(bucket, own)]
        for other, place in issues.holding(item.content_id):
            same = other.items[place].revision == item.revision
            if same and other.plan < issue.plan:
                others.append(standing(bucket, other.plan, place))
        here = standing(bucket, issue.plan, number)
        last = ""
        async for id in merged([here, *others]):
            if id == last:
                yield f"{item.content_id}: {id}"
            last = id


async def standing(bucket: Bucket, plan: PlanKey, number: int | None = None) -> AsyncIterator[str]:
    """Whoever a plan is for and was not stopped before; of a digest, who got item *number*."""
    async for batch in batches(bucket, plan):
        if batch.entry and batch.rows:
            stops = CANCELLED if number is None else LEFT
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                mine = number is None or batch.rows.picks.get(id, 0) >> number & 1
                if letter not in stops and mine:
                    yield id


async def batches(bucket: Bucket, plan: PlanKey) -> AsyncIterator[bulk.Batch]:
    """All that a plan's cursor counts."""
    value = await bucket.get(f"plan.{plan}")
    cursor = bulk.legible(codec.decode_cursor, value.data) if value else None
    keys = (BatchKey(*plan, number) for number in range(cursor.count if cursor else 0))
    async for batch in bulk.batches(bucket, keys, recipients=True):
        yield batch
