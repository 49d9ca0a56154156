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
from urllib.parse import urlsplit

import pytest

from producers.access import without_password
from producers.bus import AccessRefused, Bus, NoReply, topology
from producers.bus.errors import UnfitServer
from producers.bus.monitoring_endpoint import fetch_page, health_problem
from producers.bus.publish import publish_once
from producers.bus.server_check import verify
from producers.bus_access.unit_accounts import UnitAccount
from producers.errors import ServerFailed, StoreBusy
from producers.nats_server import PASSWORD_FILE, NatsServer, find_binary
from tests.support.frozen_process import freeze
from tests.support.unit_keys import create_unit_key
from tests.support.waiting import until

UNIT, OTHER = "van-phong-bo", "vu-phap-che"
EVENTS = f"content.{UNIT}.submitted"
PATIENCE_S = 60.0

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
    where = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((where.hostname, where.port)) == 0


async def test_it_listens_on_loopback_and_stops_when_told(tmp_path):
    folder = tmp_path / 'dữ liệu "loa"'
    async with NatsServer(folder) as server:
        assert without_password(server.url).startswith("nats://127.0.0.1:")
        assert server.monitor_url.startswith("http://127.0.0.1:")
        assert listening(server.url)
        url = server.url
    assert not listening(url)
    assert (folder / "nats.log").read_text()


async def test_it_listens_on_the_port_it_is_given(tmp_path):
    async with NatsServer(tmp_path / "one") as server:
        port = int(server.url.rpartition(":")[2])
    async with NatsServer(tmp_path / "two", port) as server:
        assert without_password(server.url) == f"nats://127.0.0.1:{port}"


def password_of(server):
    return urlsplit(server.url).password


async def test_a_client_without_the_password_is_refused_at_once(tmp_path):
    async with NatsServer(tmp_path) as server:
        for url in (without_password(server.url), server.url.replace(password_of(server), "0")):
            with pytest.raises(AccessRefused, match="Authorization Violation"):
                await Bus.connect(url, patience_s=30)


async def test_the_password_is_in_two_files_that_only_their_owner_may_read(tmp_path, capsys):
    (tmp_path / "nats.conf").touch(mode=0o644)  # as the first version left it
    async with NatsServer(tmp_path, check_s=0.1) as server:
        password, pid = password_of(server).encode(), server.pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: server.pid != pid)
        holders = [p for p in tmp_path.rglob("*") if p.is_file() and password in p.read_bytes()]
        assert {path.name for path in holders} == {"nats.conf", PASSWORD_FILE}
        assert {path.stat().st_mode & 0o777 for path in holders} == {0o600}
        shown = (Path(f"/proc/{server.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        assert not any(password in content for content in shown)
        assert password not in repr(server._setup).encode()
    log = "".join(capsys.readouterr())
    assert "nats_server_started" in log and "nats_password_made" in log
    assert password.decode() not in log


async def test_a_password_is_made_once_and_again_after_a_torn_write(tmp_path):
    passwords = []
    for _ in range(3):
        async with NatsServer(tmp_path) as server:
            passwords.append(password_of(server))
        if len(passwords) == 2:
            (tmp_path / PASSWORD_FILE).write_text(passwords[0][:20])
    assert passwords[0] == passwords[1] != passwords[2]
    assert {len(password) for password in passwords} == {64}


async def test_monitoring_pages_answer_only_under_their_secret_path(tmp_path):
    async with NatsServer(tmp_path) as server:
        status, _ = await fetch_page(server.monitor_url, "/varz")
        assert status == 200
        origin, _, path = server.monitor_url.rpartition("/")
        for page in ("/", "/varz", "/connz?auth=1&subs=1", "/jsz?streams=1&config=1", "/healthz"):
            assert b" 404 " in http_answer(origin, page).splitlines()[0]
    assert path not in await health_problem(f"{origin}/{path}")


def http_answer(origin, page):
    where = urlsplit(origin)
    with socket.create_connection((where.hostname, where.port), timeout=5) as client:
        client.sendall(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


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


async def test_what_is_loaded_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    synced, fsync = set[str](), os.fsync

    def noted(handle: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    async with NatsServer(tmp_path, check_s=0.1) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        async with server.loading():
            await bus.publish("dead.intake", b"1", msg_id="1")
            with pytest.raises(UnfitServer, match="not always"):
                await verify(bus, (server.monitor_url,))
            synced.clear()
            monkeypatch.setattr(os, "fsync", noted)
        blocks = {str(path) for path in tmp_path.rglob("DEAD/msgs/*.blk")}
        assert blocks and blocks <= synced
        assert [m.data async for m in bus.scan("DEAD")] == [b"1"]
        await verify(bus, (server.monitor_url,))
        loaded = server.pid
        os.kill(loaded, signal.SIGKILL)
        await until(lambda: server.pid != loaded)
        await bus.publish("dead.intake", b"2", msg_id="2")


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
    monkeypatch.setattr("producers.nats_server.IDLE_TIMEOUT_S", 1.5)
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
    await asyncio.wait_for(server.stop(), 60)


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
    await until(lambda: not Path(f"/proc/{child['pid']}").exists())
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


async def test_a_unit_is_let_in_at_once_and_after_a_kill_and_a_new_start(tmp_path):
    key, other = (create_unit_key(tmp_path, unit) for unit in (UNIT, OTHER))
    async with NatsServer(tmp_path / "nats", check_s=0.1) as server:
        async with await Bus.connect(server.url) as bus:
            await topology.apply(bus, [UNIT, OTHER])
        await server.admit_units([key.account])
        async with key.connected(server.url) as unit:
            await publish_once(unit.connection, EVENTS, b"1", {}, PATIENCE_S)
            await server.admit_units([key.account, other.account])
            await unit.publish(EVENTS, b"2")
            os.kill(server.pid, signal.SIGKILL)
            await unit.publish(EVENTS, b"3")
    async with (
        NatsServer(tmp_path / "nats") as server,
        key.connected(server.url) as unit,
        await Bus.connect(server.url) as bus,
    ):
        await publish_once(unit.connection, EVENTS, b"4", {}, PATIENCE_S)
        assert [one.data async for one in bus.scan(f"IN_{UNIT}")] == [b"1", b"2", b"3", b"4"]


async def test_a_revoked_key_is_refused_and_the_units_other_key_is_not(tmp_path):
    old, new = (create_unit_key(tmp_path, UNIT) for _ in range(2))
    async with NatsServer(tmp_path / "nats") as server:
        async with await Bus.connect(server.url) as bus:
            await topology.apply(bus, [UNIT])
        await server.admit_units([UnitAccount(UNIT, (old.public, new.public))])
        async with old.connected(server.url) as unit:
            await unit.publish(EVENTS, b"1")
        async with new.connected(server.url) as after:
            await server.admit_units([new.account])
            with pytest.raises(AccessRefused):
                async with old.connected(server.url):
                    pass
            await publish_once(after.connection, EVENTS, b"2", {}, PATIENCE_S)
        await server.admit_units([UnitAccount(UNIT)])
        with pytest.raises(AccessRefused):
            async with new.connected(server.url):
                pass
        assert server.admitted_units == (UnitAccount(UNIT),)


async def test_a_key_that_the_server_refuses_changes_nothing(tmp_path, monkeypatch):
    key = create_unit_key(tmp_path, UNIT)
    async with NatsServer(tmp_path / "nats") as server:
        async with await Bus.connect(server.url) as bus:
            await topology.apply(bus, [UNIT])
        await server.admit_units([key.account])
        monkeypatch.setattr("producers.nats_server._RELOAD_TIMEOUT_S", 0.3)
        with pytest.raises(NoReply):
            await server.admit_units([key.account, UnitAccount(OTHER, ("U" + "A" * 55,))])
        assert server.admitted_units == (key.account,)
    async with NatsServer(tmp_path / "nats") as server, key.connected(server.url) as unit:
        await publish_once(unit.connection, EVENTS, b"1", {}, PATIENCE_S)


async def test_the_store_of_an_earlier_version_is_taken_over(tmp_path, capsys):
    async with NatsServer(tmp_path) as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus)
        await bus.publish("dead.intake", b"1")
    streams = tmp_path / "jetstream"
    (streams / "LOA").rename(streams / "$G")  # where a server without accounts has them
    capsys.readouterr()
    async with NatsServer(tmp_path) as server, await Bus.connect(server.url) as bus:
        assert (await bus.get_message("DEAD", 1)).data == b"1"
    assert "nats_store_moved" in capsys.readouterr().out
    (streams / "$G" / "streams" / "DEAD").mkdir(parents=True)
    with pytest.raises(ServerFailed, match="both hold streams"):
        async with NatsServer(tmp_path):
            pass
