"""Send policy: a channel's pace and its reasons to stop a plan, beyond the ledger's rules."""

from collections.abc import Mapping, Sequence

from channels.base import Outcome
from contracts.delivery import BatchKey, PlanKey


class SendPolicy:
    """A policy without limits; answers come from memory, as the hot path asks."""

    def is_stopped(self, _plan: PlanKey) -> bool:
        """Whether a plan waits for an operator's decision."""
        return False

    def hold_s(self, _batch: BatchKey) -> float:
        """How long a batch of a stopped plan waits; 0: as any batch of a blocked channel."""
        return 0.0

    def channel_outcomes(
        self, _plan: PlanKey, outcomes: Mapping[int, Outcome]
    ) -> Sequence[Outcome]:
        """The outcomes of a window as far as they tell something of the channel."""
        return list(outcomes.values())

    async def resolutions(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Final outcomes of rows in doubt, of which the channel says *outcomes*."""
        return outcomes

    def use_connections(self, connections: int) -> None:
        """Send on as many connections from now on."""

    def is_throttled(self) -> bool:
        """Whether a batch gives its permit back after one window."""
        return False

    async def wait_for_slot(self) -> None:
        """Wait before the next batch may use a permit."""

    async def before_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Store what a kill must not lose of these outcomes, soon: they are not committed yet."""

    async def after_commit(self, batch: BatchKey, outcomes: Mapping[int, Outcome]) -> None:
        """Act on committed outcomes of *batch*."""
