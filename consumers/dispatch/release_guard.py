"""Admit to dispatch only publications that Loa released: by their seal and by the register."""

from dataclasses import dataclass
from typing import Protocol

import structlog

from consumers.intake.items import Position
from consumers.messages import field_error
from consumers.runtime.errors import RetryLater
from consumers.seals.publications import PublicationSeals
from contracts import publication, subjects
from contracts.base.seals import SEAL_HEADER
from contracts.base.times import Clock, utc_now
from contracts.errors import Invalid
from contracts.publication import Publication, StoredPublication
from producers.bus import Message

log = structlog.get_logger()
_REGISTER_RETRY_S = 5.0


class PositionRegister(Protocol):
    """The records of positions; see `consumers.intake.repository`."""

    async def position(self, content_id: str, revision: int) -> Position | None: ...


@dataclass(frozen=True)
class ReleaseGuard:
    """Decides which messages of PUBLICATIONS may be planned."""

    seals: PublicationSeals
    register: PositionRegister
    clock: Clock

    async def require_released(self, message: Message) -> StoredPublication:
        """Decode a publication that Loa released.

        Raises Invalid, with an alarm in the log, for any other message; RetryLater while the
        register may still come to know it; ContractError for an unreadable one.
        """
        problem, original = self.seals.problem(message), message.seq
        if not problem:
            released = publication.decode(message.data)
            position = await self.register.position(released.content_id, released.revision)
            original = position.seq if position and position.seq else message.seq
            problem = self._register_problem(message, released, position)
        if problem:
            log.error("publication_not_released", seq=message.seq, reason=problem)
            raise Invalid(field_error(SEAL_HEADER, problem, seq=message.seq, original=original))
        return StoredPublication(publication=released, seq=message.seq)

    async def replay_headers(self, message: Message) -> dict[str, str]:
        """The headers under which an operator sends *message* again.

        Raises Invalid for one that Loa did not release. Without a seal, from before the seals, only
        the very message that the register names was released.
        """
        problem = self.seals.problem(message)
        if not problem and not self.seals.is_sealed(message):
            problem = await self._unsealed_problem(message)
        if problem:
            raise Invalid(field_error(SEAL_HEADER, problem, seq=message.seq, original=message.seq))
        original = self.seals.original_seq(message)
        return self.seals.headers(message.subject, message.data, original)

    async def _unsealed_problem(self, message: Message) -> str:
        released = publication.decode(message.data)
        position = await self.register.position(released.content_id, released.revision)
        if position is None or position.seq is None:
            return "publication_unknown"
        return self._register_problem(message, released, position)

    def _register_problem(
        self, message: Message, released: Publication, position: Position | None
    ) -> str:
        """The code of the reason why *position* is not that of *message*; empty for none."""
        is_sealed, seq = self.seals.is_sealed(message), position.seq if position else None
        if message.subject != subjects.publication(released.topic, released.content_id):
            return "publication_moved"
        if seq is not None:
            return "" if seq == self.seals.original_seq(message) else "publication_repeated"
        if is_sealed:  # recorded in a moment; or the register is older, after a restore
            return ""
        if position or utc_now(self.clock) <= self.seals.taken_over_until:
            raise RetryLater(_REGISTER_RETRY_S, "not in the register yet")
        return "publication_unknown"
