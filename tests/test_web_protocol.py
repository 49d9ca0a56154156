"""Requests as they come over the wire: a head has an end, bodies and long connections do not."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from consumers.app.protocol import HEAD_MAX
from consumers.app.web import WebServer


async def counting(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@asynccontextmanager
async def talking():
    """A connection to a server of ours: (reader, writer)."""
    server = WebServer(counting)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.until_started(serving)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        yield reader, writer
        writer.close()
        await server.end(serving)


async def answer(reader):
    """Status and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    [length] = [line for line in head.lower().splitlines() if line.startswith("content-length")]
    return int(head.split()[1]), await reader.readexactly(int(length.partition(":")[2]))


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 1000, b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: "],
)
async def test_a_head_without_end_is_ended(endless):
    async with talking() as (reader, writer):
        writer.write(endless)
        more = b"a" * 100 if endless.endswith((b"a", b": ")) else b"X-More: " + b"a" * 90 + b"\r\n"
        for _ in range(0, HEAD_MAX + 10_000, len(more)):
            writer.write(more)
        try:
            async with asyncio.timeout(10):
                said = await reader.read()
        except ConnectionResetError:  # what it had not read yet came back
            said = b""
        assert said == b"" or said.startswith(b"HTTP/1.1 400 ")


async def test_a_long_body_is_no_long_head_and_the_connection_goes_on():
    size = 10 * HEAD_MAX
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    async with talking() as (reader, writer):
        for _ in range(3):
            writer.write(head)
            writer.write(b"b" * size)
            assert await answer(reader) == (200, str(size).encode())


async def test_many_requests_at_once_on_one_connection_are_all_answered():
    async with talking() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        assert [await answer(reader) for _ in range(200)] == [(200, b"0")] * 200
