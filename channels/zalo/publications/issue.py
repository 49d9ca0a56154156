"""An issue of a bulletin as an article that has no room for all of it."""

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from channels.markdown_text import paragraphs
from contracts.bulletins.composition import body_of
from contracts.bulletins.issue import BulletinIssue


class ShortIssue(NamedTuple):
    """The paragraphs of an article, and how many items are on the portal alone."""

    texts: tuple[str, ...]
    left_out: int


def shorten_issue(issue: BulletinIssue, room: int) -> ShortIssue:
    """Introduction, corrections and withdrawals, then the items, of which the last are titles.

    As many items as fit keep their text, so long as there is room for the title of each; else as
    many titles as fit. What comes before the items may itself be longer than *room*.
    """
    total = len(issue.entries)
    whole = _most(total, room, lambda count: _texts(issue, count, total))
    if whole >= 0:
        return ShortIssue(_texts(issue, whole, total), 0)
    titles = max(_most(total, room, lambda count: _texts(issue, 0, count)), 0)
    return ShortIssue(_texts(issue, 0, titles), total - titles)


def _most(total: int, room: int, texts_with: Callable[[int], tuple[str, ...]]) -> int:
    """The highest count of items whose texts fit; -1 where not even those of none do."""

    def length(count: int) -> int:
        return sum(map(len, texts_with(count)))

    return bisect_right(range(total + 1), room, key=length) - 1


def _texts(issue: BulletinIssue, whole: int, told: int) -> tuple[str, ...]:
    """The paragraphs of the issue with the items that are told, the first of them whole.

    The corrections come before the items.
    """
    ids = [one.content_id for one in issue.entries]
    first = issue.model_copy(update={"sections": (), "masthead": "", "compiled_by": None})
    sections = tuple(
        section.model_copy(
            update={
                "entries": tuple(one for one in section.entries if one.content_id in ids[:told])
            }
        )
        for section in issue.sections
    )
    rest = issue.model_copy(update={"introduction": "", "amendments": (), "sections": sections})
    titles = frozenset(ids[whole:])
    return (*paragraphs(body_of(first)), *paragraphs(body_of(rest, titles)))
