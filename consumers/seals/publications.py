"""Seals of PUBLICATIONS: made at the release, verified by every reader that leads to a delivery."""

from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.base.seals import SEAL_HEADER, Sealer, SealState
from producers.bus import Message

PURPOSE = "seal publications"
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
REPLAY_HEADER = "Loa-Replay-Of"
"""Sequence of the message that an operator sent again; sealed, too."""


@dataclass(frozen=True)
class PublicationSeals:
    """Seals publications, and tells which stored messages may be genuine.

    Messages stored until *taken_over_until* come from before the seals, or from before the present
    key: they need no seal, and the register of positions proves them.
    """

    sealer: Sealer
    taken_over_until: datetime
    later_until: datetime = _NEVER
    """The same for what was sealed later: RECEIPTS, AUDIT, suppressions."""

    def headers(self, subject: str, body: bytes, replay_of: int = 0) -> dict[str, str]:
        """The headers of a message that Loa releases, or sends again."""
        marker = str(replay_of) if replay_of else ""
        seal = self.sealer.seal(subject.encode(), body, marker.encode())
        return {SEAL_HEADER: seal} | ({REPLAY_HEADER: marker} if marker else {})

    def is_sealed(self, message: Message) -> bool:
        return self._verify(message) is SealState.VALID

    def problem(self, message: Message) -> str:
        """The code of the reason why Loa did not release *message*; empty for none."""
        state = self._verify(message)
        if state is SealState.VALID:
            return ""
        if state is SealState.WRONG:
            return "seal_wrong"
        if message.time <= self.taken_over_until:
            return ""
        return "seal_missing" if state is SealState.MISSING else "seal_other_key"

    def original_seq(self, message: Message) -> int:
        """The sequence that the release of a genuine message got."""
        marker = message.headers.get(REPLAY_HEADER, "") if self.is_sealed(message) else ""
        return int(marker or message.seq)

    def _verify(self, message: Message) -> SealState:
        marker = message.headers.get(REPLAY_HEADER, "")
        parts = message.subject.encode(), message.data, marker.encode(errors="replace")
        return self.sealer.verify(message.headers.get(SEAL_HEADER, ""), *parts)
