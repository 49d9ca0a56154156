"""The proxy that other tests rely on: each fault does what its name says, to the byte."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.tcp_proxy import TcpProxy

ROOT = Path(__file__).parents[3]


class EchoServer:
    """Echoes in capitals until "bye", and remembers what it heard and how connections ended."""

    def __init__(self):
        self.heard, self.ends = b"", []

    async def serve(self, reader, writer):
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data.upper())
                if data == b"bye":
                    break
            self.ends.append("fin")
        except ConnectionResetError:
            self.ends.append("rst")
        writer.close()


@pytest.fixture
async def server():
    server = EchoServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


@pytest.fixture
async def proxy(server):
    async with TcpProxy(server.port) as proxy:
        yield proxy


@asynccontextmanager
async def client(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.close()


async def said(proxy, data, wanted):
    """What comes back, up to *wanted* bytes or the end, and how it ended."""
    async with client(proxy) as (reader, writer), asyncio.timeout(10):
        writer.write(data)
        got = b""
        try:
            while len(got) < wanted and (more := await reader.read(wanted - len(got))):
                got += more
        except ConnectionResetError:
            return got, "rst"
        return got, "open" if len(got) == wanted else "fin"


async def ended(server, how):
    async with asyncio.timeout(10):
        while how not in server.ends:
            await asyncio.sleep(0.001)


async def test_without_a_fault_everything_passes_both_ways_and_is_counted(proxy, server):
    proxy.up.keep = True
    assert await said(proxy, b"hello", 5) == (b"HELLO", "open")
    await ended(server, "fin")
    assert (proxy.up.count, proxy.down.count, bytes(proxy.up.bytes_seen)) == (5, 5, b"hello")


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("rst", [False, True], ids=["fin", "rst"])
async def test_cut_on_the_way_to_the_server_it_has_k_bytes_and_an_end(proxy, server, k, rst):
    proxy.up.cut_after, proxy.up.rst = k, rst
    assert (await said(proxy, b"hello", 99))[1] == ("rst" if rst else "fin")
    await ended(server, "rst" if rst else "fin")
    assert server.heard == b"hello"[:k]


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("rst", [False, True], ids=["fin", "rst"])
async def test_cut_on_the_way_back_the_client_has_k_bytes_and_an_end(proxy, server, k, rst):
    proxy.down.cut_after, proxy.down.rst = k, rst
    assert await said(proxy, b"hello", 99) == (b"HELLO"[:k], "rst" if rst else "fin")
    assert server.heard == b"hello"


async def test_swallowed_answers_leave_the_connection_open_even_if_the_server_ends_it(
    proxy, server
):
    proxy.down.swallow_after = 2
    async with client(proxy) as (reader, writer):
        writer.write(b"bye")
        assert await reader.readexactly(2) == b"BY"
        await ended(server, "fin")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)


async def test_only_the_named_connections_are_spoiled(proxy):
    proxy.up.cut_after, proxy.up.only = 0, frozenset({1})
    ends = [(await said(proxy, b"hello", 5))[1] for _ in range(3)]
    assert ends == ["open", "fin", "open"]


async def test_slices_throttle_and_rewriting(proxy, server):
    proxy.up.slice, proxy.up.rewrite = 1, lambda data: data.replace(b"l", b"L!")
    assert await said(proxy, b"hello", 7) == (b"HEL!L!O", "open")
    proxy.reset_faults()
    proxy.down.rate = 100.0
    begun = asyncio.get_running_loop().time()
    assert (await said(proxy, b"x" * 50, 50))[0] == b"X" * 50
    assert asyncio.get_running_loop().time() - begun >= 0.4


async def test_refused_frozen_and_back(proxy):
    proxy.refuse()
    with pytest.raises(OSError, match="Connect call failed"):
        await said(proxy, b"hello", 5)
    await proxy.accept()
    async with client(proxy) as (reader, writer):
        proxy.freeze()
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        proxy.thaw()
        assert await reader.readexactly(5) == b"HELLO"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_as_a_process_it_obeys_its_standard_input(server):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.tcp_proxy",
        str(server.port),
        cwd=ROOT,
        stdin=-1,
        stdout=-1,
    )
    proxy = TcpProxy(server.port, json.loads(await process.stdout.readline())["port"])

    async def tell(**order):
        process.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(await process.stdout.readline())

    assert await said(proxy, b"hello", 5) == (b"HELLO", "open")
    assert await tell(down={"cut_after": 2}) == {"up": 5, "down": 5}
    assert await said(proxy, b"hello", 99) == (b"HE", "fin")
    await tell(do="refuse")
    with pytest.raises(OSError, match="Connect call failed"):
        await said(proxy, b"hello", 5)
    await tell(do="accept")
    await tell(do="reset_faults")
    assert await said(proxy, b"hello", 5) == (b"HELLO", "open")
    process.stdin.close()
    assert await process.wait() == 0
