"""Tell the embedded server which keys of units it lets in."""

from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from producers.bus import Bus, topology
from producers.bus.periodic import every
from producers.bus_access.unit_accounts import UnitAccount
from producers.nats_server import NatsServer
from producers.units.registry import UnitRegistry

log = structlog.get_logger()
_LOOK_S = 1.0


@dataclass
class UnitAccess:
    """Follows the keys for the bus that are registered, while this process owns the server."""

    bus: Bus
    server: NatsServer
    registry: UnitRegistry
    applied: tuple[UnitAccount, ...] | None = None

    async def run(self) -> None:
        await every(_LOOK_S, self.apply)

    async def apply(self) -> None:
        """Let the registered keys in and no others, if they have changed. Raises BusError."""
        try:
            wanted = tuple(await self.registry.bus_accounts())
            if wanted != self.applied:
                await self._admit(wanted)
        except ValidationError:
            log.error("unit_registration_unreadable")
        except OSError as error:
            log.error("unit_accounts_unwritten", error=type(error).__name__)

    async def _admit(self, wanted: tuple[UnitAccount, ...]) -> None:
        await topology.apply(self.bus, [one.unit for one in wanted])
        if wanted != self.server.admitted_units:
            await self.server.admit_units(wanted)
        self.applied = wanted
