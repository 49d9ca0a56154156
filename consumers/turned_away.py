"""Whether a provider turns everybody away, and so means us; a few whom it turns away are its own.

"Not for this recipient, by policy" may be said of the recipient (a domain that is blocked) or of us
(a sign-in that has run out): only several different recipients can tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from channels.base import Outcome
from consumers import breaker
from contracts import keys
from contracts.delivery import BatchKey

READERS, ANYBODY, LATEST = 25, 50, 100
"""So many readers (most of the latest recipients), or so many of anybody in a row, mean us."""


class Caller(NamedTuple):
    """A recipient. A `stranger`'s address anybody may have made up: a letter's, a notice's."""

    name: str
    stranger: bool = False


class Seen(StrEnum):
    LET_IN = "let in"
    READER = "a reader turned away"
    STRANGER = "a stranger turned away"


def callers(batch: BatchKey, ids: Sequence[str], rows: Iterable[int]) -> list[Caller]:
    """Who the *rows* of *batch* are. A letter's only row names nobody: its content_id does."""
    if keys.is_personal(batch.content_id):
        return [Caller(batch.content_id, stranger=True) for _ in rows]
    return [Caller(ids[row]) for row in rows]


def mostly(outcomes: Iterable[Outcome]) -> bool:
    """Whether more of a window were turned away than let in."""
    said = list(outcomes)
    away = sum(one.turned_away for one in said)
    return away > sum(breaker.answered(one) for one in said)


@dataclass
class Door:
    """What the provider has said lately of different recipients, the newest last.

    However often one of them is tried again, it counts once.
    """

    seen: dict[str, Seen] = field(default_factory=dict)

    def note(self, said: Mapping[Caller, Outcome]) -> None:
        for caller, outcome in said.items():
            if outcome.turned_away:
                self.put(caller.name, Seen.STRANGER if caller.stranger else Seen.READER)
            elif breaker.answered(outcome):
                self.put(caller.name, Seen.LET_IN)

    def put(self, name: str, seen: Seen) -> None:
        self.seen.pop(name, None)
        self.seen[name] = seen
        if len(self.seen) > LATEST:
            del self.seen[next(iter(self.seen))]

    @property
    def shut(self) -> bool:
        """Whether it is us: most of many readers, or a long row of anybody with nobody let in.

        Of letters alone, anybody can cause as many as the hour allows for addresses that are sure
        to be turned away; so the first that is let in ends the row.
        """
        seen = list(self.seen.values())
        readers, let_in = seen.count(Seen.READER), seen.count(Seen.LET_IN)
        return (readers >= READERS and readers > let_in) or self.row(seen) >= ANYBODY

    def row(self, seen: Sequence[Seen]) -> int:
        newest_first = list(reversed(seen))
        return newest_first.index(Seen.LET_IN) if Seen.LET_IN in newest_first else len(seen)

    def clear(self) -> None:
        self.seen.clear()
