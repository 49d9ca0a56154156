"""Trace a digest, and an item's places in digests, for `loa trace`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC

from consumers.digests.store import DigestStore
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.digest import Issue
from contracts.trace import StatusCounts, TimelineEntry, Trace

_EMAIL = ChannelName.EMAIL
TracePlan = Callable[[PlanKey, PlanCursor], Awaitable[tuple[StatusCounts, list[TimelineEntry]]]]
"""Returns one plan's counts and timeline."""


async def trace_digest(
    store: DigestStore, ledger: Ledger, digest_id: str, trace_plan: TracePlan
) -> Trace | None:
    """Trace all issues of a digest together: rows left by one are in the next."""
    issues = [stored.issue for stored in await store.all_issues(digest_id)]
    if not issues:
        return None
    total, moments = StatusCounts(), [_cut_entry(issues[0])]
    for issue in issues:
        if stored_plan := await ledger.plan(issue.plan):
            count, past = await trace_plan(issue.plan, stored_plan.value)
            total = _add_counts(total, count)
            moments += [_with_edition(entry, issue) for entry in past]
    return Trace(
        content_id=digest_id,
        revision=issues[-1].revision,
        state="released",
        channels={_EMAIL: total},
        timeline=sorted(moments, key=lambda moment: moment.at),
    )


def _cut_entry(issue: Issue) -> TimelineEntry:
    since, until = (moment.astimezone(UTC) for moment in (issue.since, issue.at))
    span = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    detail = f"{_count_items(issue)} from {span}"
    return TimelineEntry(at=issue.at, event="cut", channel=_EMAIL, detail=detail)


def _count_items(issue: Issue) -> str:
    return f"{sum(not item.out for item in issue.items)} items"


def _with_edition(entry: TimelineEntry, issue: Issue) -> TimelineEntry:
    label = f"edition {issue.revision}, {_count_items(issue)}"
    detail = f"{label}: {entry.detail}" if entry.detail else label
    return entry.model_copy(update={"detail": detail})


def _add_counts(count: StatusCounts, later: StatusCounts) -> StatusCounts:
    """Add two issues' counts; the sum is complete when the later one is."""
    sums = {name: value + getattr(count, name) for name, value in later.model_dump().items()}
    return StatusCounts.model_validate({**sums, "complete": later.complete})


async def item_entries(store: DigestStore, content_id: str) -> AsyncIterator[TimelineEntry]:
    item_digests = (await store.digests_of_item(content_id)).value
    for digest_id in item_digests.digests if item_digests else ():
        for issue, _ in await store.all_issues(digest_id):
            for number, item in enumerate(issue.items):
                if item.content_id == content_id:
                    state = "left out" if item.out else f"revision {item.revision}"
                    text = f"{digest_id}, edition {issue.revision}, item {number + 1}: {state}"
                    yield TimelineEntry(at=issue.at, event="in_digest", channel=_EMAIL, detail=text)
