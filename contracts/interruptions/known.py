"""Readers' knowledge of an interruption of services, from one text that they had to the next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class InterruptionStatement(Protocol):
    """A text's statement of an interruption, of which a change may be a new announcement."""

    @property
    def services(self) -> tuple[str, ...]: ...

    @property
    def begins_at(self) -> datetime: ...

    @property
    def expected_recovery_at(self) -> datetime: ...

    @property
    def resumed_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class KnownInterruption:
    """Readers' knowledge. `said`: by the newest text that they had.

    `announced_until`: the expected end by the text that announced it. A correction that states a
    later one does not make room for another begin.
    """

    said: InterruptionStatement
    announced_until: datetime

    @classmethod
    def of(cls, said: InterruptionStatement) -> "KnownInterruption":
        """The knowledge of an announcement's readers."""
        return cls(said, said.expected_recovery_at)

    def covers(self, changed: InterruptionStatement, at: datetime) -> bool:
        """Whether *changed*, which readers have from *at* on, is no new announcement.

        No service is added, and the begin lies within the announced time. Once that has begun, the
        begin stays; once services have resumed, they are not interrupted again.
        """
        if not set(changed.services) <= set(self.said.services):
            return False
        if self.said.resumed_at and not changed.resumed_at:
            return False
        if self.said.resumed_at or self.said.begins_at <= at:
            return changed.begins_at == self.said.begins_at
        until = min(self.announced_until, self.said.expected_recovery_at)
        return self.said.begins_at <= changed.begins_at <= until


def known_after(
    known: KnownInterruption | None, said: InterruptionStatement | None, at: datetime
) -> KnownInterruption | None:
    """The knowledge of readers once they have a text, from *at* on; a text without one ends it."""
    if said is None:
        return None
    if known and known.covers(said, at):
        return KnownInterruption(said, known.announced_until)
    return KnownInterruption.of(said)
