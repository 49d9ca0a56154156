"""Reports on relays in `loa status` and the metrics, and the sharing of limits by workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.relays import Portion
from channels.email.smtp.pool import ConnectionPool
from channels.errors import Busy, Unreachable
from consumers.email.relay_reports import RelayReports, load_relay_reports
from consumers.email.relay_watch import RelayWatch
from consumers.status.reader import StatusReader
from contracts.delivery import ChannelName
from producers import metrics
from tests.support.clock import FakeClock
from tests.support.mails import email_channel
from tests.support.relays_file import write_relays

LIMITS = {"port": 1, "connections": 8, "mails_per_s": 30, "connections_per_domain": 4}


def value(name: str, relay: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"relay": relay})


class Workers:
    """Watches of workers, each with a pool of its own."""

    def __init__(self, bus, file) -> None:
        self.bus, self.file, self.clock = bus, file, FakeClock()

    def start(self, name: str) -> RelayWatch:
        pool = email_channel(relays_file=self.file).pool
        pool.use_portion(None)
        return RelayWatch(self.bus, pool, name, self.clock)

    async def relays_out(self) -> list[tuple[str, str]]:
        report = await StatusReader(self.bus, self.clock).report(at_work=False)
        return [(one.name, one.reason) for one in report.channels[ChannelName.EMAIL].relays_out]


@pytest.fixture
def workers(bus, tmp_path):
    return Workers(bus, write_relays(tmp_path, watch_a=LIMITS, watch_b=LIMITS))


async def test_a_relay_that_is_left_out_is_named_until_it_is_back(workers):
    watch = workers.start("w")
    gone, well = watch.pool.relays

    async def told() -> list[tuple[str, str]]:
        await watch.look()
        return await workers.relays_out()

    assert await told() == []
    watch.pool.mark_away(gone, Unreachable("timeout"))
    well.mails += 3
    assert await told() == [("watch-a", "timeout")]
    assert (value("loa_relay_out", "watch-a"), value("loa_relay_out", "watch-b")) == (1, 0)
    assert await told() == [("watch-a", "timeout")]
    assert value("loa_relay_mails_total", "watch-b") == 3
    watch.pool.mark_back(gone)
    assert await told() == []
    assert value("loa_relay_out", "watch-a") == 0


async def test_a_relay_of_the_file_is_named_with_its_address_and_the_file(workers):
    watch = workers.start("w")
    gone = watch.pool.relays[0]
    watch.pool.mark_away(gone, Unreachable("timeout"))
    await watch.look()
    report = await StatusReader(workers.bus, workers.clock).report(at_work=False)
    [one] = report.channels[ChannelName.EMAIL].relays_out
    address = f"{gone.settings.host}:{gone.settings.port}"
    assert (one.address, one.variable) == (address, "LOA_EMAIL_RELAYS_FILE")


async def test_what_a_dead_worker_left_out_is_forgotten_and_the_others_stands(workers):
    dies, lives = workers.start("dies"), workers.start("lives")
    for watch, relay in ((dies, 0), (lives, 1)):
        watch.pool.mark_away(watch.pool.relays[relay], Unreachable("timeout"))
        await watch.look()
    assert [name for name, _ in await workers.relays_out()] == ["watch-a", "watch-b"]
    for _ in range(4):
        workers.clock.advance(5)
        await lives.look()
    assert [name for name, _ in await workers.relays_out()] == ["watch-b"]
    assert set((await load_relay_reports(workers.bus)).workers) == {"lives"}
    workers.clock.advance(60)
    assert await workers.relays_out() == [], "no worker is alive"


async def test_workers_share_the_limits_of_relays_and_a_dead_one_s_go_to_the_others(workers):
    first, second, third = watches = [workers.start(name) for name in ("a", "b", "c")]
    await first.look()
    assert used(first.pool) == (8, 30, 4), "alone it has all"
    for watch in watches:
        await watch.look()
    assert [used(watch.pool)[0] for watch in watches] == [8, 0, 0]
    with pytest.raises(Busy):  # the first may still use all until it has looked again
        await third.pool.acquire()
    workers.clock.advance(6)
    for watch in watches:
        await watch.look()
    assert [used(watch.pool) for watch in watches] == [(3, 10, 2), (3, 10, 1), (2, 10, 1)]
    for _ in range(4):
        workers.clock.advance(5)
        for watch in (first, second):
            await watch.look()
    assert [used(watch.pool) for watch in (first, second)] == [(4, 15, 2)] * 2
    again = workers.start("b")
    await again.look()
    assert used(again.pool)[0] == 4, "a restarted worker takes its portion at once"


def used(pool: ConnectionPool) -> tuple[int, float | None, int | None]:
    """The limits of one relay as the process has them."""
    relay = pool.relays[0]
    return relay.connections, relay.mails_per_s, relay.connections_per_domain


async def test_a_relay_that_variables_set_up_is_not_shared(bus):
    pool = email_channel().pool
    await RelayWatch(bus, pool, "w", FakeClock()).look()
    assert used(pool)[0] == 9
    assert (await load_relay_reports(bus)).workers == {}


async def test_a_report_is_written_again_only_where_it_says_something_new(workers):
    watch = workers.start("w")
    await watch.look()
    before = await load_relay_reports(workers.bus)
    workers.clock.advance(4)
    await watch.look()
    assert await load_relay_reports(workers.bus) == before
    workers.clock.advance(4)
    await watch.look()
    assert await load_relay_reports(workers.bus) != before


@given(st.integers(1, 64), st.integers(1, 12))
def test_the_parts_of_all_are_the_whole(limit, workers):
    parts = [Portion(number, workers).part(limit) for number in range(workers)]
    assert sum(parts) == max(limit, workers)
    assert max(parts) - min(parts) <= 1


@given(st.lists(st.sets(st.sampled_from("abcd")), min_size=1, max_size=12))
def test_all_workers_together_never_have_more_than_the_limits(rounds):
    """In each round of 9 s other workers run; each looks as it starts and every 2 s, in its turn.

    After a quiet time those of the last round have all of it.
    """
    reports, held, now = RelayReports(), dict[str, Portion | None](), 0.0
    for running in [*rounds, *[rounds[-1]] * 4]:
        held = {name: held.get(name) for name in running}
        for step in range(9):
            now += 1
            due = [n for n in sorted(running) if (ord(n) + step) % 2 == 0 or step == 0]
            for name in due:
                reports = reports.with_report(name, (), now)
                held[name] = reports.portion_of(name, now)
            assert sum(portion.part(64) for portion in held.values() if portion) <= 64
    assert not rounds[-1] or sum(portion.part(64) for portion in held.values()) == 64
