"""Errors among the issues of a series: numbers, days, and items that are in two of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from contracts.bulletins.issue import PublishedIssue, issue_id

_DAY = timedelta(days=1)
NUMBER_MISSING, NUMBER_TWICE = "bulletin-number-missing", "bulletin-number-twice"
DAYS, ITEM_TWICE = "bulletin-days", "bulletin-item-twice"


class SequenceError(NamedTuple):
    """A broken rule of a series: its rule, the item or number concerned, and the evidence."""

    rule: str
    key: str
    detail: str


def next_number(numbers: Iterable[int]) -> int:
    """The number after those of the year."""
    return max(numbers, default=0) + 1


def missing_number(numbers: Collection[int], number: int) -> int | None:
    """The lowest number before *number* that no issue has; None where they follow one another."""
    return next((one for one in range(1, number) if one not in numbers), None)


def behind_gap(issues: Iterable[PublishedIssue]) -> PublishedIssue | None:
    """The first issue before which a number of its year is missing; None for none."""
    year = before = 0
    for one in sorted(issues, key=lambda one: one.issue.order):
        if one.issue.number > (before if one.issue.year == year else 0) + 1:
            return one
        year, before = one.issue.order
    return None


def items_of_others(published: Iterable[PublishedIssue], content_id: str) -> dict[str, str]:
    """The items of the issues of *published* that are out, each with its issue.

    *content_id*: the issue that is left out.
    """
    return {
        entry.content_id: one.content_id
        for one in published
        if one.is_out and one.content_id != content_id
        for entry in one.issue.entries
    }


def sequence_errors(published: Iterable[PublishedIssue]) -> Iterator[SequenceError]:
    """Name gaps and doubles among the issues of all series.

    A withdrawn issue keeps its number and its days; its items may go into a later one.
    """
    by_series: dict[str, list[PublishedIssue]] = defaultdict(list)
    for one in published:
        by_series[one.issue.series].append(one)
    for name in sorted(by_series):
        issues = sorted(by_series[name], key=lambda one: (one.issue.order, one.content_id))
        yield from _wrong_numbers(name, issues)
        yield from _wrong_days(issues)
        yield from _repeated_items([one for one in issues if one.is_out])


def _wrong_numbers(series: str, issues: list[PublishedIssue]) -> Iterator[SequenceError]:
    by_year: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in issues:
        by_year[one.issue.year][one.issue.number].append(one.content_id)
    for year, numbers in by_year.items():
        for number in range(1, max(numbers) + 1):
            key = issue_id(series, year, number)
            if number not in numbers:
                yield SequenceError(NUMBER_MISSING, key, f"{max(numbers)} is out")
            elif len(numbers[number]) > 1:
                yield SequenceError(NUMBER_TWICE, key, ", ".join(numbers[number]))


def _wrong_days(issues: list[PublishedIssue]) -> Iterator[SequenceError]:
    for before, after in pairwise(issues):
        begins, ended = after.issue.first_day, before.issue.last_day
        if begins != ended + _DAY and before.issue.order != after.issue.order:
            detail = f"begins on {begins}, {before.content_id} ends on {ended}"
            yield SequenceError(DAYS, after.content_id, detail)


def _repeated_items(issues: list[PublishedIssue]) -> Iterator[SequenceError]:
    first: dict[str, str] = {}
    for one in issues:
        for entry in one.issue.entries:
            other = first.setdefault(entry.content_id, one.content_id)
            if other != one.content_id:
                detail = f"{other}, {one.content_id}"
                yield SequenceError(ITEM_TWICE, entry.content_id, detail)
