"""Let operators see a replica of the portal, and take over what only the portal's worker knows."""

from dataclasses import dataclass

import structlog

from channels.errors import ChannelError
from channels.portal.channel import PortalChannel
from consumers.portal_replica.follow import ReplicaFollower
from consumers.portal_replica.status import (
    ReplicaRecord,
    forget_replica,
    load_shown_portal,
    write_replica,
)
from contracts.base.times import Clock
from producers.bus import Bus, BusError

log = structlog.get_logger()


@dataclass
class ReplicaReport:
    """Says every few seconds how far the replica *name* is, and shows the delivery figures."""

    bus: Bus
    follower: ReplicaFollower
    channel: PortalChannel
    name: str
    clock: Clock

    async def renew(self) -> None:
        """One round. Raises BusError."""
        await self.show_figures()
        follower = self.follower
        record = ReplicaRecord(
            name=self.name,
            at=self.clock(),
            lag_s=follower.lag_now_s,
            seq=follower.position.seq,
            edition=self.channel.edition,
        )
        await write_replica(self.bus, record)

    async def show_figures(self) -> None:
        """Show the portal's delivery figures, which follow from no publication."""
        portal = await load_shown_portal(self.bus)
        if portal is None or portal.figures is None or self.follower.lag_s is None:
            return
        try:
            await self.channel.show_figures(portal.figures)
        except ChannelError as error:
            log.warning("replica_figures_not_shown", reason=error.reason)

    async def end(self) -> None:
        """Say no more: a replica that was stopped is not missing."""
        try:
            await forget_replica(self.bus, self.name)
        except BusError as away:
            log.warning("replica_not_forgotten", error=type(away).__name__)
