"""How a worker behaves on its channel beyond the ledger's rules: pace, and what it stops for."""

from collections.abc import Mapping
from typing import Protocol

from channels.base import Outcome
from contracts.delivery import BatchKey, PlanKey


class Conduct(Protocol):
    """Asked on the hot path, so that answers come from memory."""

    def stops(self, plan: PlanKey) -> bool:
        """Whether nothing more of *plan* may be sent until a person says so."""

    def tight(self) -> bool:
        """Whether a batch hands its place on after one window."""

    async def breathe(self) -> None:
        """Wait for as long as a place is to stay empty now."""

    async def witness(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Store what no kill may lose of some rows of *batch*: none of it is booked yet. Soon."""

    async def heard(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """What became of some rows of *batch*; it is booked already."""


class Free:
    """Nothing holds anybody up."""

    def stops(self, _plan: PlanKey) -> bool:
        return False

    def tight(self) -> bool:
        return False

    async def breathe(self) -> None:
        """At once."""

    async def witness(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Nothing has to last."""

    async def heard(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Nobody listens."""
