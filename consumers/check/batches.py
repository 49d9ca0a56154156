"""Rules of one batch: its letters, its times, its notes, its recipients."""

import itertools
from collections.abc import Iterator

from consumers.check.context import CheckTime
from consumers.check.findings import STUCK_S
from consumers.ledger import backoff, moves
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import (
    IN_DOUBT,
    SENDING_LETTERS,
    STATUS_OF_LETTER,
    LedgerEntry,
    TimeRules,
)
from contracts.catalog import count_of
from contracts.delivery import ChannelName

_SENDING_GRACE_S = 60.0
_EARLIEST_SHARE = 0.8
"""Clocks differ and what is due within a second counts as due: a fifth may be missing.

And one step less: the last attempt comes shortly before the end, regardless of the backoff.
"""
_MAX_RETRY_DELAY_S = max(backoff.BACKOFF_S) * 1.1 + backoff.ROUND_TO_S
_MAX_DOUBT_S = _MAX_RETRY_DELAY_S + STUCK_S  # asked ever later, at last once per rung
_MAX_DOUBT_BY_CHANNEL_S = {
    ChannelName.PORTAL: STUCK_S,  # it reads its own files
    ChannelName.ZALO: 24 * 3600.0,  # an article may take long in Zalo's hands
}
EXCUSABLE_RULES = frozenset({"stuck", "never-closed", "overdue", "sending-stuck", "in-doubt-old"})
"""Rules that a pause, a queue or a start just now excuses."""

Hits = Iterator[tuple[str, str]]


def check_batch(channel: ChannelName, entry: LedgerEntry, rules: TimeRules, at: CheckTime) -> Hits:
    """Yield all violations of one state; *rules* give the deadline of its rows."""
    unknown = {chr(letter) for letter in entry.rows if letter not in STATUS_OF_LETTER}
    if unknown:
        yield "letter-unknown", "".join(sorted(unknown))
    yield from _check_closing(entry, at)
    yield from _check_due(channel, entry, rules, at)
    yield from _check_attempts(entry, at)


def _check_closing(entry: LedgerEntry, at: CheckTime) -> Hits:
    """A closed batch has only ended rows and no owner, and stays closed."""
    if entry.closed_at and entry.is_open:
        yield "closed-with-open-rows", entry.rows.decode()[:80]
    if entry.closed_at and (entry.owner or entry.lease_until):
        yield "closed-in-work", f"held by {entry.owner or 'nobody'}"
    if not (entry.closed_at or entry.is_open or entry.owner) and at.is_overdue(entry.due, 0.0):
        yield "never-closed", "every row has ended"


def _check_due(channel: ChannelName, entry: LedgerEntry, rules: TimeRules, at: CheckTime) -> Hits:
    """Check that due work was done."""
    if entry.closed_at:
        return
    if at.is_overdue(max(entry.due, entry.lease_until, entry.created), STUCK_S):
        yield "stuck", f"due {int(at.now - entry.due)} s ago, nobody works on it"
    is_sending = not SENDING_LETTERS.isdisjoint(entry.rows)
    if is_sending and at.is_overdue(entry.lease_until, _SENDING_GRACE_S):
        yield "sending-stuck", f"the lease ended {int(at.now - entry.lease_until)} s ago"
    doubtful = entry.rows.count(IN_DOUBT)
    slack_s = _MAX_DOUBT_S if doubtful else STUCK_S
    overdue = moves.overdue_rows(entry, at.now - slack_s, rules)
    if overdue and at.is_overdue(0.0, slack_s):
        yield "overdue", count_of(len(overdue), "row")
    since = max(entry.effects_until, entry.created, entry.lease_until)
    if doubtful and at.is_overdue(since, _MAX_DOUBT_BY_CHANNEL_S.get(channel, _MAX_DOUBT_S)):
        yield "in-doubt-old", count_of(doubtful, "row")


def _check_attempts(entry: LedgerEntry, at: CheckTime) -> Hits:
    """Check that notes name existing rows, and that no attempt came before its backoff."""
    beyond = [row for row in entry.notes if not 0 <= row < len(entry.rows)]
    if beyond:
        yield "note-beyond", f"row {min(beyond)} of {len(entry.rows)}"
    most = max((note.attempts for note in entry.notes.values()), default=0)
    age_s = (entry.closed_at or at.now) - entry.created
    if most and backoff.min_duration_s(most - 1) * _EARLIEST_SHARE - most > age_s:
        yield "too-many-attempts", f"{most} in {int(age_s)} s"


def check_recipients(entry: LedgerEntry, rows: BatchRows | None, last: str) -> Hits:
    """Compare a state with its frozen recipients; *last* is the recipient before them."""
    if rows is None:
        yield "rows-missing", "the recipients are gone"
        return
    if len(rows.ids) != len(entry.rows):
        yield "rows-differ", f"{len(rows.ids)} recipients, {len(entry.rows)} letters"
    ids = [last, *rows.ids]
    if any(left >= right for left, right in itertools.pairwise(ids)):
        yield "recipient-twice", "ids are not strictly ascending"
