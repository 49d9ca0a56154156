"""The correction of an issue that readers have, as the items that it tells of are now."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contracts.bulletins import composition
from contracts.bulletins.issue import (
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    PublishedIssue,
)
from contracts.bulletins.proposal import (
    WITHDRAWN,
    ReleasedItem,
    amendment_of,
    entry_of,
    outdated,
)

TELLS_WITHDRAWN = "bulletin-tells-withdrawn"
"""The rule of `loa check` that `tells_withdrawn` is for."""


class IssueCorrection(NamedTuple):
    """An issue without its withdrawn items.

    `withdrawn`, `corrected`: how many entries it drops and tells anew, of those that readers have.
    """

    issue: BulletinIssue
    withdrawn: int
    corrected: int

    def fields(self, data: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
        """The changed fields of the item's text *data*.

        A correction that people have begun keeps a reason that they wrote; *is_new*: this one
        begins.
        """
        kept = "" if is_new else data.get("reason", "")
        if not kept or composition.is_correction_reason(kept):
            kept = composition.correction_reason(self.withdrawn, self.corrected)
        return {**composition.fields_of(self.issue), "reason": kept}


def correct(
    issue: BulletinIssue, released: Mapping[str, ReleasedItem], out: BulletinIssue | None = None
) -> IssueCorrection:
    """Drop the entries of withdrawn items, and tell of corrected ones as they are now.

    An issue of which no item has changed stays as it is. *out*: the text of it that readers have,
    if *issue* is a draft of its correction; *released* has the items of both.
    """
    changed = frozenset(outdated(issue, released))
    current = {
        content_id: item
        for content_id in changed
        if (item := released.get(content_id)) and _is_shown(item)
    }
    sections = tuple(
        section.model_copy(update={"entries": tuple(_entries(section.entries, changed, current))})
        for section in issue.sections
    )
    amendments = tuple(_amendments(issue.amendments, changed, released))
    parts = {**dict(issue), "sections": sections, "amendments": amendments}
    corrected = BulletinIssue.model_validate(parts) if changed else issue
    return IssueCorrection(corrected, *_counts(out or issue, corrected, released))


def _counts(
    out: BulletinIssue, corrected: BulletinIssue, released: Mapping[str, ReleasedItem]
) -> tuple[int, int]:
    """How many entries of *out* a correction drops, as they were withdrawn, and tells anew."""
    told = {one.content_id: one.revision for one in out.entries}
    left = {one.content_id: one.revision for one in corrected.entries}
    dropped = [one for one in told.keys() - left.keys() if not _is_shown(released.get(one))]
    renewed = [one for one in told.keys() & left.keys() if left[one] != told[one]]
    return len(dropped), len(renewed)


def _is_shown(item: ReleasedItem | None) -> bool:
    return item is not None and item.action != WITHDRAWN and item.has_page


def tells_withdrawn(published: PublishedIssue, withdrawn: Mapping[str, int]) -> list[str]:
    """The withdrawn items of which an issue that is out still tells.

    *withdrawn*: each with its position.
    """
    issue = published.issue
    if not published.is_out:
        return []
    gone = {one.content_id for one in issue.amendments if one.change == WITHDRAWN}
    return [
        content_id
        for content_id, revision in issue.positions()
        if content_id not in gone and revision < withdrawn.get(content_id, 0)
    ]


def _entries(
    entries: tuple[BulletinEntry, ...],
    changed: frozenset[str],
    current: Mapping[str, ReleasedItem],
) -> Iterator[BulletinEntry]:
    for entry in entries:
        if entry.content_id not in changed:
            yield entry
        elif item := current.get(entry.content_id):
            yield entry_of(item)


def _amendments(
    amendments: tuple[BulletinAmendment, ...],
    changed: frozenset[str],
    released: Mapping[str, ReleasedItem],
) -> Iterator[BulletinAmendment]:
    for one in amendments:
        if one.content_id not in changed:
            yield one
        elif item := released.get(one.content_id):
            yield amendment_of(item)
