"""Watch of relays: tells `loa status` and the metrics which are left out, and what each carries."""

from dataclasses import dataclass, field

from channels.email.smtp.pool import ConnectionPool
from channels.email.smtp.relay import Relay
from consumers.channel_health.destinations import RelayOut, update_destination
from contracts.delivery import ChannelName
from producers import metrics
from producers.bus import Bus
from producers.bus.periodic import every

_INTERVAL_S = 2.0


@dataclass
class RelayWatch:
    """Publishes each change beside the destination, which each start of a worker writes anew."""

    bus: Bus
    pool: ConnectionPool
    published: tuple[RelayOut, ...] = ()
    counted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        metrics.RELAY.allow(relay.name for relay in self.pool.relays)

    async def run(self) -> None:
        await every(_INTERVAL_S, self.look)

    async def look(self) -> None:
        relays = self.pool.relays
        metrics.RELAYS_OUT.replace({(one.name,): float(one.is_out) for one in relays})
        metrics.RELAY_CONNECTIONS.replace({(one.name,): float(one.lent) for one in relays})
        for relay in relays:
            self.count_mails(relay)
        out = tuple(
            RelayOut(name=one.name, reason=one.reason, since=one.out_since)
            for one in relays
            if one.is_out
        )
        if out != self.published:
            await update_destination(self.bus, ChannelName.EMAIL, {"relays_out": out})
            self.published = out

    def count_mails(self, relay: Relay) -> None:
        """Count what the relay has accepted since the last look."""
        metrics.RELAY_MAILS.add(relay.name, by=relay.mails - self.counted.get(relay.name, 0))
        self.counted[relay.name] = relay.mails
