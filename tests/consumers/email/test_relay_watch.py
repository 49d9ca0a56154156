"""What `loa status` and the metrics learn of a relay that is left out."""

from channels.errors import Unreachable
from consumers.channel_health.destinations import Destination, load_destinations, write_destination
from consumers.email.relay_watch import RelayWatch
from contracts.delivery import ChannelName
from producers import metrics
from tests.support.mails import email_channel
from tests.support.relays_file import write_relays


def value(name: str, relay: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"relay": relay})


async def test_a_relay_that_is_left_out_is_named_until_it_is_back(bus, tmp_path):
    file = write_relays(tmp_path, watch_a={"port": 1}, watch_b={"port": 2})
    pool = email_channel(relays_file=file).pool
    watch, (gone, well) = RelayWatch(bus, pool), pool.relays
    await write_destination(bus, ChannelName.EMAIL, Destination(to="the relay a"))

    async def told() -> list[tuple[str, str]]:
        await watch.look()
        destination = (await load_destinations(bus))[ChannelName.EMAIL]
        assert destination.to == "the relay a"
        return [(one.name, one.reason) for one in destination.relays_out]

    assert await told() == []
    pool.mark_away(gone, Unreachable("timeout"))
    well.mails += 3
    assert await told() == [("watch-a", "timeout")]
    assert (value("loa_relay_out", "watch-a"), value("loa_relay_out", "watch-b")) == (1, 0)
    assert await told() == [("watch-a", "timeout")]
    assert value("loa_relay_mails_total", "watch-b") == 3
    pool.mark_back(gone)
    assert await told() == []
    assert value("loa_relay_out", "watch-a") == 0
