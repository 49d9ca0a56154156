"""Bugs in claiming: who may work on a batch, and for how long."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from consumers import claim, deliver, work
from consumers.claim import Claim
from consumers.deliver import Deliver
from consumers.ledger import moves
from consumers.ledger.entry import Entry, Rules
from consumers.slots import Slot
from tests.model.planted import Plant


def no_doubt_at_claim() -> Sequence[Plant]:
    """What a dead owner had on the wire is taken for unsent."""

    def reset(entry: Entry, owner: str, now: float, rules: Rules) -> Entry:
        unsent = {row: ord("p") for row in moves.on_the_wire(entry)}
        return replace(entry.put(unsent, {}), owner=owner, lease=now + rules.lease_s)

    return [Plant(moves, "claim", reset)]


def any_owner_is_ours() -> Sequence[Plant]:
    """A worker that was overtaken goes on over the new owner."""
    return [Plant(Claim, "still_ours", lambda self, before, stands: not stands.closed)]


def no_own_deadline() -> Sequence[Plant]:
    """A worker never looks whether its own lease is over."""
    young = Plant(work, "ADDRESSES_S", float("inf"))  # else its addresses are too old to be used
    return [young, Plant(Claim, "expired", lambda self, request_timeout_s: self.lost)]


def monotonic_only() -> Sequence[Plant]:
    """The own deadline is read from a clock that stands still while the machine sleeps."""

    def expired(self: Claim, request_timeout_s: float) -> bool:
        return self.lost or monotonic(self) > self.boot_end - request_timeout_s

    def monotonic(self: Claim) -> float:
        return claim.time.monotonic()

    return [Plant(work, "ADDRESSES_S", float("inf")), Plant(Claim, "expired", expired)]


def no_margin() -> Sequence[Plant]:
    """Others take over at the very end of a lease, by their own clock."""
    return [Plant(deliver, "SKEW_S", 0.0)]


def takes_from_the_living() -> Sequence[Plant]:
    """A lease is not respected."""
    return [Plant(Deliver, "respect", lambda self, entry: None)]


def any_slot_is_ours() -> Sequence[Plant]:
    """A worker takes the batches of any slot at once."""
    return [Plant(Slot, "may_take", lambda self, owner: True)]


def unbooked_of_anybody() -> Sequence[Plant]:
    """What an earlier claim knew is booked, although another owner came between."""

    def ours(self: Claim, entry: Entry) -> Entry:
        now = self.clock()
        if self.unbooked:
            entry = moves.book(entry, self.unbooked.outcomes, now, self.rules)
        return moves.claim(entry, self.token, now, self.rules)

    return [Plant(Claim, "ours", ours)]


def no_renewal() -> Sequence[Plant]:
    """A slow window's lease is not renewed."""

    async def renew(self: Claim) -> None:
        """Nothing."""

    return [Plant(Claim, "renew", renew)]


BUGS: dict[str, Callable[[], Sequence[Plant]]] = {
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
    "no-margin": "tests/test_delivery_books.py::"
    "test_a_living_owner_is_left_alone_and_a_dead_one_replaced",
    "unbooked-of-anybody": "tests/test_work_owners.py::"
    "test_what_could_not_be_booked_says_nothing_of_what_another_owner_had_on_the_wire",
}
