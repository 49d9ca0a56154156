"""The issues of bulletins that readers have, where they tell an item otherwise than it is now."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from contracts.bulletins.issue import BulletinIssue
from contracts.desk.editorial import ItemView
from contracts.desk.index import ItemFilter
from contracts.editorial import ActionKind, Status
from contracts.errors import Forbidden
from producers.desk.visit import Visit

_CHANGES = frozenset({ActionKind.WITHDRAW, ActionKind.SAVE, ActionKind.EDIT})


class ItemIssue(NamedTuple):
    """An issue that is out. `stale`: the titles of what changed since.

    `may_correct`: a correction is to be begun, and the person may. `is_corrected`: one waits.
    """

    content_id: str
    title: str
    stale: str = ""
    may_correct: bool = False
    is_corrected: bool = False


async def telling_issues(visit: Visit, item: ItemView) -> list[ItemIssue]:
    """The issues that tell readers of an item, for whom may take it back, or once it is gone."""
    may_change = item.out and item.possible & _CHANGES
    if not may_change and item.status is not Status.WITHDRAWN:
        return []
    page = await visit.desk.services.index.find(ItemFilter(tells=item.content_id))
    issues = [row for row in page.rows if row.stored_status is not Status.WITHDRAWN]
    return [await _item_issue(visit, row.content_id, row.released_title) for row in issues]


async def stale_issue(visit: Visit, item: ItemView) -> ItemIssue | None:
    """An issue that tells readers otherwise than its items are now; None for another item."""
    out = (item.out_data or {}).get("bulletin")
    if not (out and item.out and item.readers.seen):
        return None
    issue = BulletinIssue.model_validate(out)
    changed = await _changed(visit, out)
    if not changed:
        return None
    is_corrected = not await _changed(visit, item.data.get("bulletin", out))
    stale = "; ".join(issue.titles[one] for one in changed)
    may_correct = item.is_editable and not is_corrected
    return ItemIssue(item.content_id, item.title, stale, may_correct, is_corrected)


async def _item_issue(visit: Visit, content_id: str, title: str) -> ItemIssue:
    found = None
    with suppress(Forbidden):
        found = await stale_issue(visit, await visit.editorial.view(content_id))
    return (found or ItemIssue(content_id, title))._replace(title=title)


async def _changed(visit: Visit, parts: Mapping[str, Any]) -> tuple[str, ...]:
    issue = BulletinIssue.model_validate(parts)
    return tuple(await visit.desk.services.bulletins.outdated(issue, is_out=True))
