"""What one batch shows by itself: its letters, its times, its notes, its recipients."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from consumers import retry
from consumers.check.findings import STUCK_S
from consumers.ledger import moves
from consumers.ledger.codec import Rows
from consumers.ledger.entry import IN_DOUBT, ON_THE_WIRE, STATUS, Entry, Rules
from contracts.delivery import ChannelName

SENDING_S = 60.0
HASTE = 0.8
"""Clocks differ and what is due within a second counts as due: a fifth may be missing.

And one step less: the last try comes shortly before the end, whatever the ladder says.
"""
LONGEST_RUNG_S = max(retry.LADDER_S) * 1.1 + retry.ROUND_S
DOUBT_S = {
    ChannelName.PORTAL: STUCK_S,  # it reads its own files
    ChannelName.EMAIL: LONGEST_RUNG_S + STUCK_S,  # asked ever later, at last once per rung
    ChannelName.ZALO: 24 * 3600.0,  # an article may take long in Zalo's hands
}
WAITING = frozenset({"stuck", "never-closed", "overdue", "sending-stuck", "in-doubt-old"})
"""Rules that a pause, a queue or a start just now excuses."""

Found = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and since when somebody has been there to work; both in epoch seconds."""

    now: float
    since: float = 0.0

    def over(self, at: float, grace_s: float) -> bool:
        """Whether *at* lies longer ago than the grace, and somebody could have acted on it."""
        return max(at, self.since) < self.now - grace_s


def judge(channel: ChannelName, entry: Entry, rules: Rules, at: Moment) -> Found:
    """Everything that is wrong with one state; *rules* say when its rows must have ended."""
    yield from letters(entry)
    yield from closing(entry, at)
    yield from waiting(channel, entry, rules, at)
    yield from attempts(entry, at)


def letters(entry: Entry) -> Found:
    strange = {chr(letter) for letter in entry.rows if letter not in STATUS}
    if strange:
        yield "letter-unknown", "".join(sorted(strange))


def closing(entry: Entry, at: Moment) -> Found:
    """Closed means: every row has ended, nobody holds it, and never again."""
    if entry.closed and entry.is_open:
        yield "closed-with-open-rows", entry.rows.decode()[:80]
    if entry.closed and (entry.owner or entry.lease):
        yield "closed-in-work", f"held by {entry.owner or 'nobody'}"
    if not (entry.closed or entry.is_open or entry.owner) and at.over(entry.due, 0.0):
        yield "never-closed", "every row has ended"


def waiting(channel: ChannelName, entry: Entry, rules: Rules, at: Moment) -> Found:
    """What should have happened by now."""
    if entry.closed:
        return
    latest = max(entry.due, entry.lease, entry.created)
    if at.over(latest, STUCK_S):
        yield "stuck", f"due {int(at.now - entry.due)} s ago, nobody works on it"
    if not ON_THE_WIRE.isdisjoint(entry.rows) and at.over(entry.lease, SENDING_S):
        yield "sending-stuck", f"the lease ended {int(at.now - entry.lease)} s ago"
    doubted = IN_DOUBT in entry.rows
    slack_s = LONGEST_RUNG_S + STUCK_S if doubted else STUCK_S
    late = moves.overdue(entry, at.now - slack_s, rules) if at.over(0.0, slack_s) else []
    if late:
        yield "overdue", f"{len(late)} rows"
    if doubted and at.over(max(entry.settle, entry.created, entry.lease), DOUBT_S[channel]):
        yield "in-doubt-old", f"{entry.rows.count(IN_DOUBT)} rows"


def attempts(entry: Entry, at: Moment) -> Found:
    """Notes name rows that exist, and no attempt was made sooner than the ladder lets it."""
    beyond = [row for row in entry.notes if not 0 <= row < len(entry.rows)]
    if beyond:
        yield "note-beyond", f"row {min(beyond)} of {len(entry.rows)}"
    most = max((note.attempts for note in entry.notes.values()), default=0)
    age_s = (entry.closed or at.now) - entry.created
    if most and retry.soonest(most - 1) * HASTE - most > age_s:
        yield "too-many-attempts", f"{most} in {int(age_s)} s"


def recipients(entry: Entry, rows: Rows | None, last: str) -> Found:
    """What is wrong between a state and its frozen recipients; *last* stands before them."""
    if rows is None:
        yield "rows-missing", "the recipients are gone"
        return
    if len(rows.ids) != len(entry.rows):
        yield "rows-differ", f"{len(rows.ids)} recipients, {len(entry.rows)} letters"
    ids = [last, *rows.ids]
    if any(left >= right for left, right in itertools.pairwise(ids)):
        yield "recipient-twice", "ids are not strictly ascending"
