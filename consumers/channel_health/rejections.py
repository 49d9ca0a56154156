"""Rejections by policy: tell a provider that blocks us from one that blocks single recipients.

"Not for this recipient, by policy" may concern the recipient (a blocked domain) or us (an expired
sign-in): only rejections of several different recipients can tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from channels.base import Outcome
from consumers.channel_health import breaker
from contracts import keys
from contracts.delivery import BatchKey

VERIFIED_LIMIT, CONSECUTIVE_LIMIT, WINDOW_SIZE = 25, 50, 100
"""So many readers (most of the latest recipients), or so many of anybody in a row, mean us."""


class RecipientRef(NamedTuple):
    """A recipient. A `stranger`'s address anybody may have made up: a letter's, a notice's."""

    name: str
    unverified: bool = False


class RecipientResult(StrEnum):
    ACCEPTED = "let in"
    VERIFIED_REJECTED = "a reader turned away"
    UNVERIFIED_REJECTED = "a stranger turned away"


def recipient_refs(batch: BatchKey, ids: Sequence[str], rows: Iterable[int]) -> list[RecipientRef]:
    """Who the *rows* of *batch* are. A letter's only row names nobody: its content_id does."""
    if keys.is_personal(batch.content_id):
        return [RecipientRef(batch.content_id, unverified=True) for _ in rows]
    return [RecipientRef(ids[row]) for row in rows]


def mostly_rejected(outcomes: Iterable[Outcome]) -> bool:
    """Whether more of a window were turned away than let in."""
    said = list(outcomes)
    away = sum(one.policy_rejected for one in said)
    return away > sum(breaker.is_answer(one) for one in said)


@dataclass
class RejectionWindow:
    """What the provider has said lately of different recipients, the newest last.

    However often one of them is tried again, it counts once.
    """

    results: dict[str, RecipientResult] = field(default_factory=dict)

    def record(self, outcomes: Mapping[RecipientRef, Outcome]) -> None:
        for caller, outcome in outcomes.items():
            if outcome.policy_rejected:
                self.set_result(
                    caller.name,
                    RecipientResult.UNVERIFIED_REJECTED
                    if caller.unverified
                    else RecipientResult.VERIFIED_REJECTED,
                )
            elif breaker.is_answer(outcome):
                self.set_result(caller.name, RecipientResult.ACCEPTED)

    def set_result(self, name: str, result: RecipientResult) -> None:
        self.results.pop(name, None)
        self.results[name] = result
        if len(self.results) > WINDOW_SIZE:
            del self.results[next(iter(self.results))]

    @property
    def blocks_us(self) -> bool:
        """Whether it is us: most of many readers, or a long row of anybody with nobody let in.

        Of letters alone, anybody can cause as many as the hour allows for addresses that are sure
        to be turned away; so the first that is let in ends the row.
        """
        seen = list(self.results.values())
        readers, let_in = (
            seen.count(RecipientResult.VERIFIED_REJECTED),
            seen.count(RecipientResult.ACCEPTED),
        )
        return (readers >= VERIFIED_LIMIT and readers > let_in) or self.consecutive_rejections(
            seen
        ) >= CONSECUTIVE_LIMIT

    def consecutive_rejections(self, results: Sequence[RecipientResult]) -> int:
        newest_first = list(reversed(results))
        return (
            newest_first.index(RecipientResult.ACCEPTED)
            if RecipientResult.ACCEPTED in newest_first
            else len(results)
        )

    def clear(self) -> None:
        self.results.clear()
