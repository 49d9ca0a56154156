"""Watch of relays: reports those that are left out, counts mails, takes the portion of limits."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from channels.email.relays import RELAYS_FILE, VARIABLES
from channels.email.smtp.pool import ConnectionPool
from channels.email.smtp.relay import Relay
from consumers.email.relay_reports import LOOK_S, RelayOut, report_relays
from contracts.base.times import Clock
from producers import metrics
from producers.bus import Bus
from producers.bus.periodic import every

log = structlog.get_logger()


@dataclass
class RelayWatch:
    """Looks at the pool of the worker *name*; `on_portion` is called when the limits change."""

    bus: Bus
    pool: ConnectionPool
    name: str
    clock: Clock
    on_portion: Callable[[], None] = lambda: None
    counted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        metrics.RELAY.allow(relay.name for relay in self.pool.relays)

    async def run(self) -> None:
        await every(LOOK_S, self.look)

    async def look(self) -> None:
        relays = self.pool.relays
        metrics.RELAYS_OUT.replace({(one.name,): float(one.is_out) for one in relays})
        metrics.RELAY_CONNECTIONS.replace({(one.name,): float(one.lent) for one in relays})
        for relay in relays:
            self.count_mails(relay)
        in_file = self.pool.shares_limits
        out = tuple(_relay_out(one, in_file=in_file) for one in relays if one.is_out)
        if self.pool.has_several or self.pool.shares_limits:
            await self.report(out)

    async def report(self, out: tuple[RelayOut, ...]) -> None:
        """Say that this worker is alive and leaves *out*; take the portion that is left to it."""
        reports = await report_relays(self.bus, self.name, out, self.clock())
        if not self.pool.shares_limits:
            return
        portion = reports.portion_of(self.name, self.clock())
        if portion != self.pool.portion:
            log.info("relay_limits_shared", workers=len(reports.alive(self.clock())))
            self.pool.use_portion(portion)
            self.on_portion()

    def count_mails(self, relay: Relay) -> None:
        """Count what the relay has accepted since the last look."""
        metrics.RELAY_MAILS.add(relay.name, by=relay.mails - self.counted.get(relay.name, 0))
        self.counted[relay.name] = relay.mails


def _relay_out(relay: Relay, *, in_file: bool) -> RelayOut:
    """Report of a relay that is left out; *in_file*: the relays file names it, no variable."""
    own = relay.settings
    variable = RELAYS_FILE if in_file else VARIABLES[own.name]
    place = {"address": f"{own.host}:{own.port}", "variable": variable}
    return RelayOut(name=own.name, reason=relay.reason, since=relay.out_since, **place)
