"""Judges every write to the ledger and every request to a receiver, at the moment it happens."""

import sys
from collections import Counter
from dataclasses import dataclass, field

from channels.base import Recipient
from consumers.ledger import codec
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import SENDING_LETTERS, WAITING_LETTERS, LedgerEntry, is_maybe
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from tests.deep.model.receivers import ReceiverKind
from tests.deep.model.subscribers import FRESH_S, SubscriberBucket
from tests.deep.model.virtual_loop import ACTOR, EPOCH_S, SKEW_S, ProcessState, VirtualLoop

LEASE_S = 60.0
SLACK_S = 2 * SKEW_S + 0.3
LOOKED_S = 5.0
"""A doubt may be looked into between reading the addresses and writing the intent."""


@dataclass
class InvariantMonitor:
    """Invariants that hold at every moment; `violations` says where one did not."""

    loop: VirtualLoop
    readers: SubscriberBucket
    kinds: dict[ChannelName, ReceiverKind]
    seen: Counter[str]
    violations: list[tuple[str, str]] = field(default_factory=list)
    entries: dict[BatchKey, LedgerEntry] = field(default_factory=dict)
    places: dict[tuple[PlanKey, str], tuple[BatchKey, int]] = field(default_factory=dict)
    halted: dict[BatchKey, float] = field(default_factory=dict)
    owners: dict[tuple[ProcessState, ChannelName], str] = field(default_factory=dict)
    tracing: bool = False

    def violation(self, rule: str, detail: object) -> None:
        self.note(f"WRONG: {rule}: {detail}")
        self.violations.append((rule, f"{detail} at {self.loop.now:.3f}"))

    def note(self, text: object) -> None:
        """Add a line to this run's story, for its replay."""
        if self.tracing:
            actor = ACTOR.get()
            name = actor.name if actor else "-"
            sys.stdout.write(f"{self.loop.now:10.3f} {name:5} {text}\n")

    # --- writes

    def on_write(self, key: str, old: bytes | None, new: bytes | None) -> None:
        self.note(f"{key} {(new or b'').decode()}")
        what, _, name = key.partition(".")
        if new is None:
            self.violation("the ledger never forgets", key)
        elif what == "state":
            self.on_state(BatchKey.parse(name), codec.decode_state(new))
        elif what == "rows":
            self.on_rows(BatchKey.parse(name), old, codec.decode_rows(new))
        elif what == "plan" and old is not None:
            self.on_plan(name, codec.decode_cursor(old), codec.decode_cursor(new))

    def on_rows(self, batch: BatchKey, old: bytes | None, rows: codec.BatchRows) -> None:
        if old is not None:
            self.violation("a batch's recipients never change", batch)
        for row, id in enumerate(rows.ids):
            if (batch.plan, id) in self.places:
                self.violation("nobody is in two batches", (batch, id))
            self.places[batch.plan, id] = (batch, row)

    def on_plan(self, name: str, old: PlanCursor, new: PlanCursor) -> None:
        if old.halt and (new.count, new.last, new.halt) != (old.count, old.last, old.halt):
            self.violation("a halted plan never plans", name)
        if new.count < old.count or (old.complete and not new.complete):
            self.violation("a plan only grows", name)

    def on_state(self, batch: BatchKey, new: LedgerEntry) -> None:
        old = self.entries.get(batch)
        self.entries[batch] = new
        if old is not None:
            self.on_entry(batch, old, new)
            self.on_rows_of(batch, old, new)

    def on_entry(self, batch: BatchKey, old: LedgerEntry, new: LedgerEntry) -> None:
        if new.halt and not old.halt:
            self.halted[batch] = self.loop.now
        if old.halt and new.halt != old.halt:
            self.violation("a halt stays", batch)
        if old.closed_at and new.owner:
            self.violation("nobody takes a closed batch", batch)
        if old.owner and new.owner not in ("", old.owner):
            self.seen["a batch changed its owner"] += 1

    def on_rows_of(self, batch: BatchKey, old: LedgerEntry, new: LedgerEntry) -> None:
        if old.rows == new.rows:
            return
        for row, letters in enumerate(zip(old.rows, new.rows, strict=True)):
            if letters[0] != letters[1]:
                self.on_row(batch, row, old, new)

    def on_row(self, batch: BatchKey, row: int, old: LedgerEntry, new: LedgerEntry) -> None:
        was, now = old.rows[row], new.rows[row]
        self.seen[f"{chr(was)}{chr(now)}"] += 1
        where = f"{batch} row {row} {chr(was)}>{chr(now)}"
        if now in SENDING_LETTERS and was in WAITING_LETTERS:
            self.on_intent(batch, row, old, where)
        if old.closed_at and now not in b"dD":
            self.violation("a closed batch is only upgraded", where)
        if is_maybe(was) and not is_maybe(now) and not self.may_clear(batch, was):
            self.violation("only evidence ends a doubt", where)

    def may_clear(self, batch: BatchKey, was: int) -> bool:
        kind = self.kinds[batch.channel]
        can_tell = not kind.has_recipients
        return can_tell and was == ord("P")

    def on_intent(self, batch: BatchKey, row: int, old: LedgerEntry, where: str) -> None:
        if old.halt:
            self.violation("no intent after a halt", where)
        note = old.notes.get(row)
        if note and note.due > EPOCH_S + self.loop.now + 1 + SLACK_S:
            self.violation("no attempt before its time", where)

    # --- requests

    def on_send(
        self, actor: ProcessState, channel: ChannelName, publication: Publication, to: Recipient
    ) -> None:
        """A request leaves: it must be intended, owned, in time, and wanted."""
        plan = PlanKey(channel, publication.content_id, publication.revision)
        where = f"{plan} {to.id} by {actor.name}"
        self.note(f"request: {where}")
        self.check_owned(plan, actor, to, where)
        self.check_time(publication, where)
        if self.kinds[channel].has_recipients:
            self.check_wanted(to, where)

    def check_owned(self, plan: PlanKey, actor: ProcessState, to: Recipient, where: str) -> None:
        batch, row = self.places.get((plan, to.id), (None, 0))
        if batch is None:
            self.violation("nothing goes to somebody who is in no batch", where)
            return
        entry = self.entries[batch]
        if entry.rows[row] not in SENDING_LETTERS:
            self.violation("nothing leaves without an intent", f"{where} {chr(entry.rows[row])}")
        if not entry.owner.startswith(self.owners[actor, plan.channel]):
            self.violation("only the owner sends", f"{where}, owner {entry.owner or 'nobody'}")
        if self.loop.now > self.halted.get(batch, self.loop.now) + LEASE_S:
            self.violation("a halted batch stops within a window", where)

    def check_time(self, publication: Publication, where: str) -> None:
        now = EPOCH_S + self.loop.now
        start, end = publication.not_before, publication.expires_at
        if start and now < start.timestamp() - SLACK_S:
            self.violation("nothing leaves before not_before", where)
        if end and now > end.timestamp() + SLACK_S:
            self.violation("nothing leaves after expires_at", where)

    def check_wanted(self, to: Recipient, where: str) -> None:
        """The address is read for the window: ten seconds old, plus what a window may last."""
        now = self.loop.now
        if now - float(to.address) > FRESH_S + LOOKED_S + LEASE_S:
            self.violation("an address is read for its window", f"{where} as of {to.address}")
        gone = self.readers.gone_since(to.id)
        if gone is not None and now > gone + FRESH_S + LOOKED_S + LEASE_S:
            self.violation("nothing goes to a reader who has left", where)
