"""Bugs in sending: what leaves for whom, and how its outcome is booked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from channels.base import Outcome, Verdict
from consumers.deliver import batch_run
from consumers.deliver.batch_run import BatchRun
from consumers.deliver.lease import Lease
from consumers.deliver.worker import DeliveryWorker
from consumers.ledger import codec, moves
from consumers.ledger.entry import LedgerEntry, TimeRules
from consumers.ledger.errors import ConcurrentUpdate
from consumers.ledger.store import Ledger
from contracts.delivery import BatchKey
from producers.bus import NoReply, RevisionConflict
from producers.bus.records import Versioned
from tests.deep.model.planted_bug import Replacement


def no_doubt_after_silence() -> Sequence[Replacement]:
    """A lost answer is booked as "not now"."""
    judge = moves.row_result

    def deferred(entry: LedgerEntry, row: int, said: Outcome, now: float, rules: TimeRules) -> Any:
        if said.verdict is Verdict.DOUBT:
            said = replace(said, verdict=Verdict.DEFERRED)
        return judge(entry, row, said, now, rules)

    return [Replacement(moves, "row_result", deferred)]


def no_capitals() -> Sequence[Replacement]:
    """A "maybe" is forgotten with the next letter."""
    return [Replacement(moves, "keep_maybe", lambda letter, like: letter)]


def copies_not_counted() -> Sequence[Replacement]:
    """A second mail after a doubt is not declared."""
    book = moves.book

    def silent(entry: LedgerEntry, outcomes: Any, now: float, rules: TimeRules) -> LedgerEntry:
        return replace(book(entry, outcomes, now, rules), possible_copies=entry.possible_copies)

    return [Replacement(moves, "book", silent)]


def silence_means_yes() -> Sequence[Replacement]:
    """A write without an answer is taken for written."""

    async def swap(
        self: Ledger, batch: BatchKey, held: Any, entry: LedgerEntry, *, until: float
    ) -> Any:
        entry = replace(entry, write_id=f"{self.writer_id}.{next(self.write_numbers)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        try:
            return Versioned(entry, await self.bucket.swap(key, data, held.revision))
        except RevisionConflict:
            raise ConcurrentUpdate(await self.read_back(batch, until)) from None
        except NoReply:
            return Versioned(entry, (await self.read_back(batch, until)).revision)

    return [Replacement(Ledger, "swap", swap)]


def silence_means_no() -> Sequence[Replacement]:
    """A write without an answer is taken for not written, whoever's stands there."""
    still_ours = Lease.is_still_owner

    async def swap(
        self: Ledger, batch: BatchKey, held: Any, entry: LedgerEntry, *, until: float
    ) -> Any:
        entry = replace(entry, write_id=f"{self.writer_id}.{next(self.write_numbers)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        try:
            return Versioned(entry, await self.bucket.swap(key, data, held.revision))
        except (RevisionConflict, NoReply):
            stands = await self.read_back(batch, until)
        raise ConcurrentUpdate(replace(stands, value=held.value))

    return [Replacement(Ledger, "swap", swap), Replacement(Lease, "is_still_owner", still_ours)]


def halt_not_respected() -> Sequence[Replacement]:
    """Rows of a halted batch are still sent."""
    grant, final = moves.grant, moves.final_letter

    def granted(entry: LedgerEntry, rows: Any, now: float, rules: TimeRules) -> Any:
        other, some = grant(replace(entry, halt=""), rows, now, rules)
        return replace(other, halt=entry.halt), some

    def not_final(entry: LedgerEntry, letter: int) -> int:
        return letter if letter in b"pr" else final(entry, letter)

    return [Replacement(moves, "grant", granted), Replacement(moves, "final_letter", not_final)]


def unknown_sent_again() -> Sequence[Replacement]:
    """A doubt that nobody can end is ended by sending again."""
    resolved = moves.RESOLVED_LETTERS | {Verdict.UNKNOWN: moves.IN_DOUBT}
    sendable = (*batch_run.SENDABLE_VERDICTS, Verdict.UNKNOWN)
    return [
        Replacement(moves, "RESOLVED_LETTERS", resolved),
        Replacement(batch_run, "SENDABLE_VERDICTS", sendable),
    ]


def doubt_cleared_too_early() -> Sequence[Replacement]:
    """An answer of "still in doubt" is taken for "not there"."""
    resolved = moves.RESOLVED_LETTERS | {Verdict.DOUBT: ord("p")}
    sendable = (*batch_run.SENDABLE_VERDICTS, Verdict.DOUBT)
    return [
        Replacement(moves, "RESOLVED_LETTERS", resolved),
        Replacement(batch_run, "SENDABLE_VERDICTS", sendable),
    ]


def addresses_of_the_claim() -> Sequence[Replacement]:
    """Addresses are read once per process and batch, not for every window."""
    seen: dict[Any, Any] = {}
    intend = BatchRun.commit_intents

    async def remembering(self: BatchRun, session: Any, rows: Any) -> Any:
        directory = self.contact_lookup
        memory = seen.setdefault(id(directory), (directory, {}))[1]

        class Once:
            def lookup(self, ids: Sequence[str]) -> Any:
                memory.update(directory.lookup([one for one in ids if one not in memory]))
                return {one: memory[one] for one in ids if one in memory}

        self.contact_lookup = Once()
        try:
            return await intend(self, session, rows)
        finally:
            self.contact_lookup = directory

    return [Replacement(BatchRun, "commit_intents", remembering)]


def stale_directory_trusted() -> Sequence[Replacement]:
    """A directory that stands still is believed."""
    from tests.deep.model import subscribers

    return [Replacement(subscribers, "FRESH_S", float("inf"))]


def windows_outlast_the_item() -> Sequence[Replacement]:
    """A window that has begun goes on when the item expires."""
    return [Replacement(batch_run.BatchRun, "is_past_expiry", lambda self: False)]


def never_expires() -> Sequence[Replacement]:
    """`expires_at` is forgotten."""
    return [
        Replacement(
            DeliveryWorker,
            "time_rules",
            lambda self, edition: TimeRules(self.lease_s, self.channel.settle_s),
        )
    ]


def ladder_forgotten() -> Sequence[Replacement]:
    """A deferred row is tried with the next window."""

    def all_open(entry: LedgerEntry, now: float, rules: TimeRules) -> list[int]:
        return [row for row, letter in enumerate(entry.rows) if letter in moves.WAITING_LETTERS]

    return [Replacement(moves, "due_rows", all_open)]


def outcomes_before_intents() -> Sequence[Replacement]:
    """A window leaves before its intent is written."""
    intend = BatchRun.commit_intents

    async def hasty(self: BatchRun, session: Any, rows: Any) -> Any:
        self.contacts = self.contact_lookup.lookup([self.rows.ids[row] for row in rows])
        self.contacts_valid_until = float("inf")
        here = [row for row in rows if self.rows.ids[row] in self.contacts]
        await session.send(self.content.rendered, self.build_recipients(here), self.must_not_send)
        return await intend(self, session, rows)

    return [Replacement(BatchRun, "commit_intents", hasty)]


def intents_of_an_old_read() -> Sequence[Replacement]:
    """The first write says of rows that they will be sent, whoever has tried them meanwhile."""
    return [Replacement(moves, "unchanged_rows", lambda entry, seen, rows: list(rows))]


def evidence_against_the_ended() -> Sequence[Replacement]:
    """A receipt, or an overtaken outcome, may not upgrade a "maybe"."""
    return [Replacement(moves, "apply_evidence", lambda entry, row: entry)]


def closed_too_early() -> Sequence[Replacement]:
    """A batch is closed when nothing is on the wire."""
    release = moves.release

    def early(entry: LedgerEntry, now: float) -> LedgerEntry:
        return replace(release(entry, now), closed_at=now)

    return [Replacement(moves, "release", early)]


BUGS: dict[str, Callable[[], Sequence[Replacement]]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        no_doubt_after_silence,
        no_capitals,
        copies_not_counted,
        silence_means_yes,
        silence_means_no,
        halt_not_respected,
        unknown_sent_again,
        doubt_cleared_too_early,
        addresses_of_the_claim,
        stale_directory_trusted,
        never_expires,
        windows_outlast_the_item,
        ladder_forgotten,
        outcomes_before_intents,
        intents_of_an_old_read,
        evidence_against_the_ended,
        closed_too_early,
    )
}
RARE = {
    "intents-of-an-old-read": "tests/consumers/deliver/test_lease.py::"
    "test_what_another_owner_has_tried_before_our_first_write_is_looked_at_anew",
    "windows-outlast-the-item": "tests/consumers/deliver/test_batch_run.py::"
    "test_a_slow_window_stops_when_its_item_expires",
}
