"""The releases of an item that readers had: a later one may overtake one before its time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

from consumers.intake.items import RELEASE_SLACK
from contracts.delivery import Lane
from contracts.facts import ReleaseFact
from contracts.interruptions.known import KnownInterruption, known_after
from contracts.publication import Action


class _Interruption(NamedTuple):
    """The interruption of services that a release states."""

    services: tuple[str, ...]
    begins_at: datetime
    expected_recovery_at: datetime
    resumed_at: datetime | None


class Release(NamedTuple):
    """The counted parts of a release."""

    action: Action
    unit: str
    topic: str
    lane: Lane
    day: date
    released_at: datetime
    shown_at: datetime
    interruption: _Interruption | None


@dataclass(frozen=True)
class ItemReleases:
    """The releases of one item by their revisions, learnt in any order."""

    known: dict[int, Release] = field(default_factory=dict)

    def learn(self, fact: ReleaseFact) -> None:
        self.known[fact.revision] = Release(
            fact.action,
            fact.unit,
            fact.topic,
            fact.lane,
            fact.day,
            fact.released_at,
            fact.shown_at,
            _interruption_of(fact),
        )

    @property
    def newest(self) -> Release:
        return self.known[max(self.known)]

    def seen(self) -> Sequence[int]:
        """The revisions that readers had, in order.

        A text that waits for its time is overtaken by the next release. A withdrawal counts
        only where readers had a text before.
        """
        revisions = sorted(self.known)
        overtaken = {
            one
            for one, following in pairwise(revisions)
            if self.known[following].released_at + RELEASE_SLACK <= self.known[one].shown_at
        }
        found: list[int] = []
        for one in revisions:
            is_withdrawal = self.known[one].action == "withdrawn"
            if one not in overtaken and (found or not is_withdrawal):
                found.append(one)
        return found

    def action(self, revision: int) -> str:
        """The kind of a release for readers; empty if they never had it.

        The first text that they had is the publication, also if it corrects one that was overtaken;
        a later one that corrects nothing is `republished`.
        """
        seen = self.seen()
        if revision not in seen:
            return ""
        if revision == seen[0]:
            return "published"
        action = self.known[revision].action
        return "republished" if action == "published" else action

    def is_withdrawal(self, revision: int) -> bool:
        known = self.known.get(revision)
        return known is not None and known.action == "withdrawn"

    @property
    def published(self) -> Release | None:
        """The first text that readers had."""
        seen = self.seen()
        return self.known[seen[0]] if seen else None

    def announcements(self) -> Sequence[int]:
        """The revisions that announced an interruption of services, to readers who knew of none,
        or of another one. A withdrawal ends what they knew."""
        found = list[int]()
        known: KnownInterruption | None = None
        for revision in self.seen():
            one = self.known[revision]
            said = None if one.action == "withdrawn" else one.interruption
            if said and not (known and known.covers(said, one.shown_at)):
                found.append(revision)
            known = known_after(known, said, one.shown_at)
        return found


def _interruption_of(fact: ReleaseFact) -> _Interruption | None:
    """None without one; a fact of an earlier version has its begin alone."""
    if (begins := fact.interrupts_at) is None:
        return None
    ends = fact.expected_recovery_at or begins
    return _Interruption(fact.services or (), begins, ends, fact.resumed_at)
