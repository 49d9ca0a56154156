"""Bugs in claiming: who may work on a batch, and for how long."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from consumers.deliver import batch_run, lease, worker
from consumers.deliver.lease import Lease
from consumers.deliver.slots import WorkerSlot
from consumers.deliver.worker import DeliveryWorker
from consumers.ledger import moves
from consumers.ledger.entry import LedgerEntry, TimeRules
from tests.deep.model.planted_bug import Replacement


def no_doubt_at_claim() -> Sequence[Replacement]:
    """What a dead owner had on the wire is taken for unsent."""

    def reset(entry: LedgerEntry, owner: str, now: float, rules: TimeRules) -> LedgerEntry:
        unsent = {row: ord("p") for row in moves.sending_rows(entry)}
        return replace(entry.with_rows(unsent, {}), owner=owner, lease_until=now + rules.lease_s)

    return [Replacement(moves, "claim", reset)]


def any_owner_is_ours() -> Sequence[Replacement]:
    """A worker that was overtaken goes on over the new owner."""
    return [Replacement(Lease, "is_still_owner", lambda self, before, stands: not stands.closed_at)]


def no_own_deadline() -> Sequence[Replacement]:
    """A worker never looks whether its own lease is over."""
    young = Replacement(
        batch_run, "MAX_CONTACT_AGE_S", float("inf")
    )  # else its addresses are too old to be used
    return [
        young,
        Replacement(Lease, "may_expire_within", lambda self, request_timeout_s: self.is_lost),
    ]


def monotonic_only() -> Sequence[Replacement]:
    """The own deadline is read from a clock that stands still while the machine sleeps."""

    def expired(self: Lease, request_timeout_s: float) -> bool:
        return self.is_lost or monotonic(self) > self.boot_deadline - request_timeout_s

    def monotonic(self: Lease) -> float:
        return lease.time.monotonic()

    return [
        Replacement(batch_run, "MAX_CONTACT_AGE_S", float("inf")),
        Replacement(Lease, "may_expire_within", expired),
    ]


def no_margin() -> Sequence[Replacement]:
    """Others take over at the very end of a lease, by their own clock."""
    return [Replacement(worker, "CLOCK_SKEW_S", 0.0)]


def takes_from_the_living() -> Sequence[Replacement]:
    """A lease is not respected."""
    return [Replacement(DeliveryWorker, "check_lease", lambda self, entry: None)]


def any_slot_is_ours() -> Sequence[Replacement]:
    """A worker takes the batches of any slot at once."""
    return [Replacement(WorkerSlot, "owns", lambda self, owner: True)]


def unbooked_of_anybody() -> Sequence[Replacement]:
    """What an earlier claim knew is booked, although another owner came between."""

    def ours(self: Lease, entry: LedgerEntry) -> LedgerEntry:
        now = self.clock()
        if self.uncommitted:
            entry = moves.book(entry, self.uncommitted.outcomes, now, self.time_rules)
        return moves.claim(entry, self.owner_token, now, self.time_rules)

    return [Replacement(Lease, "acquire_over", ours)]


def no_renewal() -> Sequence[Replacement]:
    """A slow window's lease is not renewed."""

    async def renew(self: Lease) -> None:
        """Nothing."""

    return [Replacement(Lease, "renew", renew)]


BUGS: dict[str, Callable[[], Sequence[Replacement]]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        no_doubt_at_claim,
        any_owner_is_ours,
        no_own_deadline,
        monotonic_only,
        no_margin,
        takes_from_the_living,
        any_slot_is_ours,
        unbooked_of_anybody,
        no_renewal,
    )
}
HARMLESS = {
    "no-renewal": "the own deadline ends a window that outlasts its lease; the rest is unsent",
}
RARE = {
    "no-margin": "tests/consumers/deliver/test_committed_outcomes.py::"
    "test_a_living_owner_is_left_alone_and_a_dead_one_replaced",
    "unbooked-of-anybody": "tests/consumers/deliver/test_lease.py::"
    "test_what_could_not_be_booked_says_nothing_of_what_another_owner_had_on_the_wire",
}
