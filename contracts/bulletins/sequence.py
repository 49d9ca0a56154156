"""Errors among the issues of a series: numbers, days, and items that are in two of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from contracts.bulletins.issue import PublishedIssue, issue_id
from contracts.bulletins.series import Span

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


def days_taken(
    order: tuple[int, int], span: Span, others: Iterable[PublishedIssue]
) -> Iterator[PublishedIssue]:
    """Yield the issues that leave no room for the days *span* of the issue of *order*.

    A day is in one issue, and days follow as the numbers do. A withdrawn issue gives its days back.
    """
    for one in others:
        other = one.issue
        before, after = (other.span, span) if other.order < order else (span, other.span)
        if one.is_out and other.order != order and after.first_day <= before.last_day:
            yield one


def sequence_errors(published: Iterable[PublishedIssue]) -> Iterator[SequenceError]:
    """Name gaps and doubles among the issues of all series.

    A withdrawn issue keeps its number; its days and its items may go into a later one.
    """
    by_series: dict[str, list[PublishedIssue]] = defaultdict(list)
    for one in published:
        by_series[one.issue.series].append(one)
    for name in sorted(by_series):
        issues = sorted(by_series[name], key=lambda one: (one.issue.order, one.content_id))
        yield from _wrong_numbers(name, issues)
        out = [one for one in issues if one.is_out]
        yield from _wrong_days(out)
        yield from _repeated_items(out)


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
    """Name the issues that `days_taken` refuses because of one before them."""
    last: PublishedIssue | None = None
    for one in issues:
        begins = one.issue.first_day
        if last and one.issue.order != last.issue.order and begins <= last.issue.last_day:
            detail = f"begins on {begins}, {last.content_id} ends on {last.issue.last_day}"
            yield SequenceError(DAYS, one.content_id, detail)
        if last is None or one.issue.last_day > last.issue.last_day:
            last = one


def _repeated_items(issues: list[PublishedIssue]) -> Iterator[SequenceError]:
    first: dict[str, str] = {}
    for one in issues:
        for entry in one.issue.entries:
            other = first.setdefault(entry.content_id, one.content_id)
            if other != one.content_id:
                detail = f"{other}, {one.content_id}"
                yield SequenceError(ITEM_TWICE, entry.content_id, detail)
