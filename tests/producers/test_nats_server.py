"""The embedded server: alone on its store, watched, and gone with its parent."""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from producers.bus import Bus, topology
from producers.errors import ServerFailed, StoreBusy
from producers.nats_server import NatsServer, find_binary
from tests.support.frozen_process import freeze
from tests.support.waiting import until

PARENT = """
import asyncio, json, sys
from pathlib import Path
from producers.nats_server import NatsServer

async def main():
    async with NatsServer(Path(sys.argv[1])) as server:
        said = {"pid": server.pid, "url": server.url}
        print(json.dumps(said), file=sys.stderr, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def listening(url):
    host, port = url.removeprefix("nats://").split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


async def test_it_listens_on_loopback_and_stops_when_told(tmp_path):
    folder = tmp_path / 'dữ liệu "loa"'
    async with NatsServer(folder) as server:
        assert server.url.startswith("nats://127.0.0.1:")
        assert server.monitor_url.startswith("http://127.0.0.1:")
        assert listening(server.url)
        url = server.url
    assert not listening(url)
    assert (folder / "nats.log").read_text()


async def test_it_listens_on_the_port_it_is_given(tmp_path):
    async with NatsServer(tmp_path / "one") as server:
        port = int(server.url.rpartition(":")[2])
    async with NatsServer(tmp_path / "two", port) as server:
        assert server.url == f"nats://127.0.0.1:{port}"


async def test_a_taken_port_is_told_in_the_servers_own_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = NatsServer(tmp_path, taken.getsockname()[1])
        with pytest.raises(ServerFailed, match="address already in use"):
            await server.start()
    async with NatsServer(tmp_path):
        pass


async def test_a_binary_that_does_nothing_is_no_server(tmp_path):
    with pytest.raises(ServerFailed, match="did not start"):
        await NatsServer(tmp_path, binary=Path("/bin/true")).start()


async def test_a_second_server_on_the_same_store_is_refused(tmp_path):
    async with NatsServer(tmp_path) as first:
        with pytest.raises(StoreBusy, match=str(os.getpid())):
            await NatsServer(tmp_path).start()
        assert listening(first.url)
    async with NatsServer(tmp_path):
        pass


async def test_a_killed_server_comes_back_on_its_port_with_its_data(tmp_path):
    async with NatsServer(tmp_path, check_s=0.1) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        before = server.url, server.pid
        await bus.publish("dead.intake", b"1", msg_id="1")
        os.kill(server.pid, signal.SIGKILL)
        await bus.publish("dead.intake", b"2", msg_id="2")
        assert server.url == before[0]
        assert server.pid != before[1]
        assert [m.data async for m in bus.scan("DEAD")] == [b"1", b"2"]


async def test_a_server_that_hangs_is_replaced(tmp_path):
    async with NatsServer(tmp_path, check_s=0.1) as server:
        hung = server.pid
        freeze(hung)
        await until(lambda: server.pid != hung)
        assert listening(server.url)
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)


async def test_a_server_that_cannot_write_is_replaced_and_nothing_is_lost(tmp_path):
    """After a write error a stream stays silent until a restart, even when there is room again."""
    async with NatsServer(tmp_path, check_s=0.1) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        await bus.publish("dead.intake", b"1")
        stuck = server.pid
        resource.prlimit(stuck, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        await bus.publish("dead.intake", bytes(5000), msg_id="2", timeout_s=0.5)
        assert [len(m.data) async for m in bus.scan("DEAD")] == [1, 5000]
        assert server.pid != stuck


def server_after(folder, commands):
    """A nats-server that first runs *commands*."""
    binary = folder / "server"
    binary.write_text(f'#!/bin/sh\n{commands}\nexec {find_binary()} "$@"\n')
    binary.chmod(0o755)
    return binary


async def test_a_server_that_starts_slowly_is_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("producers.nats_server.SLOW_START_S", 0.1)
    binary = server_after(tmp_path, "sleep 1")
    async with NatsServer(tmp_path / "nats", binary=binary, check_s=0.1) as server:
        assert listening(server.url)
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: capsys.readouterr().out.count("nats_server_slow"))
        await until(lambda: listening(server.url))


async def test_a_server_that_hangs_while_it_starts_is_started_once_more(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.nats_server.IDLE_TIMEOUT_S", 0.3)
    monkeypatch.setattr("producers.nats_server.RESTART_PAUSE_S", 0.05)
    starts = tmp_path / "starts"
    hang = f"echo >> {starts}\n[ $(wc -l < {starts}) = 2 ] && kill -STOP $$"
    binary = server_after(tmp_path, hang)
    async with NatsServer(tmp_path / "nats", binary=binary, check_s=0.1) as server:
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: len(starts.read_text().splitlines()) == 3)
        await until(lambda: listening(server.url))


async def test_a_hanging_server_does_not_keep_us_from_stopping(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.nats_server.STOP_TIMEOUT_S", 0.2)
    server = NatsServer(tmp_path)
    await server.start()
    freeze(server.pid)
    await asyncio.wait_for(server.stop(), 5)


async def test_it_waits_for_its_port_while_another_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr("producers.nats_server.RESTART_PAUSE_S", 0.05)
    async with NatsServer(tmp_path, check_s=0.1) as server:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server._ports = server._ports._replace(client=taken.getsockname()[1])
            os.kill(server.pid, signal.SIGKILL)
            log = tmp_path / "nats.log"
            await until(lambda: "address already in use" in log.read_text())
        await until(lambda: server.url.endswith(f":{server._ports.client}"))
        assert listening(server.url)


def start_parent(store):
    command = [sys.executable, "-c", PARENT, str(store)]
    parent = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return parent, json.loads(parent.stderr.readline())


async def test_the_server_dies_with_a_killed_parent_and_frees_the_store(tmp_path):
    parent, child = start_parent(tmp_path)
    with parent:
        assert listening(child["url"])
        with pytest.raises(StoreBusy, match=str(parent.pid)):
            await NatsServer(tmp_path).start()
        parent.kill()
    await until(lambda: not Path(f"/proc/{child['pid']}").exists(), 5)
    async with NatsServer(tmp_path) as server:
        assert listening(server.url)


async def test_an_orphan_that_still_runs_keeps_the_store(tmp_path):
    """Where a server can outlive its parent, the lock must outlive it too."""
    async with NatsServer(tmp_path) as server:
        os.close(server._lock)  # what the kernel does when the parent is killed
        with pytest.raises(StoreBusy):
            await NatsServer(tmp_path).start()
        server._lock = os.open(os.devnull, os.O_RDONLY)


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(tmp_path):
    async with NatsServer(tmp_path) as server:
        assert os.getpgid(server.pid) != os.getpgid(0)
