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

from contracts import keys
from contracts.delivery import Lane, Status

STATUS: dict[int, Status] = {
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
TRIABLE = frozenset(b"pPrR")
ON_THE_WIRE = frozenset(b"sS")
OPEN = TRIABLE | ON_THE_WIRE
IN_DOUBT = ord("P")
REACHED = frozenset(b"dkPSRDXUEWVK")
"""Letters of rows whose recipient got, or may have got, the text."""


@dataclass(frozen=True, slots=True)
class Note:
    """What differs from a row's first attempt: attempts spent, when it is due, why.

    `since`: when the provider first put it off; from then on its patience runs.
    """

    attempts: int = 0
    due: float = 0.0
    reason: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a channel and a publication say about time, in seconds."""

    lease_s: float = 60.0
    settle_s: float = 60.0
    give_up_at: float = float("inf")  # `expires_at`: holds for every row
    patience_s: float = float("inf")  # for a row that was tried: from its first failure on
    expires: bool = False  # rows that give up are `expired`, not `failed`

    @property
    def end(self) -> int:
        """The letter of a row whose time is over."""
        return ord("e") if self.expires else ord("x")


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch. `rows` holds its letters, `notes` only what differs from a first attempt."""

    rows: bytes
    lane: Lane = Lane.NORMAL
    created: float = 0.0
    owner: str = ""
    lease: float = 0.0  # the owner may send until then
    due: float = 0.0  # nothing to do before
    wake: int = 0  # number of the next wake-up
    halt: str = ""  # "v7", "w7": superseded or withdrawn by position 7
    settle: float = 0.0  # the latest moment at which a doubtful effect may still land
    closed: float = 0.0
    copies: int = 0  # re-sends after a doubt: possible duplicates
    source: int = 0  # of a case notice, which has no plan: where its event lies in CONTENT
    person: str = ""  # of a case notice: its event's id, which stands for the recipient in keys
    write: str = ""  # unique per write: a read-back tells whose write it shows
    notes: Mapping[int, Note] = field(default_factory=dict)

    @property
    def recipient(self) -> str:
        """Whom a case notice's keys name; the first notices named no event."""
        return self.person or keys.PERSON

    @property
    def is_open(self) -> bool:
        return not OPEN.isdisjoint(self.rows)

    def count(self) -> dict[Status, int]:
        """Rows per public status."""
        counts: dict[Status, int] = {}
        for letter in set(self.rows):
            status = STATUS[letter]
            counts[status] = counts.get(status, 0) + self.rows.count(letter)
        return counts

    @property
    def waits(self) -> list[str]:
        """Why open rows wait, as far as somebody has said why."""
        notes = self.notes.items()
        return [note.reason for row, note in notes if self.rows[row] in OPEN and note.reason]

    def reached(self) -> list[int]:
        """Rows that must hear of a correction."""
        return [row for row, letter in enumerate(self.rows) if letter in REACHED]

    def put(self, letters: Mapping[int, int], notes: Mapping[int, Note | None]) -> "Entry":
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


def planned(count: int, lane: Lane, now: float, *, doubt: bool = False) -> Entry:
    """A batch of *count* rows that nobody has touched, or has touched before a restore."""
    return Entry(b"P" * count if doubt else b"p" * count, lane=lane, created=now, due=now)


def noticed(source: int, person: str, now: float, *, doubt: bool = False) -> Entry:
    """The only batch of a case notice whose event *person* lies at *source*: one row."""
    return replace(planned(1, Lane.NOTICE, now, doubt=doubt), source=source, person=person)


def maybe(letter: int) -> bool:
    """Whether an earlier request may have had its effect."""
    return letter < ord("a")


def shade(letter: int, like: int) -> int:
    """*letter*, capital when *like* is: how a "maybe" survives every transition."""
    return letter & 0xDF if maybe(like) else letter
