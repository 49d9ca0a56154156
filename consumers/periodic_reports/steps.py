"""The steps of a revision over the desk, and whether each one kept its deadline."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from contracts.delivery import Lane
from contracts.desk.deadlines import Deadlines, Step
from contracts.facts import DecisionFact


class _Span(NamedTuple):
    """When a step began and ended; None for one that did not."""

    step: Step
    began: datetime | None
    ended: datetime | None


def steps_of(fact: DecisionFact, lane: Lane, deadlines: Deadlines) -> Iterator[tuple[Step, bool]]:
    """Each step that people took, and whether it was late.

    A revision that was returned has none: its author had it for a time that no fact tells. Nor has
    a step whose deadline falls into a year without known working days.
    """
    if fact.by_rule or fact.returns:
        return
    for step, began, ended in _spans(fact):
        if began and ended:
            due = deadlines.deadline(step, began, lane).at
            if due:
                yield step, ended > due


def _spans(fact: DecisionFact) -> Iterator[_Span]:
    yield _Span(Step.CONFIRM, fact.sent_at, fact.confirmed_at)
    yield _Span(Step.EDIT, fact.confirmed_at or fact.sent_at, fact.proposed_at)
    if fact.verdict in ("approved", "rejected"):
        yield _Span(Step.APPROVE, fact.proposed_at, fact.decided_at)
