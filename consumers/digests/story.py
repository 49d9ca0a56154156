"""What became of a digest, and which digests an item stands in, for `loa trace`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC

from consumers.digests.book import Book
from consumers.ledger.cursor import Cursor
from consumers.ledger.store import Ledger
from consumers.story import Count, Moment, Story
from contracts.delivery import ChannelName, PlanKey
from contracts.digest import Issue

EMAIL = ChannelName.EMAIL
Look = Callable[[PlanKey, Cursor], Awaitable[tuple[Count, list[Moment]]]]
"""One plan's rows and moments."""


async def digest(book: Book, ledger: Ledger, digest_id: str, look: Look) -> Story | None:
    """All issues of a digest together: whoever was left by one stands again in the next."""
    issues = [stored.issue for stored in await book.every(digest_id)]
    if not issues:
        return None
    total, moments = Count(), [cut(issues[0])]
    for issue in issues:
        if held := await ledger.plan(issue.plan):
            count, past = await look(issue.plan, held.value)
            total = added(total, count)
            moments += [_labelled(one, issue) for one in past]
    return Story(
        content_id=digest_id,
        revision=issues[-1].revision,
        state="released",
        channels={EMAIL: total},
        timeline=sorted(moments, key=lambda moment: moment.at),
    )


def cut(issue: Issue) -> Moment:
    since, until = (one.astimezone(UTC) for one in (issue.since, issue.at))
    span = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    return Moment(at=issue.at, event="cut", channel=EMAIL, detail=f"{held(issue)} from {span}")


def held(issue: Issue) -> str:
    return f"{sum(not item.out for item in issue.items)} items"


def _labelled(one: Moment, issue: Issue) -> Moment:
    label = f"edition {issue.revision}, {held(issue)}"
    return one.model_copy(update={"detail": f"{label}: {one.detail}" if one.detail else label})


def added(one: Count, other: Count) -> Count:
    """Two issues' rows together; nothing is left to do when nothing is left of the later one."""
    sums = {name: value + getattr(one, name) for name, value in other.model_dump().items()}
    return Count.model_validate({**sums, "complete": other.complete})


async def moments(book: Book, content_id: str) -> AsyncIterator[Moment]:
    """When an item was gathered into digests."""
    places = (await book.places(content_id)).value
    for digest_id in places.digests if places else ():
        for issue, _ in await book.every(digest_id):
            for number, item in enumerate(issue.items):
                if item.content_id == content_id:
                    said = "left out" if item.out else f"revision {item.revision}"
                    where = f"{digest_id}, edition {issue.revision}, item {number + 1}: {said}"
                    yield Moment(at=issue.at, event="in_digest", channel=EMAIL, detail=where)
