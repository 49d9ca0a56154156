"""Bugs in sending: what leaves for whom, and how its outcome is booked."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from channels.base import Outcome, Verdict
from consumers import work
from consumers.claim import Claim
from consumers.deliver import Deliver
from consumers.ledger import codec, moves
from consumers.ledger.entry import Entry, Rules
from consumers.ledger.store import Held, Ledger, Overtaken
from consumers.work import Work
from contracts.delivery import BatchKey
from producers.bus import Conflict, Silence
from tests.model.planted import Plant


def no_doubt_after_silence() -> Sequence[Plant]:
    """A lost answer is booked as "not now"."""
    judge = moves.judge

    def deferred(entry: Entry, row: int, said: Outcome, now: float, rules: Rules) -> Any:
        if said.verdict is Verdict.DOUBT:
            said = replace(said, verdict=Verdict.DEFERRED)
        return judge(entry, row, said, now, rules)

    return [Plant(moves, "judge", deferred)]


def no_capitals() -> Sequence[Plant]:
    """A "maybe" is forgotten with the next letter."""
    return [Plant(moves, "shade", lambda letter, like: letter)]


def copies_not_counted() -> Sequence[Plant]:
    """A second mail after a doubt is not declared."""
    book = moves.book

    def silent(entry: Entry, outcomes: Any, now: float, rules: Rules) -> Entry:
        return replace(book(entry, outcomes, now, rules), copies=entry.copies)

    return [Plant(moves, "book", silent)]


def silence_means_yes() -> Sequence[Plant]:
    """A write without an answer is taken for written."""

    async def swap(self: Ledger, batch: BatchKey, held: Any, entry: Entry, *, until: float) -> Any:
        entry = replace(entry, write=f"{self.name}.{next(self.writes)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        try:
            return Held(entry, await self.bucket.swap(key, data, held.revision))
        except Conflict:
            raise Overtaken(await self.read_back(batch, until)) from None
        except Silence:
            return Held(entry, (await self.read_back(batch, until)).revision)

    return [Plant(Ledger, "swap", swap)]


def silence_means_no() -> Sequence[Plant]:
    """A write without an answer is taken for not written, whoever's stands there."""
    still_ours = Claim.still_ours

    async def swap(self: Ledger, batch: BatchKey, held: Any, entry: Entry, *, until: float) -> Any:
        entry = replace(entry, write=f"{self.name}.{next(self.writes)}")
        data, key = codec.encode_state(entry), f"state.{batch}"
        try:
            return Held(entry, await self.bucket.swap(key, data, held.revision))
        except (Conflict, Silence):
            stands = await self.read_back(batch, until)
        raise Overtaken(replace(stands, value=held.value))

    return [Plant(Ledger, "swap", swap), Plant(Claim, "still_ours", still_ours)]


def halt_not_respected() -> Sequence[Plant]:
    """Rows of a halted batch are still sent."""
    grant, final = moves.grant, moves.final

    def granted(entry: Entry, rows: Any, now: float, rules: Rules) -> Any:
        other, some = grant(replace(entry, halt=""), rows, now, rules)
        return replace(other, halt=entry.halt), some

    def not_final(entry: Entry, letter: int) -> int:
        return letter if letter in b"pr" else final(entry, letter)

    return [Plant(moves, "grant", granted), Plant(moves, "final", not_final)]


def unknown_sent_again() -> Sequence[Plant]:
    """A doubt that nobody can end is ended by sending again."""
    resolved = moves.RESOLVED | {Verdict.UNKNOWN: moves.IN_DOUBT}
    sendable = (*work.SENDABLE, Verdict.UNKNOWN)
    return [Plant(moves, "RESOLVED", resolved), Plant(work, "SENDABLE", sendable)]


def doubt_cleared_too_early() -> Sequence[Plant]:
    """An answer of "still in doubt" is taken for "not there"."""
    resolved = moves.RESOLVED | {Verdict.DOUBT: ord("p")}
    sendable = (*work.SENDABLE, Verdict.DOUBT)
    return [Plant(moves, "RESOLVED", resolved), Plant(work, "SENDABLE", sendable)]


def addresses_of_the_claim() -> Sequence[Plant]:
    """Addresses are read once per process and batch, not for every window."""
    seen: dict[Any, Any] = {}
    intend = Work.intend

    async def remembering(self: Work, session: Any, rows: Any) -> Any:
        directory = self.addresses
        memory = seen.setdefault(id(directory), (directory, {}))[1]

        class Once:
            def lookup(self, ids: Sequence[str]) -> Any:
                memory.update(directory.lookup([one for one in ids if one not in memory]))
                return {one: memory[one] for one in ids if one in memory}

        self.addresses = Once()
        try:
            return await intend(self, session, rows)
        finally:
            self.addresses = directory

    return [Plant(Work, "intend", remembering)]


def stale_directory_trusted() -> Sequence[Plant]:
    """A directory that stands still is believed."""
    from tests.model import people

    return [Plant(people, "FRESH_S", float("inf"))]


def windows_outlast_the_item() -> Sequence[Plant]:
    """A window that has begun goes on when the item expires."""
    return [Plant(work.Work, "outdated", lambda self: False)]


def never_expires() -> Sequence[Plant]:
    """`expires_at` is forgotten."""
    return [
        Plant(Deliver, "rules", lambda self, edition: Rules(self.lease_s, self.channel.settle_s))
    ]


def ladder_forgotten() -> Sequence[Plant]:
    """A deferred row is tried with the next window."""

    def all_open(entry: Entry, now: float, rules: Rules) -> list[int]:
        return [row for row, letter in enumerate(entry.rows) if letter in moves.TRIABLE]

    return [Plant(moves, "due_rows", all_open)]


def outcomes_before_intents() -> Sequence[Plant]:
    """A window leaves before its intent is written."""
    intend = Work.intend

    async def hasty(self: Work, session: Any, rows: Any) -> Any:
        self.contacts = self.addresses.lookup([self.rows.ids[row] for row in rows])
        self.contacts_end = float("inf")
        here = [row for row in rows if self.rows.ids[row] in self.contacts]
        await session.send(self.edition.rendered, self.recipients(here), self.expired)
        return await intend(self, session, rows)

    return [Plant(Work, "intend", hasty)]


def intents_of_an_old_read() -> Sequence[Plant]:
    """The first write says of rows that they will be sent, whoever has tried them meanwhile."""
    return [Plant(moves, "untouched", lambda entry, seen, rows: list(rows))]


def evidence_against_the_ended() -> Sequence[Plant]:
    """A receipt, or an overtaken outcome, may not upgrade a "maybe"."""
    return [Plant(moves, "evidence", lambda entry, row: entry)]


def closed_too_early() -> Sequence[Plant]:
    """A batch is closed when nothing is on the wire."""
    release = moves.release

    def early(entry: Entry, now: float) -> Entry:
        return replace(release(entry, now), closed=now)

    return [Plant(moves, "release", early)]


BUGS: dict[str, Callable[[], Sequence[Plant]]] = {
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
    "intents-of-an-old-read": "tests/test_work_owners.py::"
    "test_what_another_owner_has_tried_before_our_first_write_is_looked_at_anew",
    "windows-outlast-the-item": "tests/test_work.py::"
    "test_a_slow_window_stops_when_its_item_expires",
}
