"""Checks of an issue on its way to readers: its place in the series, and items as they are now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.released_issues import ReleasedIssues
from consumers.messages import field_error
from contracts import errors
from contracts.base.times import vietnam_time
from contracts.bulletins import sequence
from contracts.bulletins.issue import BulletinIssue, PublishedIssue
from contracts.bulletins.proposal import WITHDRAWN, ReleasedItem, outdated
from contracts.bulletins.series import Span
from contracts.desk.shown.text_times import time_of
from contracts.errors import FieldError, Invalid

_FIELD = "data.bulletin"


async def check_issue(
    items: ReleasedItems, data: Mapping[str, Any], now: datetime, *, is_approval: bool
) -> None:
    """Raise Invalid for an issue that readers can't have as it is, naming each item; BusError.

    *data*: the text of its item. Releases that are scheduled until its time count. Its number is
    checked at the approval: two issues may wait for theirs at once.
    """
    issue = BulletinIssue.model_validate(data["bulletin"])
    if not issue.content_ids:
        raise Invalid(errors.field_error(_FIELD, "bulletin_empty"))
    shown_at = max(now, time_of(data, "not_before") or now)
    published = await ReleasedIssues(items.publications).of_series(data["topic"], issue.series)
    is_out = any(one.content_id == issue.content_id and one.is_out for one in published)
    changed = await changed_items(items, issue, shown_at, is_out=is_out)
    found = [*_told_before(issue, published), *_day_errors(issue, published, shown_at), *changed]
    if is_approval:
        found += _number_errors(issue, published)
    if found:
        raise Invalid(*found)


async def changed_items(
    items: ReleasedItems, issue: BulletinIssue, at: datetime, *, is_out: bool = False
) -> list[FieldError]:
    """Name each item that readers, at a moment, have otherwise than *issue* tells. BusError.

    In an issue that is out, items may have expired.
    """
    released, found = await items.of_items(issue.content_ids, at), list[FieldError]()
    for content_id in outdated(issue, released, None if is_out else at):
        code = _what_became(released.get(content_id), at)
        values = {"value": content_id, "title": issue.titles[content_id]}
        found.append(field_error(_FIELD, code, **values))
    return found


def _what_became(item: ReleasedItem | None, at: datetime) -> str:
    """The error of an item that is not as an issue tells of it."""
    if item is None or item.action == WITHDRAWN:
        return "bulletin_item_gone"
    return "bulletin_item_expired" if item.is_over(at) else "bulletin_item_changed"


def _told_before(issue: BulletinIssue, published: Iterable[PublishedIssue]) -> Iterator[FieldError]:
    """Yield an error for each item that another issue has told of."""
    told = sequence.items_of_others(published, issue.content_id)
    for one in issue.entries:
        if other := told.get(one.content_id):
            values = {"value": one.content_id, "title": one.title, "other": other}
            yield field_error(_FIELD, "bulletin_item_elsewhere", **values)


def _day_errors(
    issue: BulletinIssue, published: Iterable[PublishedIssue], shown_at: datetime
) -> Iterator[FieldError]:
    """Yield an error for each issue that leaves no room for its days, and for days to come."""
    last = issue.last_day
    if last > vietnam_time(shown_at.timestamp()).date():
        yield field_error(_FIELD, "bulletin_days_ahead", value=f"{last:%d/%m/%Y}")
    for one in sequence.days_taken(issue.order, issue.span, published):
        yield days_error(_FIELD, issue.span, one)


def days_error(field: str, span: Span, other: PublishedIssue) -> FieldError:
    """Why an issue can't have the days *span*: *other* has them, or is on their wrong side."""
    first, last = other.issue.span
    code = "issue_days_twice" if span.overlaps(other.issue.span) else "issue_days_order"
    days = {"first": f"{first:%d/%m/%Y}", "last": f"{last:%d/%m/%Y}"}
    return field_error(field, code, other=other.content_id, **days)


def _number_errors(
    issue: BulletinIssue, published: Sequence[PublishedIssue]
) -> Iterator[FieldError]:
    """Yield an error if issues before a new one are not out."""
    if any(one.content_id == issue.content_id for one in published):
        return
    numbers = {one.issue.number for one in published if one.issue.year == issue.year}
    if missing := sequence.missing_number(numbers, issue.number):
        yield field_error(_FIELD, "bulletin_number_waits", value=issue.number, missing=missing)
