"""A service that is started before its bus: it says so, waits, and works once there is a leader."""

import pytest

from tests.support.loa_process import wait_until
from tests.support.nats_cluster import NatsCluster
from tests.support.split_loa import SplitLoa

SERVERS = ("n1", "n2", "n3")
WAITING, REFUSED_START = "bus_awaited", 3


@pytest.fixture
def servers(tmp_path):
    """A cluster none of whose servers runs yet."""
    cluster = NatsCluster(tmp_path / "bus")
    for name in SERVERS:
        cluster.add(name)
    yield cluster
    cluster.end()


@pytest.fixture
def loa(tmp_path, servers):
    with SplitLoa(tmp_path, NATS_URL=servers.url, NATS_REPLICAS=3, HTTP_PORT=0) as loa:
        yield loa


def test_a_start_waits_for_a_server_and_for_a_leader(loa, servers):
    intake = loa.begin("intake")
    wait_until(lambda: intake.logged("bus_asked_again"), "the first line")
    servers.start("n1")
    waiting = wait_until(lambda: intake.logged(WAITING), "the line about no leader")
    assert waiting["reason"] and not intake.logged("ready")
    for name in SERVERS[1:]:
        servers.start(name)
    assert intake.url
    assert intake.stop() == 0


def test_a_stop_ends_the_wait(loa):
    intake = loa.begin("intake")
    wait_until(lambda: intake.logged("bus_asked_again"), "the first line")
    assert intake.stop() == 0
    assert '"level": "error"' not in intake.log.read_text()


def test_a_wrong_password_ends_the_start(loa, servers):
    servers.start("n1")
    intake = loa.begin("intake", LOA_NATS_URL=servers.url.replace("loa:loa@", "loa:khac@"))
    assert intake.process.wait(300) == REFUSED_START
    assert "LOA_NATS_URL" in intake.log.read_text()
