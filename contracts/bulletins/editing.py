"""Edits of an issue: each gives a new issue, and loses or doubles no item but the one it names."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.bulletins.issue import (
    BulletinAmendment,
    BulletinEntry,
    BulletinIssue,
    BulletinSection,
)
from contracts.errors import Conflict, Invalid, NotFound, field_error

UP, DOWN = -1, 1


@dataclass(frozen=True)
class _Place:
    """Where an entry is: the section's index, and the entry's within it."""

    section: int
    entry: int


def move(issue: BulletinIssue, content_id: str, step: int) -> BulletinIssue:
    """Move an entry up or down by one; at the end of a section, into the next one.

    At the very first or last place the issue stays as it is. Raises NotFound.
    """
    place = _find(issue, content_id)
    entries = issue.sections[place.section].entries
    target = place.entry + step
    if 0 <= target < len(entries):
        return _put(issue, place, _Place(place.section, target))
    section = place.section + step
    if not 0 <= section < len(issue.sections):
        return issue
    end = 0 if step > 0 else len(issue.sections[section].entries)
    return _put(issue, place, _Place(section, end))


def place_before(
    issue: BulletinIssue, content_id: str, section: str, before: str = ""
) -> BulletinIssue:
    """Put an entry into *section*, before another one or at its end. Raises NotFound."""
    place = _find(issue, content_id)
    if before == content_id:
        return issue
    number = _section(issue, section)
    left = [one for one in issue.sections[number].entries if one.content_id != content_id]
    ids = [one.content_id for one in left]
    if before and before not in ids:
        raise NotFound(field_error("before", "bulletin_no_entry", value=before))
    target = ids.index(before) if before else len(ids)
    return _put(issue, place, _Place(number, target))


def drop(issue: BulletinIssue, content_id: str) -> BulletinIssue:
    """Leave an item, or a note on an earlier one, out of the issue. Raises NotFound."""
    amendments = tuple(one for one in issue.amendments if one.content_id != content_id)
    if len(amendments) < len(issue.amendments):
        return _changed(issue, amendments=amendments)
    return _without(issue, _find(issue, content_id))


def put_back(issue: BulletinIssue, before: BulletinIssue, content_id: str) -> BulletinIssue:
    """Put what was dropped back to where *before* has it. Raises Conflict, NotFound."""
    if content_id in issue.content_ids:
        raise Conflict(field_error("content_id", "bulletin_has_item", value=content_id))
    kept = {one.content_id for one in issue.amendments} | {content_id}
    amendments = tuple(one for one in before.amendments if one.content_id in kept)
    if len(amendments) > len(issue.amendments):
        return _changed(issue, amendments=amendments)
    place = _find(before, content_id)
    section = before.sections[place.section]
    number = _section(issue, section.id)
    index = min(place.entry, len(issue.sections[number].entries))
    return _insert(issue, _Place(number, index), section.entries[place.entry])


def add(issue: BulletinIssue, section: str, entry: BulletinEntry) -> BulletinIssue:
    """Put an item at the end of *section*. Raises Conflict if the issue has it, NotFound."""
    if entry.content_id in issue.content_ids:
        raise Conflict(field_error("content_id", "bulletin_has_item", value=entry.content_id))
    number = _section(issue, section)
    return _insert(issue, _Place(number, len(issue.sections[number].entries)), entry)


def shorten(issue: BulletinIssue, content_id: str, text: str) -> BulletinIssue:
    """Give an entry another text. Raises NotFound, and ValidationError for one that is none."""
    place = _find(issue, content_id)
    entry = issue.sections[place.section].entries[place.entry]
    changed = BulletinEntry.model_validate({**entry.model_dump(), "text": text})
    return _insert(_without(issue, place), place, changed)


def introduce(issue: BulletinIssue, introduction: str) -> BulletinIssue:
    """Give the issue another introduction. Raises ValidationError for a text that is none."""
    return _changed(issue, introduction=introduction)


def compiled_by(issue: BulletinIssue, name: str | None) -> BulletinIssue:
    """Name who compiled the issue. Raises ValidationError."""
    return _changed(issue, compiled_by=name or None)


def _find(issue: BulletinIssue, content_id: str) -> _Place:
    for number, section in enumerate(issue.sections):
        for index, entry in enumerate(section.entries):
            if entry.content_id == content_id:
                return _Place(number, index)
    raise NotFound(field_error("content_id", "bulletin_no_entry", value=content_id))


def _section(issue: BulletinIssue, section: str) -> int:
    ids = [one.id for one in issue.sections]
    if section not in ids:
        raise Invalid(field_error("section", "bulletin_section", value=section, known=tuple(ids)))
    return ids.index(section)


def _put(issue: BulletinIssue, source: _Place, target: _Place) -> BulletinIssue:
    entry = issue.sections[source.section].entries[source.entry]
    return _insert(_without(issue, source), target, entry)


def _without(issue: BulletinIssue, place: _Place) -> BulletinIssue:
    entries = list(issue.sections[place.section].entries)
    del entries[place.entry]
    return _with_entries(issue, place.section, entries)


def _insert(issue: BulletinIssue, place: _Place, entry: BulletinEntry) -> BulletinIssue:
    entries = list(issue.sections[place.section].entries)
    entries.insert(place.entry, entry)
    return _with_entries(issue, place.section, entries)


def _with_entries(
    issue: BulletinIssue, section: int, entries: Sequence[BulletinEntry]
) -> BulletinIssue:
    sections = list(issue.sections)
    sections[section] = sections[section].model_copy(update={"entries": tuple(entries)})
    return _changed(issue, sections=tuple(sections))


def _changed(
    issue: BulletinIssue,
    **changes: tuple[BulletinSection, ...] | tuple[BulletinAmendment, ...] | str | None,
) -> BulletinIssue:
    """The issue with other fields, which are checked."""
    return BulletinIssue.model_validate({**dict(issue), **changes})
