"""What the commands that lift a suppression have in common."""

from consumers.faults import fault
from consumers.suppressions import Suppressions
from contracts.delivery import ChannelName
from contracts.errors import Invalid


async def lifted(registry: Suppressions, channel: ChannelName, address: str, by: str) -> None:
    """Lift what stands against *address*. Raises Invalid where nothing does, or nobody decides."""
    if not by.strip():
        raise Invalid(fault("by", "who_required"))
    if not await registry.lift(channel, address, by=by.strip()):
        raise Invalid(fault("address", "not_suppressed"))
