"""Open connections are bounded: by number, by client, and by what a peer leaves unread."""

import asyncio
import resource
import socket
import subprocess
import sys

import pytest
import structlog

from consumers.app.web import protocol
from consumers.app.web.connection_limits import ConnectionLimits, bounded_by_files
from consumers.app.web.protocol import PIPELINE_MAX
from consumers.app.web.proxies import TrustedProxies
from tests.consumers.app.test_protocol import WHOLE, answer, end_of, serving
from tests.support.waiting import until

BIG = 8 << 20
"""More than the buffers of two sockets take."""


async def large(scope, receive, send):
    head = [(b"content-length", b"%d" % BIG)]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"x" * BIG})


async def small(scope, receive, send):
    head = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"ok"})


def not_reading(address):
    """A connection with small buffers that is never read."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(address)
    return peer


async def test_a_peer_that_does_not_read_is_dropped_and_others_are_served(monkeypatch, caplog):
    """No dropped connection leaves a traceback: thousands at once would hold the process up."""
    limits, patience_s = ConnectionLimits(), protocol.UNREAD_TIMEOUT_S
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", 0.05)
    async with serving(large, limits) as (_, address):
        with structlog.testing.capture_logs() as logs:
            peers = [not_reading(address) for _ in range(20)]
            await until(lambda: limits.open == 20)
            for peer in peers:
                peer.sendall(WHOLE * 100)
            await until(lambda: limits.open == 0)
        monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", patience_s)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(WHOLE)
        status, body = await answer(reader)
        writer.close()
    assert (status, len(body)) == (200, BIG)
    assert [line["event"] for line in logs] == ["connections_dropped"]
    assert logs[0]["unread"] == 1
    assert "Exception in ASGI application" not in caplog.text
    for peer in peers:
        peer.close()


async def test_a_slow_peer_that_goes_on_reading_gets_the_whole_answer():
    """Each look of the server comes after a piece was read, however long that took."""
    async with serving(large) as (server, address):
        reader, writer = await asyncio.open_connection(*address, limit=64 << 10)
        writer.write(WHOLE)
        await until(lambda: server.server_state.connections)
        [connection] = server.server_state.connections
        await until(lambda: connection.unread_check)
        await reader.readuntil(b"\r\n\r\n")
        unread = connection.transport.get_write_buffer_size
        looks, got = 0, 0
        while before := unread():
            while unread() and before - unread() < 16 << 10:
                got += len(await reader.read(64 << 10))
            if unread():
                connection.check_unread(before)
                looks += 1
        await reader.readexactly(BIG - got)
        writer.close()
    assert looks > 1


async def test_what_waits_behind_an_unread_answer_is_bounded(monkeypatch):
    """One read of the socket may hold thousands of requests; each costs more than its bytes."""
    waiting = []
    real = protocol.BoundedHttpProtocol.data_received

    def noted(self, data):
        real(self, data)
        waiting.append(len(self.pipeline))

    monkeypatch.setattr(protocol.BoundedHttpProtocol, "data_received", noted)
    async with serving(small) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(WHOLE * 5 * PIPELINE_MAX)
        said = await end_of(reader)
        writer.close()
    assert 0 < said.count(b"HTTP/1.1 200") <= max(waiting) + 1 <= PIPELINE_MAX + 1
    assert said.count(b"connection: close") == 1


async def test_the_system_holds_little_of_what_a_peer_does_not_read():
    """Its own buffers would take megabytes for each peer, and the time to copy them."""
    async with serving(large) as (server, address):
        with not_reading(address) as peer:
            peer.sendall(WHOLE)
            await until(
                lambda: any(one.flow.write_paused for one in server.server_state.connections)
            )
            [connection] = server.server_state.connections
            assert BIG - connection.transport.get_write_buffer_size() < 256 << 10


async def test_a_connection_too_many_is_told_so_and_a_closed_one_makes_room():
    limits = ConnectionLimits(most=3)
    async with serving(small, limits) as (_, address):
        held = [await asyncio.open_connection(*address) for _ in range(3)]
        await until(lambda: limits.open == 3)
        reader, writer = await asyncio.open_connection(*address)
        said = await end_of(reader)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nx-content-type-options: nosniff\r\n" in said
        held.pop()[1].close()
        await until(lambda: limits.open == 2)
        reader, other = await asyncio.open_connection(*address)
        other.write(WHOLE)
        assert await answer(reader) == (200, b"ok")
        for closing in (writer, other, *(one for _, one in held)):
            closing.close()
        await until(lambda: limits.open == 0)
    assert not limits.by_client


@pytest.mark.parametrize(
    ("peers", "admitted"),
    [
        (["203.0.113.9"] * 4, 2),
        ([f"2001:db8:0:7::{n}" for n in range(4)], 2),
        ([f"2001:db8:0:{n}::1" for n in range(4)], 4),
        ([f"203.0.113.{n}" for n in range(4)], 4),
        (["127.0.0.1"] * 4, 4),
        (["::1"] * 4, 4),
        (["::ffff:127.0.0.1"] * 4, 4),
        (["10.9.0.1"] * 4, 4),
    ],
    ids=["one", "household", "sites", "many", "loopback", "loopback6", "mapped", "proxy"],
)
def test_one_client_has_a_share_and_proxies_and_loopback_have_none(peers, admitted):
    limits = ConnectionLimits(100, 2, TrustedProxies.parse("10.9.0.1"))
    said = [(peer, limits.admit(peer)) for peer in peers]
    assert [got for _, got in said].count(True) == admitted
    for peer, got in said:
        if got:
            limits.release(peer)
    assert (limits.open, +limits.by_client) == (0, {})


def test_dropped_connections_are_counted_in_one_line_a_minute(clock):
    limits = ConnectionLimits(0, clock=clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(500):
            limits.admit("203.0.113.9")
        clock.advance(61)
        limits.admit("203.0.113.9")
    assert [line["all"] for line in logs] == [1, 500]
    assert "203.0.113.9" not in str(logs)


def test_files_are_left_for_everything_else():
    assert bounded_by_files(4096, 1024) == 768
    assert bounded_by_files(4096, 1 << 20) == 4096
    assert bounded_by_files(4096, 64) == 32
    assert bounded_by_files(4096, resource.RLIM_INFINITY) == 4096


def test_the_limit_of_open_files_is_raised():
    """In a process of its own: a hard limit can't be raised again."""
    script = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (300, 700))\n"
        "from consumers.app.web.connection_limits import raise_file_limit\n"
        "assert raise_file_limit() == 700\n"
        "assert r.getrlimit(r.RLIMIT_NOFILE) == (700, 700)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "file_limit_raised" in ran.stdout


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: evil.example\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ],
    ids=["one", "none", "twice", "two", "old", "old-two"],
)
async def test_a_request_names_one_host(head, status):
    async with serving(small) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(head)
        assert (await answer(reader))[0] == status
        writer.close()
