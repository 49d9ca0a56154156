"""Rejections by policy: tell a provider that blocks us from one that blocks single recipients.

"Not for this recipient, by policy" may concern the recipient (a blocked domain) or us (an expired
sign-in): only rejections of several different recipients can tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from channels.base import Outcome
from consumers.channel_health import breaker
from contracts import keys
from contracts.delivery import BatchKey

VERIFIED_LIMIT, CONSECUTIVE_LIMIT, WINDOW_SIZE = 25, 50, 100
"""Verified rejections, or rejections in a row, that mean us; size of the window."""


class RecipientRef(NamedTuple):
    """A recipient; `unverified`: the address of a mail or a notice, not a subscriber's."""

    name: str
    unverified: bool = False


class RecipientResult(StrEnum):
    ACCEPTED = "let in"
    VERIFIED_REJECTED = "a reader turned away"
    UNVERIFIED_REJECTED = "a stranger turned away"


def recipient_refs(batch: BatchKey, ids: Sequence[str], rows: Iterable[int]) -> list[RecipientRef]:
    """The recipients of *rows*; personal content is identified by its content_id."""
    if keys.is_personal(batch.content_id):
        return [RecipientRef(batch.content_id, unverified=True) for _ in rows]
    return [RecipientRef(ids[row]) for row in rows]


def mostly_rejected(outcomes: Iterable[Outcome]) -> bool:
    """Whether a window has more rejections by policy than answers."""
    window = list(outcomes)
    rejected = sum(outcome.policy_rejected for outcome in window)
    return rejected > 0 and rejected > sum(breaker.is_answer(outcome) for outcome in window)


@dataclass
class RejectionWindow:
    """The latest result of each of the last recipients, newest last; retries count once."""

    results: dict[str, RecipientResult] = field(default_factory=dict)

    def record(self, outcomes: Mapping[RecipientRef, Outcome]) -> None:
        for recipient, outcome in outcomes.items():
            if outcome.policy_rejected and recipient.unverified:
                self.set_result(recipient.name, RecipientResult.UNVERIFIED_REJECTED)
            elif outcome.policy_rejected:
                self.set_result(recipient.name, RecipientResult.VERIFIED_REJECTED)
            elif breaker.is_answer(outcome):
                self.set_result(recipient.name, RecipientResult.ACCEPTED)

    def set_result(self, name: str, result: RecipientResult) -> None:
        self.results.pop(name, None)
        self.results[name] = result
        if len(self.results) > WINDOW_SIZE:
            del self.results[next(iter(self.results))]

    @property
    def blocks_us(self) -> bool:
        """Whether the provider blocks us: it rejects most of many subscribers, or many in a row.

        Strangers can cause rejections by requesting mail for invalid addresses, so one accepted
        recipient ends a row.
        """
        results = list(self.results.values())
        rejected = results.count(RecipientResult.VERIFIED_REJECTED)
        accepted = results.count(RecipientResult.ACCEPTED)
        if rejected >= VERIFIED_LIMIT and rejected > accepted:
            return True
        in_a_row = results[::-1].index(RecipientResult.ACCEPTED) if accepted else len(results)
        return in_a_row >= CONSECUTIVE_LIMIT

    def clear(self) -> None:
        self.results.clear()
