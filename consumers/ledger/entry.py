"""The state of one batch: one letter per row, in plan order.

    p pending    s sending   r deferred                                         open
    d delivered  x failed    u suppressed  e expired  w withdrawn  v superseded  k unknown

A CAPITAL letter says that an earlier request may already have had its effect. It is sticky: only
evidence from the receiver takes it away, so a "maybe" can never be booked as "never sent".
`P` is a row in doubt; `X U E W V` read as maybe_sent in public.

Times are seconds since the epoch, as the bus and every worker see them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from consumers.ledger.doubts import Doubt, DoubtCause
from contracts import keys
from contracts.delivery import Lane, Status

STATUS_OF_LETTER: dict[int, Status] = {
    ord("p"): Status.PENDING,
    ord("P"): Status.IN_DOUBT,
    ord("s"): Status.SENDING,
    ord("S"): Status.SENDING,
    ord("r"): Status.DEFERRED,
    ord("R"): Status.DEFERRED,
    ord("d"): Status.DELIVERED,
    ord("D"): Status.DELIVERED,
    ord("x"): Status.FAILED,
    ord("u"): Status.SUPPRESSED,
    ord("e"): Status.EXPIRED,
    ord("w"): Status.WITHDRAWN,
    ord("v"): Status.SUPERSEDED,
    **dict.fromkeys(b"XUEWV", Status.MAYBE_SENT),
    **dict.fromkeys(b"kK", Status.UNKNOWN),
}

WAITING_LETTERS = frozenset(b"pPrR")
SENDING_LETTERS = frozenset(b"sS")
OPEN_LETTERS = WAITING_LETTERS | SENDING_LETTERS
IN_DOUBT = ord("P")
DELIVERED_LETTERS = frozenset(b"dD")
NEVER_SENT_LETTERS = frozenset(b"xuewv")
REACHED_LETTERS = frozenset(b"dkPSRDXUEWVK")
"""Letters of rows whose recipient got, or may have got, the text."""


@dataclass(frozen=True, slots=True)
class RowNote:
    """The differences from a row's first attempt: attempts, due time, reason.

    `since`: the first failed attempt; `retry_for_s` counts from it.
    """

    attempts: int = 0
    due: float = 0.0
    reason: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class TimeRules:
    """Time rules of a channel and a publication, in seconds."""

    lease_s: float = 60.0
    settle_s: float = 60.0
    give_up_at: float = float("inf")  # `expires_at`: holds for every row
    retry_for_s: float = float("inf")  # for a row that was tried, from its first failure
    ends_as_expired: bool = False  # rows that give up are `expired`, not `failed`

    @property
    def end_letter(self) -> int:
        """The letter of a row that ran out of time."""
        return ord("e") if self.ends_as_expired else ord("x")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One batch. `rows` holds its letters, `notes` only what differs from a first attempt."""

    rows: bytes
    lane: Lane = Lane.NORMAL
    created: float = 0.0
    owner: str = ""
    lease_until: float = 0.0  # the owner may send until then
    due: float = 0.0  # nothing to do before
    wake_number: int = 0  # number of the next wake-up
    halt: str = ""  # "v7", "w7": superseded or withdrawn by position 7
    effects_until: float = 0.0  # the latest moment at which a doubtful effect may still land
    closed_at: float = 0.0
    possible_copies: int = 0  # re-sends after a doubt: possible duplicates
    notice_seq: int = 0  # of a case notice, which has no plan: where its event lies in CONTENT
    notice_event_id: str = ""  # of a case notice: its event's id, the recipient in keys
    write_id: str = ""  # unique per write: a read-back tells whose write it shows
    progress: tuple[float, ...] = ()  # seconds after `created`; see `moves`
    notes: Mapping[int, RowNote] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()  # the first causes of rows in doubt, which explain copies

    @property
    def notice_recipient(self) -> str:
        """The recipient in a case notice's keys; the first notices had no event id."""
        return self.notice_event_id or keys.SOLE_RECIPIENT

    @property
    def is_open(self) -> bool:
        return not OPEN_LETTERS.isdisjoint(self.rows)

    def count_by_status(self) -> dict[Status, int]:
        counts: dict[Status, int] = {}
        for letter in set(self.rows):
            status = STATUS_OF_LETTER[letter]
            counts[status] = counts.get(status, 0) + self.rows.count(letter)
        return counts

    @property
    def waiting_reasons(self) -> dict[int, str]:
        """Reasons of the open rows that have one, by row."""
        notes = self.notes.items()
        return {row: note.reason for row, note in notes if self.is_waiting(row) and note.reason}

    def is_waiting(self, row: int) -> bool:
        return self.rows[row] in OPEN_LETTERS

    @property
    def end_reasons(self) -> dict[int, tuple[Status, str]]:
        """Status and reason of the rows that ended with a reason and were not delivered."""
        apart = OPEN_LETTERS | DELIVERED_LETTERS
        ended = {row: note.reason for row, note in self.notes.items() if note.reason}
        letters = {row: self.rows[row] for row in ended}
        return {
            row: (STATUS_OF_LETTER[letter], ended[row])
            for row, letter in letters.items()
            if letter not in apart
        }

    def failed_at(self, row: int) -> float:
        """When *row* failed first; where that is not noted, when its batch ended, or began."""
        return self.notes.get(row, RowNote()).since or self.closed_at or self.created

    def reached_rows(self) -> list[int]:
        """Rows whose recipients must get a correction."""
        return [row for row, letter in enumerate(self.rows) if letter in REACHED_LETTERS]

    def with_rows(self, letters: Mapping[int, int], notes: Mapping[int, RowNote | None]) -> Self:
        """The entry with some rows changed; a note of None is dropped."""
        if not letters and not notes:
            return self
        rows = bytearray(self.rows)
        for row, letter in letters.items():
            rows[row] = letter
        if any(notes.values()) or self.notes:
            kept = {row: note for row, note in {**self.notes, **notes}.items() if note}
            return replace(self, rows=bytes(rows), notes=kept)
        return replace(self, rows=bytes(rows))


def planned_entry(count: int, lane: Lane, now: float, *, doubt: bool = False) -> LedgerEntry:
    """A new batch of *count* rows; in *doubt*, rows that may have been sent before a restore."""
    doubts = (Doubt(now, count, DoubtCause.RESTORED),) if doubt else ()
    rows = b"P" * count if doubt else b"p" * count
    return LedgerEntry(rows, lane=lane, created=now, due=now, doubts=doubts)


def notice_entry(stream_seq: int, event_id: str, now: float, *, doubt: bool = False) -> LedgerEntry:
    """The one-row batch of the case notice *event_id*, whose event is at *stream_seq*."""
    planned = planned_entry(1, Lane.NOTICE, now, doubt=doubt)
    return replace(planned, notice_seq=stream_seq, notice_event_id=event_id)


def is_maybe(letter: int) -> bool:
    """Whether an earlier request may have had its effect."""
    return letter < ord("a")


def keep_maybe(letter: int, like: int) -> int:
    """*letter*, as a capital if *like* is one, so that a "maybe" survives every transition."""
    return letter & 0xDF if is_maybe(like) else letter
