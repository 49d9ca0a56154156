"""The ledger's rules: pure functions from one state of a batch to the next."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from channels.base import Outcome, Verdict
from consumers import retry
from consumers.ledger.entry import (
    IN_DOUBT,
    ON_THE_WIRE,
    TRIABLE,
    Entry,
    Note,
    Rules,
    maybe,
    shade,
)
from contracts.delivery import Lane

ENDED = {
    Verdict.DELIVERED: ord("d"),
    Verdict.FAILED: ord("x"),
    Verdict.SUPPRESSED: ord("u"),
    Verdict.UNKNOWN: ord("k"),
}
RESOLVED = {
    Verdict.DELIVERED: ord("d"),
    Verdict.ABSENT: ord("p"),
    Verdict.RESEND: IN_DOUBT,
    Verdict.DOUBT: IN_DOUBT,
    Verdict.FAILED: ord("X"),
    Verdict.SUPPRESSED: ord("U"),
    Verdict.UNKNOWN: ord("K"),
}

UNKNOWN = frozenset(b"kK")
ASK_AGAIN_S = 5.0
LOST_SETTLE_S = 600.0
"""No channel's late effects last longer; a backup does not say what its channels keep to."""

WAITING = re.compile(b"[%b]+" % bytes(sorted(TRIABLE)))
"""A run of rows that wait: they stand together, since a batch is worked on from its beginning."""

Booked = tuple[int, Note | None]


def claim(entry: Entry, owner: str, now: float, rules: Rules) -> Entry:
    """Take a batch over. What the former owner had on the wire is in doubt from now on."""
    orphans = {row: final(entry, IN_DOUBT) for row in on_the_wire(entry)}
    if orphans:
        again = sum(maybe(entry.rows[row]) for row in orphans)
        settle = max(entry.settle, now + rules.settle_s)
        entry = replace(entry.put(orphans, {}), settle=settle, copies=entry.copies + again)
    return replace(entry, owner=owner, lease=now + rules.lease_s)


def on_the_wire(entry: Entry) -> list[int]:
    return [row for row, letter in enumerate(entry.rows) if letter in ON_THE_WIRE]


def final(entry: Entry, letter: int) -> int:
    """What an open *letter* becomes: under a halt it ends, in the halt's own letter."""
    return shade(ord(entry.halt[0]), letter) if entry.halt and letter in TRIABLE else letter


def due_rows(entry: Entry, now: float, rules: Rules, most: int | None = None) -> list[int]:
    """Rows that may be tried now, in order, *most* of them at most.

    What is due within a second counts as due. A row that only waits for its end has had its last
    try.
    """
    notes = entry.notes
    due = (
        row
        for run in WAITING.finditer(entry.rows)
        for row in range(*run.span())
        if row not in notes or is_due(notes[row], now, rules)
    )
    return list(islice(due, most))


def is_due(note: Note, now: float, rules: Rules) -> bool:
    return note.due <= now + 1 and note.due < end(note, rules)


def end(note: Note, rules: Rules) -> float:
    """When the time of a row with this note is over; patience begins with the first try."""
    patient = note.since + rules.patience_s if note.since else float("inf")
    return min(rules.give_up_at, patient)


def expire(entry: Entry, now: float, rules: Rules) -> Entry:
    """End every row that still waits although its time is over."""
    over = overdue(entry, now, rules)
    return entry.put({row: shade(rules.end, entry.rows[row]) for row in over}, {})


def overdue(entry: Entry, now: float, rules: Rules) -> list[int]:
    """Waiting rows whose time is over. Patience ends only for those that were tried."""
    if now >= rules.give_up_at:
        return [row for row, letter in enumerate(entry.rows) if letter in TRIABLE]
    return [
        row
        for row, note in entry.notes.items()
        if entry.rows[row] in TRIABLE and note.since and now >= note.since + rules.patience_s
    ]


def next_end(entry: Entry, rules: Rules) -> float:
    """When the first waiting row's time is over; infinite where none has an end."""
    tried = [
        note.since for row, note in entry.notes.items() if entry.rows[row] in TRIABLE and note.since
    ]
    return min(rules.give_up_at, min(tried, default=float("inf")) + rules.patience_s)


def idle(entry: Entry, now: float, rules: Rules) -> bool:
    """Whether a claim would find nothing to ask the provider: all is over, ended or not due."""
    claimed = claim(entry, "", now, rules)
    return not due_rows(expire(claimed, now, rules), now, rules, 1)


def suppress(entry: Entry, rows: Mapping[int, str]) -> Entry:
    """These recipients are gone, or must not be written to: row → why, as far as that is known."""
    waiting = {row: why for row, why in rows.items() if entry.rows[row] in TRIABLE}
    letters = {row: shade(ord("u"), entry.rows[row]) for row in waiting}
    return entry.put(letters, {row: Note(reason=why) for row, why in waiting.items() if why})


def grant(entry: Entry, rows: Sequence[int], now: float, rules: Rules) -> tuple[Entry, list[int]]:
    """Mark *rows* as about to be sent. Returns those that really may be: none under a halt."""
    granted = [row for row in rows if entry.rows[row] in TRIABLE and not entry.halt]
    letters = {row: shade(ord("s"), entry.rows[row]) for row in granted}
    return replace(entry.put(letters, {}), lease=now + rules.lease_s), granted


def untouched(entry: Entry, seen: Entry, rows: Sequence[int]) -> list[int]:
    """Those of *rows* that stand as they were *seen*.

    Until our first write another owner may have come and gone, and have tried them.
    """
    return [
        row
        for row in rows
        if entry.rows[row] == seen.rows[row] and entry.notes.get(row) == seen.notes.get(row)
    ]


def book(entry: Entry, outcomes: Mapping[int, Outcome], now: float, rules: Rules) -> Entry:
    """Write what the channel said of rows on the wire; rows that somebody else settled stay.

    A re-send that arrived, or may have, is one possible copy more.
    """
    letters: dict[int, int] = {}
    notes: dict[int, Note | None] = {}
    copies, doubted = entry.copies, False
    for row, said in outcomes.items():
        was = entry.rows[row]
        if was not in ON_THE_WIRE:
            continue
        letters[row], notes[row] = judge(entry, row, said, now, rules)
        doubtful = said.verdict is Verdict.DOUBT
        copies += maybe(was) and (doubtful or said.verdict is Verdict.DELIVERED)
        doubted = doubted or doubtful
    settle = max(entry.settle, now + rules.settle_s) if doubted else entry.settle
    return replace(entry.put(letters, notes), copies=copies, settle=settle)


def judge(entry: Entry, row: int, said: Outcome, now: float, rules: Rules) -> Booked:
    """The letter and the note of one row that was on the wire."""
    was, note = entry.rows[row], entry.notes.get(row)
    if said.verdict in ENDED:
        return shade(ENDED[said.verdict], was), reason(note, said)
    if said.verdict is Verdict.DOUBT:
        return final(entry, IN_DOUBT), ask_later(note or Note(), said, now, rules)
    if said.verdict is Verdict.UNSENT:
        return final(entry, shade(ord("p"), was)), note
    return defer(entry, row, said, now, rules)


def reason(note: Note | None, said: Outcome) -> Note | None:
    """Keep why a row ended, and the attempts of one that goes on; else it needs no note."""
    if said.reason or (said.verdict is Verdict.RESEND and note):
        return replace(note or Note(), due=0.0, reason=said.reason)
    return None


def ask_later(note: Note, said: Outcome, now: float, rules: Rules) -> Note:
    """A doubt costs an attempt: a first one is looked into at once, a repeated one ever later."""
    due = retry.due(note.attempts, now, said.after_s)
    return put_down(Note(note.attempts + 1, due, said.reason, note.since), now, rules)


def put_down(note: Note, now: float, rules: Rules) -> Note:
    """A try that did not succeed: the first one starts the row's patience, which bounds its due."""
    begun = replace(note, since=note.since or float(math.ceil(now)))
    return replace(begun, due=retry.within(note.due, now, end(begun, rules)))


def defer(entry: Entry, row: int, said: Outcome, now: float, rules: Rules) -> Booked:
    """Try again later: by the ladder, or when the provider says."""
    was, note = entry.rows[row], entry.notes.get(row, Note())
    spent = note.attempts + (said.verdict is Verdict.DEFERRED)
    due = retry.due(spent, now, said.after_s, spread=row)
    later = Note(spent, due, said.reason, note.since)
    return final(entry, shade(ord("r"), was)), put_down(later, now, rules)


def resolve(entry: Entry, outcomes: Mapping[int, Outcome], now: float) -> Entry:
    """Write what the channel knows of rows in doubt.

    DELIVERED and ABSENT are evidence and take the doubt away; RESEND leaves it, so that the row may
    be granted again and stays a "maybe"; UNKNOWN ends it until a receipt or a person can tell.
    """
    doubted = {row: said for row, said in outcomes.items() if entry.rows[row] == IN_DOUBT}
    waiting = {row for row, said in doubted.items() if said.verdict is Verdict.DOUBT}
    return entry.put(
        {row: RESOLVED[said.verdict] for row, said in doubted.items()},
        {
            row: put_off(entry.notes.get(row, Note()), said, now)
            if row in waiting
            else reason(entry.notes.get(row), said)
            for row, said in doubted.items()
        },
    )


def put_off(note: Note, said: Outcome, now: float) -> Note:
    """The channel can't tell yet."""
    after_s = max(said.after_s or ASK_AGAIN_S, ASK_AGAIN_S)
    return replace(note, due=now + after_s, reason=said.reason)


def evidence(entry: Entry, row: int) -> Entry:
    """It arrived after all (a receipt, an outcome whose write was lost): only ever upgrade."""
    letter = entry.rows[row]
    if letter == ord("k"):
        return entry.put({row: ord("d")}, {row: None})
    if maybe(letter) and letter not in b"SD":
        return entry.put({row: ord("D")}, {row: None})
    return entry


def settle(entry: Entry, row: int, *, arrived: bool, why: str) -> Entry:
    """Somebody has looked where the receiver can be seen, and says what became of an unknown row.

    The only way in which "may have been sent" ends as "was not": *why* names who says so. A notice
    that was not sent is nobody's failure: the next channel is free to tell its person.
    """
    if entry.rows[row] not in UNKNOWN:
        return entry
    missed = "u" if entry.lane is Lane.NOTICE else "x"
    return entry.put({row: ord("d" if arrived else missed)}, {row: Note(reason=why)})


def unknown(entry: Entry) -> list[int]:
    """Rows that only a receipt or a person can end."""
    return [row for row, letter in enumerate(entry.rows) if letter in UNKNOWN]


def halt(entry: Entry, why: str, now: float) -> Entry:
    """Stop *entry* for good because of *why* ("v7", "w7"). Rows on the wire stay their owner's."""
    if entry.halt or entry.closed:
        return entry
    halted = replace(entry, halt=why)
    halted = halted.put({row: final(halted, letter) for row, letter in enumerate(entry.rows)}, {})
    return halted if halted.is_open else replace(halted, closed=now, owner="", lease=0.0)


def release(entry: Entry, now: float) -> Entry:
    """Let go: closed when every row has ended, else due when its first row is."""
    free = replace(entry, owner="", lease=0.0)
    if not entry.is_open:
        return replace(free, closed=now)
    waiting = [
        entry.notes[row].due if row in entry.notes else now
        for row, letter in enumerate(entry.rows)
        if letter in TRIABLE
    ]
    return replace(free, due=min(waiting, default=now), wake=entry.wake + 1)


def reopen(entry: Entry, now: float) -> Entry:
    """As it comes out of a backup: whatever was still to be tried may have gone out since.

    What was on the wire is in doubt as after a claim; under a halt it ends.
    """
    doubts = {row: IN_DOUBT for row, letter in enumerate(entry.rows) if letter in TRIABLE}
    reopened = claim(entry.put(doubts, {}), "", now, Rules(lease_s=0.0, settle_s=LOST_SETTLE_S))
    if entry.halt and not reopened.is_open:
        return replace(reopened, closed=now, lease=0.0)
    return replace(reopened, lease=min(entry.lease, now))
