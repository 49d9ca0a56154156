"""`loa doctor` on a cluster: well, a server that is away, replicas too few, streams that grow."""

import asyncio
import signal
from contextlib import asynccontextmanager

import pytest

from consumers.doctor.services import examine_bus
from contracts import subjects
from producers.bus import Bus, topology
from producers.bus.server_check import absent_servers, poll_servers
from tests.support.cli import InProcessCli, json_output
from tests.support.nats_cluster import PATIENCE_S, TAG, started_cluster


async def examined(bus, replicas=3):
    @asynccontextmanager
    async def connect():
        yield bus

    return [one async for one in examine_bus(connect, is_own=False, replicas=replicas)]


async def until_found(bus, code):
    """The finding *code*, as soon as the cluster knows it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for finding in await examined(bus):
                if finding.code == code:
                    return finding
            await asyncio.sleep(0.2)


async def test_a_whole_cluster_is_well_and_a_lost_server_is_named_until_it_is_back(
    cluster, cluster_bus
):
    well = await until_found(cluster_bus, "bus_replicas_ok")
    assert f"{len(topology.stream_names())} streams on 3 servers" in well.message
    assert {one.name for one in await poll_servers(cluster_bus)} == {"n1", "n2", "n3"}
    cluster.servers["n2"].kill()
    away = await until_found(cluster_bus, "bus_server_away")
    assert "n2" in away.message and "n2" in away.message_vi
    async with asyncio.timeout(PATIENCE_S):
        while await absent_servers(cluster_bus) != ["n2"]:
            await asyncio.sleep(0.2)
    cluster.replace_by_empty("n2")
    await cluster.until_all_current(cluster_bus)
    await until_found(cluster_bus, "bus_replicas_ok")
    assert await absent_servers(cluster_bus) == []


async def test_too_few_replicas_are_named(cluster_bus):
    found = await examined(cluster_bus, replicas=5)
    [few] = [one for one in found if one.code == "bus_replicas_few"]
    assert "fewer than 5 replicas: CONTENT" in few.message


@pytest.fixture
def two_of_three(tmp_path):
    """A cluster of which two servers have TAG."""
    with started_cluster(tmp_path, tagged=(1, 2)) as running:
        yield running


async def grow_in_vain(cluster, bus, stream):
    """Let *stream* grow onto a server that is lost meanwhile; its name."""
    await topology.delete_stream(bus, stream)
    config = topology.wanted_configs()[stream] | {"placement": {"tags": [TAG]}}
    await bus.connection.repeatable_api_request(f"STREAM.CREATE.{stream}", config)
    [lost] = {"n1", "n2"} - {await cluster.leader_of(bus, stream)}
    cluster.servers[lost].send(signal.SIGSTOP)
    call = f"STREAM.UPDATE.{stream}"
    grown = config | {"num_replicas": 2}
    await bus.connection.repeatable_api_request(call, grown, patience_s=PATIENCE_S)
    cluster.servers[lost].kill()
    return lost


async def test_apply_and_doctor_name_a_stream_that_grows_until_it_has_grown(two_of_three, tmp_path):
    cluster, stream = two_of_three, subjects.DEAD.name
    loa = InProcessCli({"LOA_NATS_URL": cluster.url, "LOA_DATA_DIR": str(tmp_path / "data")})
    async with await Bus.connect(cluster.url, name="test", replicas=3) as bus:
        await topology.apply(bus)
        await cluster.until_all_current(bus)
        lost = await grow_in_vain(cluster, bus, stream)
        applied = await loa("bus", "apply", "--json")
        [left] = json_output(applied)["left"]
        assert stream in left["message"] and stream in left["message_vi"]
        cluster.start(lost)
        await cluster.until_current(bus, stream, replicas=2)
        while "bus_growing" in {one.code for one in await examined(bus, replicas=2)}:
            await asyncio.sleep(0.2)
        assert json_output(await loa("bus", "apply", "--json"))["left"] == []
