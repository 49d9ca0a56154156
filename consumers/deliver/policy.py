"""Send policy: a channel's pace and its reasons to stop a plan, beyond the ledger's rules."""

from collections.abc import Mapping
from typing import Protocol

from channels.base import Outcome
from contracts.delivery import BatchKey, PlanKey


class SendPolicy(Protocol):
    """Asked on the hot path, so that answers come from memory."""

    def is_stopped(self, plan: PlanKey) -> bool:
        """Whether nothing more of *plan* may be sent until a person says so."""

    def is_throttled(self) -> bool:
        """Whether a batch hands its place on after one window."""

    async def wait_for_slot(self) -> None:
        """Wait for as long as a place is to stay empty now."""

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Store what no kill may lose of some rows of *batch*: none of it is booked yet. Soon."""

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """What became of some rows of *batch*; it is booked already."""


class Unrestricted:
    """Nothing holds anybody up."""

    def is_stopped(self, _plan: PlanKey) -> bool:
        return False

    def is_throttled(self) -> bool:
        return False

    async def wait_for_slot(self) -> None:
        """At once."""

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Nothing has to last."""

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Nobody listens."""
