"""The ledger's rules: pure functions from one state of a batch to the next."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from channels.base import AFTER_EARLIER_ROW, Outcome, Verdict
from consumers.ledger import backoff, doubts
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import (
    DELIVERED_LETTERS,
    IN_DOUBT,
    OPEN_LETTERS,
    SENDING_LETTERS,
    WAITING_LETTERS,
    LedgerEntry,
    RowNote,
    TimeRules,
    is_maybe,
    keep_maybe,
)
from contracts.delivery import Lane

_END_LETTERS = {
    Verdict.DELIVERED: ord("d"),
    Verdict.FAILED: ord("x"),
    Verdict.SUPPRESSED: ord("u"),
    Verdict.UNKNOWN: ord("k"),
}
RESOLVED_LETTERS = {
    Verdict.DELIVERED: ord("d"),
    Verdict.ABSENT: ord("p"),
    Verdict.RESEND: IN_DOUBT,
    Verdict.DOUBT: IN_DOUBT,
    Verdict.FAILED: ord("X"),
    Verdict.SUPPRESSED: ord("U"),
    Verdict.UNKNOWN: ord("K"),
}

_UNKNOWN_LETTERS = frozenset(b"kK")
ASK_AGAIN_S = 5.0
_MISSED_AFTER_S = 60.0
"""A Loa that runs gives a row up in time, also while its channel is away."""
_RESTORE_SETTLE_S = 600.0
"""The longest settle time of any channel, for entries from a backup."""

_WAITING_RUN = re.compile(b"[%b]+" % bytes(sorted(WAITING_LETTERS)))
"""A run of waiting rows; they are contiguous, as a batch is sent in order."""

PROGRESS_SHARES = (0.0, 0.5, 0.95)
"""The shares of a batch whose times are kept; the latest delivery comes after them."""

NewRow = tuple[int, RowNote | None]


def claim(entry: LedgerEntry, owner: str, now: float, rules: TimeRules) -> LedgerEntry:
    """Take a batch over. Rows that the former owner was sending are in doubt from now on."""
    orphans = {row: final_letter(entry, IN_DOUBT) for row in sending_rows(entry)}
    if orphans:
        copies = entry.possible_copies + sum(is_maybe(entry.rows[row]) for row in orphans)
        settle = max(entry.effects_until, now + rules.settle_s)
        entry = entry.with_rows(orphans, {})
        cause = doubts.of_takeover(entry.owner, owner)
        seen = entry.lease_until - rules.lease_s if owner else 0.0
        doubt = Doubt(now, len(orphans), *cause, seen)
        causes = doubts.add(entry.doubts, doubt)
        entry = replace(entry, effects_until=settle, possible_copies=copies, doubts=causes)
    return replace(entry, owner=owner, lease_until=now + rules.lease_s)


def sending_rows(entry: LedgerEntry) -> list[int]:
    return [row for row, letter in enumerate(entry.rows) if letter in SENDING_LETTERS]


def final_letter(entry: LedgerEntry, letter: int) -> int:
    """*letter*, or, for a waiting row under a halt, the halt's end letter."""
    is_halted = entry.halt and letter in WAITING_LETTERS
    return keep_maybe(ord(entry.halt[0]), letter) if is_halted else letter


def due_rows(
    entry: LedgerEntry, now: float, rules: TimeRules, limit: int | None = None
) -> list[int]:
    """Rows that may be tried now, in order, at most *limit*.

    A row due within a second counts as due. A row whose due time is its end is not tried again.
    """
    notes = entry.notes
    due = (
        row
        for run in _WAITING_RUN.finditer(entry.rows)
        for row in range(*run.span())
        if row not in notes or _is_due(notes[row], now, rules)
    )
    return list(islice(due, limit))


def _is_due(note: RowNote, now: float, rules: TimeRules) -> bool:
    return note.due <= now + 1 and note.due < _ends_at(note, rules)


def _ends_at(note: RowNote, rules: TimeRules) -> float:
    """The time after which a row is not tried; retries are limited from the first failure."""
    patient = note.since + rules.retry_for_s if note.since else float("inf")
    return min(rules.give_up_at, patient)


def expire(entry: LedgerEntry, now: float, rules: TimeRules) -> LedgerEntry:
    """End every waiting row whose time is over."""
    overdue = overdue_rows(entry, now, rules)
    letters = {row: keep_maybe(rules.end_letter, entry.rows[row]) for row in overdue}
    return entry.with_rows(letters, {})


def overdue_rows(entry: LedgerEntry, now: float, rules: TimeRules) -> list[int]:
    """Waiting rows whose time is over; the retry limit applies only to rows that were tried."""
    if now >= rules.give_up_at:
        return [row for row, letter in enumerate(entry.rows) if letter in WAITING_LETTERS]
    notes = entry.notes.items()
    overdue = [row for row, note in notes if _has_given_up(note, now, rules)]
    return [row for row in overdue if entry.rows[row] in WAITING_LETTERS]


def _has_given_up(note: RowNote, now: float, rules: TimeRules) -> bool:
    """Whether the retry limit ends a row now.

    A row that missed its last try and is found long after its end gets that try: Loa was down, or
    the channel paused, when it was due. One that can expire goes on to its next channel instead.
    """
    end = note.since + rules.retry_for_s
    missed = note.due < end and now > end + _MISSED_AFTER_S and not rules.ends_as_expired
    return note.since > 0 and now >= end and not missed


def next_end_at(entry: LedgerEntry, rules: TimeRules, now: float = 0.0) -> float:
    """The end of the first waiting row from *now* on; infinite if none has an end."""
    waiting = [note for row, note in entry.notes.items() if entry.rows[row] in WAITING_LETTERS]
    ends = [note.since + rules.retry_for_s for note in waiting if note.since]
    return min([rules.give_up_at, *(end for end in ends if end + _MISSED_AFTER_S >= now)])


def is_idle(entry: LedgerEntry, now: float, rules: TimeRules) -> bool:
    """Whether no row may be sent now: all are ended, overdue or not due."""
    claimed = claim(entry, "", now, rules)
    return not due_rows(expire(claimed, now, rules), now, rules, 1)


def suppress(entry: LedgerEntry, rows: Mapping[int, str]) -> LedgerEntry:
    """Suppress waiting rows, row → reason (empty if the recipient has left)."""
    waiting = {row: why for row, why in rows.items() if entry.rows[row] in WAITING_LETTERS}
    letters = {row: keep_maybe(ord("u"), entry.rows[row]) for row in waiting}
    notes = {row: RowNote(reason=why) for row, why in waiting.items() if why}
    return entry.with_rows(letters, notes)


def grant(entry: LedgerEntry, rows: Sequence[int], now: float, rules: TimeRules) -> LedgerEntry:
    """Mark waiting *rows* as sending, unless the batch is halted, and renew the lease."""
    granted = [row for row in rows if entry.rows[row] in WAITING_LETTERS and not entry.halt]
    letters = {row: keep_maybe(ord("s"), entry.rows[row]) for row in granted}
    return replace(entry.with_rows(letters, {}), lease_until=now + rules.lease_s)


def unchanged_rows(entry: LedgerEntry, seen: LedgerEntry, rows: Sequence[int]) -> list[int]:
    """Those of *rows* that are as they were in *seen*.

    Before our first write another owner may have tried some of them.
    """
    same = [row for row in rows if entry.rows[row] == seen.rows[row]]
    return [row for row in same if entry.notes.get(row) == seen.notes.get(row)]


def book(
    entry: LedgerEntry, outcomes: Mapping[int, Outcome], now: float, rules: TimeRules
) -> LedgerEntry:
    """Write the outcomes of sending rows; rows settled by another writer stay.

    A second send that was delivered, or may have been, counts as a possible copy.
    """
    letters: dict[int, int] = {}
    notes: dict[int, RowNote | None] = {}
    copies, doubted = entry.possible_copies, list[Outcome]()
    for row, outcome in outcomes.items():
        was = entry.rows[row]
        if was not in SENDING_LETTERS:
            continue
        letters[row], notes[row] = new_row(entry, row, outcome, now, rules)
        doubtful = outcome.verdict is Verdict.DOUBT
        copies += is_maybe(was) and (doubtful or outcome.verdict is Verdict.DELIVERED)
        doubted += [outcome] if doubtful else []
    entry = _note_progress(entry, entry.with_rows(letters, notes), now)
    booked = replace(entry, possible_copies=copies)
    if not doubted:
        return booked
    doubt = Doubt(now, len(doubted), DoubtCause.UNANSWERED, doubted[0].reason)
    settle, causes = max(entry.effects_until, now + rules.settle_s), doubts.add(entry.doubts, doubt)
    return replace(booked, effects_until=settle, doubts=causes)


def _note_progress(before: LedgerEntry, entry: LedgerEntry, now: float) -> LedgerEntry:
    """*entry* with the times of its deliveries, if *before* had fewer: seconds after its creation.

    First the times at which deliveries began and reached 50 and 95 % of the rows that can still be
    delivered, as far as they have; then that of the latest delivery. Rows that waited for one are
    due.
    """
    delivered, earlier = (count_letters(one, DELIVERED_LETTERS) for one in (entry, before))
    if delivered == earlier:
        return entry
    entry = _hasten_waiting(entry, now)
    if earlier and not before.progress:  # an older version began it
        return entry
    possible = delivered + count_letters(entry, OPEN_LETTERS)
    marks = sum(delivered >= share * possible for share in PROGRESS_SHARES)
    after_s = round(now - entry.created, 2)
    kept = entry.progress[:-1]
    return replace(entry, progress=(*kept, *[after_s] * (marks - len(kept)), after_s))


def _hasten_waiting(entry: LedgerEntry, now: float) -> LedgerEntry:
    """*entry* with the rows due that wait for an earlier one, whose backoff may be hours."""
    waiting = [row for row, why in entry.waiting_reasons.items() if why == AFTER_EARLIER_ROW]
    for row in waiting:
        entry = hasten(entry, row, now)
    return entry


def count_letters(entry: LedgerEntry, letters: Iterable[int]) -> int:
    """The number of rows with one of *letters*."""
    return sum(map(entry.rows.count, letters))


def new_row(entry: LedgerEntry, row: int, outcome: Outcome, now: float, rules: TimeRules) -> NewRow:
    was, note = entry.rows[row], entry.notes.get(row)
    if outcome.verdict in _END_LETTERS:
        return keep_maybe(_END_LETTERS[outcome.verdict], was), _end_note(note, outcome)
    if outcome.verdict is Verdict.DOUBT:
        return final_letter(entry, IN_DOUBT), _doubt_note(note or RowNote(), outcome, now, rules)
    if outcome.verdict is Verdict.UNSENT:
        return final_letter(entry, keep_maybe(ord("p"), was)), note
    return _defer(entry, row, outcome, now, rules)


_SENT_AGAIN = (Verdict.RESEND, Verdict.ABSENT)


def _end_note(note: RowNote | None, outcome: Outcome) -> RowNote | None:
    """The note of an ended row if it has a reason, or of one that is sent again."""
    if outcome.reason or (outcome.verdict in _SENT_AGAIN and note):
        return replace(note or RowNote(), due=0.0, reason=outcome.reason)
    return None


def _doubt_note(note: RowNote, outcome: Outcome, now: float, rules: TimeRules) -> RowNote:
    """The note of a doubt, which costs an attempt; the first is resolved at once, others later."""
    due = backoff.next_attempt_at(note.attempts, now, outcome.retry_after_s)
    since = _retry_since(note, now, rules)
    return _note_failed_try(RowNote(note.attempts + 1, due, outcome.reason, since), now, rules)


def _note_failed_try(note: RowNote, now: float, rules: TimeRules) -> RowNote:
    """*note* after a failed attempt, with the last try before the row's end."""
    return replace(note, due=backoff.clamp_to_end(note.due, now, _ends_at(note, rules)))


def _retry_since(note: RowNote, now: float, rules: TimeRules) -> float:
    """From when the retry limit counts: the first failure, moved on after a try that was missed."""
    if not note.since:
        return float(math.ceil(now))
    is_late = now >= note.since + rules.retry_for_s and not rules.ends_as_expired
    return note.since + math.ceil(now - note.due) if is_late and note.due else note.since


def _defer(entry: LedgerEntry, row: int, outcome: Outcome, now: float, rules: TimeRules) -> NewRow:
    """Defer a row by the backoff, or for as long as the provider says."""
    was, note = entry.rows[row], entry.notes.get(row, RowNote())
    spent = note.attempts + (outcome.verdict is Verdict.DEFERRED)
    due = backoff.next_attempt_at(spent, now, outcome.retry_after_s, spread=row)
    later = RowNote(spent, due, outcome.reason, _retry_since(note, now, rules))
    return final_letter(entry, keep_maybe(ord("r"), was)), _note_failed_try(later, now, rules)


def resolve(entry: LedgerEntry, outcomes: Mapping[int, Outcome], now: float) -> LedgerEntry:
    """Write the channel's resolutions of rows in doubt.

    DELIVERED and ABSENT are evidence and take the doubt away; RESEND leaves it, so that the row may
    be granted again and stays a "maybe"; UNKNOWN ends it until a receipt or a person can tell.
    """
    doubted = {row: outcome for row, outcome in outcomes.items() if entry.rows[row] == IN_DOUBT}
    if not doubted:
        return entry
    waiting = {row for row, outcome in doubted.items() if outcome.verdict is Verdict.DOUBT}
    resolved = entry.with_rows(
        {row: RESOLVED_LETTERS[outcome.verdict] for row, outcome in doubted.items()},
        {
            row: _recheck_note(entry.notes.get(row, RowNote()), outcome, now)
            if row in waiting
            else _end_note(entry.notes.get(row), outcome)
            for row, outcome in doubted.items()
        },
    )
    return _note_progress(entry, resolved, now)


def _recheck_note(note: RowNote, outcome: Outcome, now: float) -> RowNote:
    """The note of a row that the channel can't resolve yet."""
    after_s = max(outcome.retry_after_s or ASK_AGAIN_S, ASK_AGAIN_S)
    return replace(note, due=now + after_s, reason=outcome.reason)


def apply_evidence(entry: LedgerEntry, row: int, now: float) -> LedgerEntry:
    """Upgrade a doubtful row to delivered, by a receipt or an uncommitted outcome."""
    letter = entry.rows[row]
    if letter == ord("k"):
        return _note_progress(entry, entry.with_rows({row: ord("d")}, {row: None}), now)
    if is_maybe(letter) and letter not in b"SD":
        return _note_progress(entry, entry.with_rows({row: ord("D")}, {row: None}), now)
    return entry


def end_unknown(entry: LedgerEntry, now: float, *, arrived: bool, reason: str) -> LedgerEntry:
    """End all unknown rows by what an operator has verified; *reason* names the operator.

    Only this move ends "may have been sent" as "was not". A notice that was not sent is suppressed,
    not failed, so that its next channel may try.
    """
    rows, missed = unknown_rows(entry), "u" if entry.lane is Lane.NOTICE else "x"
    ended = entry.with_rows(
        dict.fromkeys(rows, ord("d" if arrived else missed)),
        dict.fromkeys(rows, RowNote(reason=reason)),
    )
    return _note_progress(entry, ended, now)


def unknown_rows(entry: LedgerEntry) -> list[int]:
    """Rows that only a receipt or an operator can end."""
    return [row for row, letter in enumerate(entry.rows) if letter in _UNKNOWN_LETTERS]


def halt(entry: LedgerEntry, halt_code: str, now: float) -> LedgerEntry:
    """Stop *entry* for good because of *why* ("v7", "w7"). Rows on the wire stay their owner's."""
    if entry.halt or entry.closed_at:
        return entry
    halted = replace(entry, halt=halt_code)
    letters = {row: final_letter(halted, letter) for row, letter in enumerate(entry.rows)}
    halted = halted.with_rows(letters, {})
    return halted if halted.is_open else replace(halted, closed_at=now, owner="", lease_until=0.0)


def hasten(entry: LedgerEntry, row: int, now: float) -> LedgerEntry:
    """Make a deferred *row* due now; a batch with an owner finds its due time at its release."""
    note = replace(entry.notes[row], due=now)
    return replace(entry.with_rows({}, {row: note}), due=min(entry.due, now))


def release(entry: LedgerEntry, now: float) -> LedgerEntry:
    """Give up ownership: closed if every row has ended, else due with its first row."""
    free = replace(entry, owner="", lease_until=0.0)
    if not entry.is_open:
        return replace(free, closed_at=now)
    waiting = [row for row, letter in enumerate(entry.rows) if letter in WAITING_LETTERS]
    dues = [entry.notes[row].due if row in entry.notes else now for row in waiting]
    return replace(free, due=min(dues, default=now), wake_number=entry.wake_number + 1)


def reopen_restored(entry: LedgerEntry, now: float) -> LedgerEntry:
    """An entry from a backup, with all waiting rows in doubt: they may have been sent since.

    Sending rows are in doubt as after a claim; under a halt they end.
    """
    waiting = {row: IN_DOUBT for row, letter in enumerate(entry.rows) if letter in WAITING_LETTERS}
    doubtful = entry.with_rows(waiting, {})
    if waiting:
        causes = doubts.add(entry.doubts, Doubt(now, len(waiting), DoubtCause.RESTORED))
        doubtful = replace(doubtful, doubts=causes)
    rules = TimeRules(lease_s=0.0, settle_s=_RESTORE_SETTLE_S)
    reopened = claim(doubtful, "", now, rules)
    if entry.halt and not reopened.is_open:
        return replace(reopened, closed_at=now, lease_until=0.0)
    return replace(reopened, lease_until=min(entry.lease_until, now))
