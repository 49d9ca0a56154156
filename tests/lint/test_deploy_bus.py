"""deploy/nats.conf runs a bus that Loa accepts: it fsyncs, and has room for every stream."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from contracts import subjects
from producers.bus import Bus, server_check, topology
from tests.support.compose_files import NATS_CONF

BIN = Path(sys.executable).parent


@pytest.fixture
def nats_conf(tmp_path):
    """deploy/nats.conf with its store in a scratch folder and its doors on loopback."""
    store = re.search(r"store_dir: (\S+)", NATS_CONF)[1]
    conf = NATS_CONF.replace(f"store_dir: {store}", f'store_dir: "{tmp_path}"')
    (tmp_path / "nats.conf").write_text(conf.replace("0.0.0.0:", "127.0.0.1:"))
    return tmp_path / "nats.conf"


def written_ports(server: subprocess.Popen[str], folder: Path) -> dict[str, list[str]]:
    """The server writes its ports file about when it says that it is ready, maybe after."""
    while server.poll() is None:
        with suppress(StopIteration, ValueError):
            return json.loads(next(folder.glob("*.ports")).read_text())
        time.sleep(0.005)
    raise AssertionError("nats-server ended")


@pytest.fixture
def running_bus(nats_conf):
    """Addresses (nats, monitoring) of a real nats-server that runs deploy/nats.conf."""
    folder = nats_conf.parent
    server = subprocess.Popen(
        [BIN / "nats-server", "-c", nats_conf, "-p", "-1", "-m", "-1", "--ports_file_dir", folder],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any("Server is ready" in line for line in server.stderr)
        yield written_ports(server, folder)
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_nats_accepts_its_configuration(nats_conf):
    answer = subprocess.run(
        [BIN / "nats-server", "-t", "-c", nats_conf], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_the_running_bus_fsyncs_always_and_has_room_for_every_stream(running_bus):
    monitor = next(url for url in running_bus["monitoring"] if "127.0.0.1" in url)
    with urllib.request.urlopen(f"{monitor}/jsz?config=true", timeout=5) as answer:
        config = json.load(answer)["config"]
    assert config["sync_always"] is True
    promised = sum(kept.max_bytes for kept in (*subjects.STREAMS, *subjects.BUCKETS))
    assert config["max_storage"] >= promised


async def test_loa_accepts_the_bus_of_the_stack_and_builds_its_streams_there(running_bus):
    async with await Bus.connect(running_bus["nats"][0], name="test") as bus:
        await server_check.verify(bus)
        await topology.apply(bus)
        for stream in subjects.STREAMS:
            assert (await bus.stream_info(stream.name))["config"]["name"] == stream.name
