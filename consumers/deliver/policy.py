"""Send policy: a channel's pace and its reasons to stop a plan, beyond the ledger's rules."""

from collections.abc import Mapping
from typing import Protocol

from channels.base import Outcome
from contracts.delivery import BatchKey, PlanKey


class SendPolicy(Protocol):
    """Limits of one channel's sending; answers come from memory, as the hot path asks."""

    def is_stopped(self, plan: PlanKey) -> bool:
        """Whether *plan* waits for an operator's decision."""

    def is_throttled(self) -> bool:
        """Whether a batch gives its permit back after one window."""

    async def wait_for_slot(self) -> None:
        """Wait before the next batch may use a permit."""

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Store what a kill must not lose of these outcomes, soon: they are not committed yet."""

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Act on committed outcomes of *batch*."""


class Unrestricted:
    """Send policy without limits."""

    def is_stopped(self, _plan: PlanKey) -> bool:
        return False

    def is_throttled(self) -> bool:
        return False

    async def wait_for_slot(self) -> None:
        """Returns at once."""

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Stores nothing."""

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Does nothing."""
