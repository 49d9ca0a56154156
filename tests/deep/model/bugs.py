"""Planted bugs: each breaks one rule of the product, and the model must see it."""

import asyncio
import sys
from dataclasses import replace
from typing import Any

from channels.base import Verdict
from consumers.deliver import batch_run, lease, worker
from consumers.deliver.batch_run import BatchRun
from consumers.deliver.lease import Lease
from consumers.deliver.worker import DeliveryWorker
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.dispatch import supersede
from consumers.dispatch.audience import SubscriberAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.intake import items
from consumers.ledger import codec, moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry, TimeRules
from consumers.ledger.errors import ConcurrentUpdate, LedgerError
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.operations.sweep import Sweeper
from consumers.runtime.errors import RetryLater
from contracts import subjects
from producers.bus import BatchEntry, Bucket, NoReply, RevisionConflict, messages
from producers.bus.records import Versioned
from tests.deep.model import subscribers
from tests.support.planted_bugs import PlantedBugs, Replacement, no_op

FOR_EVER = float("inf")
OLD_ADDRESSES = Replacement(batch_run, "MAX_CONTACT_AGE_S", FOR_EVER)
"""Else the addresses of a worker that overstays its lease are too old to be used."""


def sent_when(verdict: Verdict, letter: int) -> list[Replacement]:
    """A doubt that was answered so is ended by sending."""
    sendable = (*batch_run.SENDABLE_VERDICTS, verdict)
    return [
        Replacement(moves, "RESOLVED_LETTERS", moves.RESOLVED_LETTERS | {verdict: letter}),
        Replacement(batch_run, "SENDABLE_VERDICTS", sendable),
    ]


BUGS = PlantedBugs(
    {
        # The newer text does not wait until the older batches have ended.
        "no-quiet": [Replacement(Supersession, "require_settled", no_op)],
        # `not_before` is forgotten.
        "planned-too-early": [Replacement(Dispatcher, "require_start_reached", lambda *_: None)],
        # A text whose time comes after a newer one was released is planned all the same.
        "overtaken-all-the-same": [Replacement(items, "halt_mark", lambda *_: "")],
        # A correction goes only to those who surely got the older text.
        "doubts-not-told": [Replacement(supersede, "REACHED_LETTERS", frozenset(b"dD"))],
        # The plan does not wait until the directory knows everybody who subscribed before.
        "directory-behind": [Replacement(SubscriberAudience, "ready", no_op)],
        # The sweeper finds nothing.
        "sweeper-asleep": [Replacement(Sweeper, "is_stuck", no_op)],
        # A scheduled wake-up has no number: a stale worker's replaces a newer one's.
        "one-schedule-per-batch": [
            Replacement(subjects, "scheduled", lambda batch, number: f"sched.{batch}")
        ],
        # A worker that was overtaken goes on over the new owner.
        "any-owner-is-ours": [
            Replacement(Lease, "is_still_owner", lambda self, before, after: not after.closed_at)
        ],
        # A worker never looks whether its own lease is over.
        "no-own-deadline": [
            OLD_ADDRESSES,
            Replacement(Lease, "may_expire_within", lambda self, timeout_s: self.is_lost),
        ],
        # The own deadline is read from a clock that stands still while the machine sleeps.
        "monotonic-only": [
            OLD_ADDRESSES,
            Replacement(
                Lease,
                "may_expire_within",
                lambda self, timeout_s: (
                    self.is_lost or lease.time.monotonic() > self.boot_deadline - timeout_s
                ),
            ),
        ],
        # Others take over at the very end of a lease, by their own clock.
        "no-margin": [Replacement(worker, "CLOCK_SKEW_S", 0.0)],
        # A lease is not respected.
        "takes-from-the-living": [Replacement(DeliveryWorker, "check_lease", lambda *_: None)],
        # A worker takes the batches of any slot at once.
        "any-slot-is-ours": [Replacement(WorkerSlot, "owns", lambda *_: True)],
        # A slow window's lease is not renewed.
        "no-renewal": [Replacement(Lease, "renew", no_op)],
        # A "maybe" is forgotten with the next letter.
        "no-capitals": [Replacement(moves, "keep_maybe", lambda letter, like: letter)],
        # A doubt that cannot be ended is ended by sending again.
        "unknown-sent-again": sent_when(Verdict.UNKNOWN, moves.IN_DOUBT),
        # An answer of "still in doubt" is taken for "not there".
        "doubt-cleared-too-early": sent_when(Verdict.DOUBT, ord("p")),
        # A directory that stands still is believed.
        "stale-directory-trusted": [Replacement(subscribers, "FRESH_S", FOR_EVER)],
        # A window that has begun goes on when the item expires.
        "windows-outlast-the-item": [Replacement(BatchRun, "is_past_expiry", lambda self: False)],
        # `expires_at` is forgotten.
        "never-expires": [
            Replacement(
                DeliveryWorker,
                "time_rules",
                lambda self, content: TimeRules(self.lease_s, self.channel.settle_s),
            )
        ],
        # The first write says of rows that they will be sent, although another tried them since.
        "intents-of-an-old-read": [
            Replacement(moves, "unchanged_rows", lambda entry, seen, rows: list(rows))
        ],
        # A receipt, or an overtaken outcome, may not upgrade a "maybe".
        "evidence-against-the-ended": [
            Replacement(moves, "apply_evidence", lambda entry, row, now: entry)
        ],
    }
)


instead_of = BUGS.instead_of


# --- the order between revisions


@instead_of(Supersession, "halt_cursor")
async def no_cursor_fence(_halt, self, plan, held, why):
    """A correction stops the batches that are there, not the plan that makes more."""
    return Versioned(replace(held.value, halt=why), held.revision)


@instead_of(Supersession, "halt")
async def no_head_fence(halt, self, plan, why):
    """An older revision that was not planned yet is not stopped."""
    if await self.ledger.plan(plan) is None:
        return PlanCursor(halt=why)
    return await halt(self, plan, why)


@instead_of(Supersession, "load_plan", "no-head-fence")
async def empty_plan(_load, self, plan):
    return await self.ledger.plan(plan) or Versioned(PlanCursor(), 0)


@instead_of(Supersession, "require_entry_settled")
async def no_settle(require_settled, self, batch, entry):
    """The newer text does not wait for late effects of the older."""
    await require_settled(self, batch, replace(entry, effects_until=0.0))


@instead_of(Supersession, "reached_recipients")
def only_the_last(reached, self, plans, after):
    """A correction goes only to those who got the revision just before."""
    return reached(self, plans[-1:], after)


@instead_of(moves, "halt")
def halted_too_hard(halt, entry, why, now):
    """A halt ends rows that are on the wire, too."""
    halted = halt(entry, why, now)
    if halted is entry:
        return entry
    wire = {row: ord(why[0]) for row, letter in enumerate(halted.rows) if letter in b"sS"}
    halted = halted.with_rows(wire, {})
    return halted if halted.is_open else replace(halted, closed_at=now, owner="", lease_until=0.0)


# --- planning


@instead_of(Ledger, "append_batches")
async def plan_without_compare(append, self, plan, held, cursor, batches):
    """Two planners of one publication do not notice each other."""
    bucket = self.bucket

    async def unconditional(entries):
        return await bucket.batch([BatchEntry(entry.key, entry.data, None) for entry in entries])

    self.bucket = type(bucket)(bucket.wire, bucket.table)
    self.bucket.batch = unconditional
    try:
        return await append(self, plan, held, cursor, batches)
    finally:
        self.bucket = bucket


@instead_of(Dispatcher, "wake_batches")
def no_wakes_on_resume(wake, self, plan, numbers, cursor):
    """A planner that goes on after a crash does not wake the batches that it finds."""
    return no_op() if caller() == "dispatch" else wake(self, plan, numbers, cursor)


def caller() -> str:
    """The function that called the one in whose place the bug is."""
    return sys._getframe(3).f_code.co_name


@instead_of(Dispatcher, "wake_new_batches")
async def no_wakes_after_conflict(_wake, self, plan, held):
    """A planner does not wake what a late write of its own stored before."""
    return await self.supersession.load_plan(plan)


@instead_of(Dispatcher, "dispatch")
async def acknowledged_before_planned(dispatch, self, released):
    """The publication is acknowledged, and planned afterwards."""
    not_awaited(dispatch, self, released)


def not_awaited(method: Any, owner: Any, *args: Any) -> None:
    """Do the work beside the handler; its failure goes unseen."""

    async def quietly() -> None:
        try:
            await method(owner, *args)
        except (RetryLater, RevisionConflict, NoReply, LedgerError):
            return

    owner.__dict__.setdefault("running", []).append(asyncio.create_task(quietly()))


@instead_of(PlanCursor, "advance")
def resumed_from_the_start(advance, self, batches, **progress):
    """A planner that goes on after a crash reads the readers from the first one."""
    return replace(advance(self, batches, **progress), last="")


# --- wake-ups


@instead_of(DeliveryWorker, "reschedule")
async def acknowledged_before_scheduled(reschedule, self, batch, entry):
    """A wake-up is acknowledged before the next one is stored."""
    not_awaited(reschedule, self, batch, entry)


@instead_of(DeliveryWorker, "reschedule")
def early_wake_up_swallowed(reschedule, self, batch, entry):
    """A wake-up that comes too early does not store its schedule again."""
    swallowed = self.is_premature(entry) and caller() != "follow_up"
    return no_op() if swallowed else reschedule(self, batch, entry)


@instead_of(DeliveryWorker, "load_if_due")
async def busy_wake_up_swallowed(load, self, batch):
    """A wake-up that finds a living owner is acknowledged."""
    state = await self.ledger.state(batch)
    if state is not None and not state.value.closed_at:
        try:
            self.check_lease(state.value)
        except RetryLater:
            return None
    return await load(self, batch)


@instead_of(Waker, "wake")
async def sweeper_with_an_id(wake, self, batch, lane, number=None):
    """The sweeper's wake-ups carry a message id, and are taken for repeats."""
    await wake(self, batch, lane, number or 0)


@instead_of(Sweeper, "refresh_circuits")
async def sweeper_shy_of_broken_channels(_refresh, self):
    """The sweeper leaves a broken channel alone, although no worker tries it any more."""
    self.blocked_circuits, self.unprobed_circuits = self.channel_monitor.blocked_circuits, set()


# --- claims


@instead_of(moves, "claim")
def no_doubt_at_claim(_claim, entry, owner, now, rules):
    """Take rows that a dead owner had on the wire for unsent."""
    unsent = {row: ord("p") for row in moves.sending_rows(entry)}
    return replace(entry.with_rows(unsent, {}), owner=owner, lease_until=now + rules.lease_s)


@instead_of(Lease, "acquire_over")
def unbooked_of_anybody(_acquire, self, entry):
    """Book the outcomes of an earlier claim, although another owner came between."""
    now = self.clock()
    if self.uncommitted:
        entry = moves.book(entry, self.uncommitted.outcomes, now, self.time_rules)
    return moves.claim(entry, self.owner_token, now, self.time_rules)


# --- sending and booking


@instead_of(moves, "new_row")
def no_doubt_after_silence(judge, entry, row, outcome, now, rules):
    """A lost answer is booked as "not now"."""
    if outcome.verdict is Verdict.DOUBT:
        outcome = replace(outcome, verdict=Verdict.DEFERRED)
    return judge(entry, row, outcome, now, rules)


@instead_of(moves, "book")
def copies_not_counted(book, entry, outcomes, now, rules):
    """A second mail after a doubt is not declared."""
    return replace(book(entry, outcomes, now, rules), possible_copies=entry.possible_copies)


@instead_of(Ledger, "swap")
async def silence_means_yes(_swap, self, batch, held, entry, *, until):
    """A write without an answer is taken for written."""
    entry, written = write_once(self, batch, held, entry)
    try:
        return Versioned(entry, await written)
    except RevisionConflict:
        raise ConcurrentUpdate(await self.read_back(batch, until)) from None
    except NoReply:
        return Versioned(entry, (await self.read_back(batch, until)).revision)


@instead_of(Ledger, "swap")
async def silence_means_no(_swap, self, batch, held, entry, *, until):
    """A write without an answer is taken for not written, although it may be the one stored."""
    entry, written = write_once(self, batch, held, entry)
    try:
        return Versioned(entry, await written)
    except (RevisionConflict, NoReply):
        stored = await self.read_back(batch, until)
    raise ConcurrentUpdate(replace(stored, value=held.value))


def write_once(ledger: Ledger, batch: Any, held: Any, entry: LedgerEntry) -> tuple[Any, Any]:
    entry = replace(entry, write_id=f"{ledger.writer_id}.{next(ledger.write_numbers)}")
    data = codec.encode_state(entry)
    return entry, ledger.bucket.swap(f"state.{batch}", data, held.revision)


@instead_of(moves, "grant")
def halt_not_respected(grant, entry, rows, now, rules):
    """Rows of a halted batch are still sent."""
    return replace(grant(replace(entry, halt=""), rows, now, rules), halt=entry.halt)


@instead_of(moves, "final_letter", "halt-not-respected")
def not_final(final_letter, entry, letter):
    return letter if letter in b"pr" else final_letter(entry, letter)


@instead_of(BatchRun, "commit_intents")
async def addresses_of_the_claim(commit, self, session, rows):
    """Addresses are read once per process and batch, not for every window."""
    directory = self.contact_lookup
    self.contact_lookup = ReadOnce(directory)
    try:
        return await commit(self, session, rows)
    finally:
        self.contact_lookup = directory


class ReadOnce:
    """Remembers, with each directory, what it has read there."""

    def __init__(self, directory: Any) -> None:
        self.directory, self.contacts = directory, directory.__dict__.setdefault("read_once", {})

    def lookup(self, ids):
        missing = [id for id in ids if id not in self.contacts]
        self.contacts.update(self.directory.lookup(missing))
        return {id: self.contacts[id] for id in ids if id in self.contacts}


@instead_of(moves, "due_rows")
def ladder_forgotten(_due, entry, now, rules):
    """A deferred row is tried with the next window."""
    return [row for row, letter in enumerate(entry.rows) if letter in moves.WAITING_LETTERS]


@instead_of(BatchRun, "commit_intents")
async def outcomes_before_intents(commit, self, session, rows):
    """A window leaves before its intent is written."""
    self.contacts = self.contact_lookup.lookup([self.rows.ids[row] for row in rows])
    self.contacts_valid_until = FOR_EVER
    here = [row for row in rows if self.rows.ids[row] in self.contacts]
    await session.send(self.content.rendered, self.build_recipients(here), self.must_not_send)
    return await commit(self, session, rows)


@instead_of(moves, "release")
def closed_too_early(release, entry, now):
    """A batch is closed when nothing is on the wire."""
    return replace(release(entry, now), closed_at=now)


# --- reads in a cluster; their seeds have replicas that are behind


async def any_replica(link: Any, stream: str, subjects: Any, min_seq: int = 0) -> Any:
    """The last messages as one replica has them."""
    return (await messages.direct_get(link, stream, {"multi_last": list(subjects)})).messages


async def from_any_replica(self: Bucket, key: str, patience_s: float) -> Any:
    """A value that the next compare-and-set expects, as one replica has it."""
    found = await any_replica(self._link, self.stream, [f"{self._prefix}{key}"])
    return found[0] if found else None


CLUSTER_BUGS = PlantedBugs(
    {
        # A batch of values is read from a replica, however far behind it is.
        "a-replica-believed": [Replacement(messages, "last_messages", any_replica)],
        # A compare-and-set rests on a follower's value.
        "a-follower-compared": [Replacement(Bucket, "_last_message", from_any_replica)],
    }
)


# --- which of them a model cannot see


HARMLESS = {
    "no-renewal": "the own deadline ends a window that outlasts its lease; the rest is unsent",
    "sweeper-with-an-id": "the sweeper waits 120 s, no less than the queue remembers an id",
    "one-schedule-per-batch": "a stale worker's time is the earlier one, and a wake-up that comes "
    "too early stores its schedule again",
}
"""Why these cost time at most: each is a second line of defence."""
RARE = {
    "no-margin",
    "unbooked-of-anybody",
    "intents-of-an-old-read",
    "windows-outlast-the-item",
    "no-wakes-after-conflict",
}
"""Need more seeds than a test should run; a test marked `catches` sees each at once."""
