"""A server that is not there: named with its address, without a password, in both languages."""

import asyncio
import gc
import socket
import struct
import warnings
from contextlib import asynccontextmanager, suppress

import pytest
import structlog
import typer
from nats.errors import ConnectionClosedError

from consumers.cli.output import explain_errors
from producers.access import Access
from producers.bus import Bus, NoReply, connection, retry
from tests.support.waiting import until

URL = "nats://loa:bi-mat@{host}"


@pytest.fixture
def lookups(monkeypatch):
    """Names that DNS does not know."""

    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


@pytest.fixture(autouse=True)
def brief_attempts(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 0.1)


async def away(host: str, patience_s: float) -> NoReply:
    with pytest.raises(NoReply) as missing:
        await Bus.connect(URL.format(host=host), patience_s=patience_s)
    return missing.value


def told(error: NoReply, capsys) -> list[str]:
    with pytest.raises(typer.Exit) as code, explain_errors():
        raise error
    assert code.value.exit_code == 3
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("patience_s", [0.05, 0.3], ids=["before the first answer", "after"])
async def test_a_name_that_does_not_exist_is_named(lookups, capsys, patience_s):
    for line in told(await away("khong-co.invalid:4222", patience_s), capsys):
        assert "nats://khong-co.invalid:4222" in line and "LOA_NATS_URL" in line
        assert "bi-mat" not in line
        assert "no machine has the name" in line or "không có máy nào mang tên" in line


async def test_a_server_that_does_not_answer_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        en, vi = told(await away(host, 0.1), capsys)
    for line in (en, vi):
        assert f"nats://{host}" in line and "LOA_NATS_URL" in line
        assert "name" not in line and "mang tên" not in line


async def test_a_refused_connection_is_told_in_words_and_whole(capsys):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    en, vi = told(await away(host, 0.1), capsys)
    assert en.endswith(f"LOA_NATS_URL: not connected to nats://{host}: Connection refused")
    assert vi.endswith(f"ghi trong LOA_NATS_URL: nats://{host}: bên kia từ chối kết nối")


async def test_a_long_absence_is_summed_up(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(retry, "_MAX_JITTER_S", 0.0)
    asked = 0

    async def ask():
        nonlocal asked
        asked += 1
        if asked <= 100:
            raise NoReply("no answer")

    with structlog.testing.capture_logs() as logs:
        await retry.retry_until(ask, 60.0, asyncio.Event())
    assert [line["attempt"] for line in logs] == [1, 2, 4, 8, 16, 32, 64]


class RefusingServer:
    """A server that is starting, or refuses us: after the first, it resets each connection."""

    def __init__(self):
        self.visits, self.resets_seen = 0, asyncio.Event()

    async def serve(self, reader, writer):
        self.visits += 1
        if self.visits == 1:
            writer.write(b'INFO {"max_payload": 1048576}\r\n')
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")
        else:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        if self.visits == 4:
            self.resets_seen.set()

    @asynccontextmanager
    async def client(self):
        """A client that has seen three resets, and keeps trying."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = connection.create_client(url, Access())
        await client.connect(url, reconnect_time_wait=0, max_reconnect_attempts=-1)
        await self.resets_seen.wait()
        yield client
        server.close()


async def test_attempts_to_reconnect_leave_no_socket_open():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with RefusingServer().client() as client:
            await client.close()
            gc.collect()
    assert [str(one.message) for one in told] == []


async def test_a_client_closes_although_what_it_had_to_send_is_refused():
    async with RefusingServer().client() as client:
        await client.subscribe("tin")
        await client.close()
        await asyncio.wait({client._reconnection_task})
    assert client.is_closed and client._transport._io_writer.is_closing()


async def test_a_start_that_is_cancelled_leaves_no_connection_open(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 60)
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload":1048576}\r\n')
        await reader.readuntil(b"PING\r\n")
        arrived.set()
        assert await reader.read() == b""
        ended.set()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        starting = asyncio.create_task(Bus.connect(f"nats://{host}:{port}", patience_s=60))
        await arrived.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        async with asyncio.timeout(5):
            await ended.wait()


INFO = b'INFO {"max_payload":1048576}\r\n'


async def sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(INFO)
    await reader.readuntil(b"PING\r\n")
    writer.write(b"PONG\r\n")


@asynccontextmanager
async def serving(serve):
    """The address of a server whose connections *serve* handles; each is closed in the end."""
    handlers = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        await serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.wait(handlers)


async def test_nothing_is_sent_to_a_server_before_the_client_has_signed_in():
    visits, back, received = 0, asyncio.Event(), asyncio.get_running_loop().create_future()

    async def greet_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        if visits == 1:
            await sign_in(reader, writer)
        else:
            back.set()
            received.set_result(await reader.read())

    async with serving(greet_once) as url:
        client = connection.create_client(url, Access())
        await client.connect(url, reconnect_time_wait=0, max_reconnect_attempts=-1)
        await back.wait()
        await until(lambda: client.is_connecting)
        await client.subscribe("tin")
        await client.close()
        async with asyncio.timeout(5):
            assert await received == b""


async def test_a_server_that_reads_nothing_does_not_hold_up_a_close():
    closed = asyncio.Event()

    async def read_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await sign_in(reader, writer)
        writer.transport.pause_reading()
        await closed.wait()
        writer.transport.abort()

    async with serving(read_no_more) as url:
        client = connection.create_client(url, Access())
        await client.connect(url)
        for _ in range(64):
            client._pending.append(bytes(1 << 20))
        async with asyncio.timeout(10):
            await client.close()
        closed.set()
    assert client.is_closed


async def test_a_first_attempt_of_a_client_that_is_closed_ends_with_an_error():
    arrived = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with serving(say_nothing) as url:
        client = connection.create_client(url, Access())
        first = asyncio.create_task(client.connect(url, max_reconnect_attempts=-1))
        await arrived.wait()
        await client.close()
        with pytest.raises(ConnectionClosedError):
            async with asyncio.timeout(10):
                await first
    assert client.is_closed
