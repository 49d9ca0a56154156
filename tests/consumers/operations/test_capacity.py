"""A stream that fills up is told of in time: in the log, and in /readyz."""

import os

import pytest
import structlog
from starlette.testclient import TestClient

from consumers.app.web.health import health_app
from consumers.operations.capacity import CapacityMonitor
from producers.bus import topology

KIB = 1024


async def limit(bus, stream, max_bytes):
    config = (await bus.stream_info(stream))["config"] | {"max_bytes": max_bytes}
    await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{stream}", config)


async def put(bus, size):
    await bus.publish("dead.intake", os.urandom(size))


async def told(room):
    with structlog.testing.capture_logs() as logs:
        await room.check()
    return [(one["log_level"], one["stream"]) for one in logs if one["event"] == "stream_filling"]


@pytest.fixture
def capacity_monitor(bus, clock):
    return CapacityMonitor(bus, clock)


async def test_nothing_is_said_of_what_has_room(capacity_monitor):
    assert await told(capacity_monitor) == []
    assert capacity_monitor.filling_streams == {}


async def test_a_filling_stream_is_told_once_an_hour_and_at_once_if_serious(bus, capacity_monitor):
    await put(bus, 85 * KIB)
    await limit(bus, "DEAD", 100 * KIB)
    assert await told(capacity_monitor) == [("warning", "DEAD")]
    assert 80 <= capacity_monitor.filling_streams["DEAD"] < 95
    capacity_monitor.clock.advance(3599)
    assert await told(capacity_monitor) == []
    await put(bus, 12 * KIB)
    assert await told(capacity_monitor) == [("error", "DEAD")]
    capacity_monitor.clock.advance(3599)
    assert await told(capacity_monitor) == []
    capacity_monitor.clock.advance(2)
    assert await told(capacity_monitor) == [("error", "DEAD")]
    await limit(bus, "DEAD", 1000 * KIB)
    assert (await told(capacity_monitor), capacity_monitor.filling_streams) == ([], {})


async def test_buckets_are_looked_at_like_streams(bus, capacity_monitor):
    await bus.bucket("followers").put("1", os.urandom(90 * KIB))
    await limit(bus, "KV_followers", 100 * KIB)
    assert await told(capacity_monitor) == [("warning", "KV_followers")]


async def test_every_stream_and_bucket_has_a_limit_to_be_measured_by(bus):
    for name in topology.stream_names():
        assert (await bus.stream_info(name))["config"]["max_bytes"] > 0, name


@pytest.mark.parametrize(("percent", "status"), [(80, "ok"), (94, "ok"), (95, "degraded")])
def test_readyz_names_it_and_is_ready_all_the_same(percent, status):
    answer = TestClient(health_app({}, filling=lambda: {"RECEIPTS": percent})).get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": status, "failing": {}, "filling": {"RECEIPTS": percent}}
