"""An issue of a bulletin as an article that has no room for all of it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from channels.markdown_text import paragraphs
from contracts.bulletins.composition import body_of
from contracts.bulletins.issue import BulletinIssue, BulletinSection


class ShortIssue(NamedTuple):
    """The paragraphs of an article, and how many items are on the portal alone."""

    texts: tuple[str, ...]
    left_out: int


def shorten_issue(issue: BulletinIssue, room: int) -> ShortIssue:
    """Introduction, corrections and withdrawals, then as many whole items as fit.

    What comes before the items may itself be longer than *room*.
    """
    total = len(issue.entries)
    counts = range(total + 1)
    too_many = bisect_right(counts, room, key=lambda count: sum(map(len, _texts(issue, count))))
    count = max(too_many - 1, 0)
    return ShortIssue(tuple(_texts(issue, count)), total - count)


def _texts(issue: BulletinIssue, count: int) -> list[str]:
    """The paragraphs of the issue with its first items alone, behind the corrections."""
    sections = tuple(_first(issue.sections, count))
    first = issue.model_copy(update={"sections": (), "masthead": "", "compiled_by": None})
    rest = issue.model_copy(update={"introduction": "", "amendments": (), "sections": sections})
    return [*paragraphs(body_of(first)), *paragraphs(body_of(rest))]


def _first(sections: Sequence[BulletinSection], count: int) -> Iterator[BulletinSection]:
    """The sections with the first items of all."""
    for section in sections:
        entries = section.entries[:count]
        count -= len(entries)
        yield section.model_copy(update={"entries": entries})
