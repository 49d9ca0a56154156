"""The proxy that other tests rely on: each fault does what its name says, to the byte."""

import asyncio

import pytest

from tests.support.tcp_proxy import TcpProxy


class EchoServer:
    """Echoes in capitals, and remembers what it heard and how connections ended."""

    def __init__(self):
        self.heard, self.ends = b"", asyncio.Queue()

    async def serve(self, reader, writer):
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data.upper())
            self.ends.put_nowait("fin")
        except ConnectionResetError:
            self.ends.put_nowait("rst")
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


async def echoed(proxy, most, *, still_open):
    """What comes back of "hello", up to *most* bytes, and how the connection ended, if it did."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    got = b""
    try:
        async with asyncio.timeout(10):
            while len(got) < most and (more := await reader.read(1)):
                got += more
        async with asyncio.timeout(0.1 if still_open else 10):
            return got + await reader.read(1), "fin"
    except ConnectionResetError:
        return got, "rst"
    except TimeoutError:
        return got, "open"
    finally:
        writer.close()


FIN, RST = {"rst": False}, {"rst": True}


@pytest.mark.parametrize(
    ("up", "down", "heard", "answer", "end"),
    [
        ({}, {}, b"hello", b"HELLO", "open"),
        ({"cut_after": 0} | FIN, {}, b"", b"", "fin"),
        ({"cut_after": 3} | FIN, {}, b"hel", None, "fin"),
        ({"cut_after": 3} | RST, {}, b"hel", None, "rst"),
        ({}, {"cut_after": 0} | FIN, b"hello", b"", "fin"),
        ({}, {"cut_after": 3} | FIN, b"hello", b"HEL", "fin"),
        ({}, {"cut_after": 3} | RST, b"hello", b"HEL", "rst"),
        ({}, {"swallow_after": 2}, b"hello", b"HE", "open"),
        ({"cut_after": 0, "only": frozenset({1})}, {}, b"hello", b"HELLO", "open"),
        ({"slice": 1, "rewrite": lambda data: b"L!" * 2}, {}, b"L!L!", b"L!L!", "open"),
        ({}, {"rate": 1.0, "slice": 1}, b"hello", b"", "open"),
        ({}, {"latency_s": 9.0}, b"hello", b"", "open"),
    ],
)
async def test_each_fault_passes_what_it_should_and_ends_as_it_should(
    proxy, server, up, down, heard, answer, end
):
    vars(proxy.up).update(up)
    vars(proxy.down).update(down)
    most = 99 if answer is None else len(answer)
    got, ended = await echoed(proxy, most, still_open=end == "open")
    assert ended == end
    assert answer is None or got == answer
    if up.get("cut_after") == 3:
        assert await server.ends.get() == end
    async with asyncio.timeout(10):
        while len(server.heard) < len(heard):
            await asyncio.sleep(0.001)
    assert server.heard == heard


async def test_refused_back_and_cut(proxy, server):
    proxy.up.keep = True
    proxy.refuse()
    with pytest.raises(OSError, match="Connect call failed"):
        await echoed(proxy, 5, still_open=True)
    await proxy.accept()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    proxy.cut(rst=True)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    assert (await server.ends.get(), bytes(proxy.up.bytes_seen)) == ("rst", b"hello")
