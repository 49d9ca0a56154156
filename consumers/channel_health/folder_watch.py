"""Folder watch: opens the breaker of a portal whose folder is lost, and closes it afterwards.

Without it, a lost folder would be told with the next item only, and readers get 503 meanwhile.
"""

from dataclasses import dataclass

import structlog

from channels.errors import ChannelError, Misconfigured
from channels.portal.channel import PortalChannel
from channels.portal.errors import INDEX_LOST
from consumers.channel_health.gate import ChannelGate
from consumers.runtime.lanes import Permit
from contracts.delivery import Lane
from producers.bus.periodic import every

log = structlog.get_logger()
_INTERVAL_S = 5.0


@dataclass
class FolderWatch:
    """Looks for the index of the portal; only a missing one costs more than that."""

    gate: ChannelGate
    channel: PortalChannel

    async def run(self) -> None:
        await every(_INTERVAL_S, self.look)

    async def look(self) -> None:
        """Try the folder when its index is gone, or is back behind an open breaker."""
        current, is_there = self.gate.current, await self.channel.has_index()
        if current.is_closed and not is_there:
            await self._try_folder()
        elif current.reason == INDEX_LOST and is_there:
            permit = Permit(Lane.NORMAL)
            if await self.gate.may_proceed(permit):
                with self.gate.probe_scope(permit):
                    await self._try_folder()

    async def _try_folder(self) -> None:
        """Make the folder ready, and tell the gate whether it is."""
        try:
            async with self.channel.session():
                await self.gate.record_success()
        except Misconfigured as trouble:
            log.error("channel_unavailable", channel=self.channel.name, reason=trouble.reason)
            await self.gate.record_failure(trouble.reason)
        except ChannelError as away:  # another process has the folder, or the bus is away
            log.warning("channel_unavailable", channel=self.channel.name, reason=away.reason)
