"""Requests as they come over the wire: a head has an end, bodies and long connections do not."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from consumers.app import protocol
from consumers.app.protocol import HEAD_MAX
from consumers.app.web import WebServer

RECEIVED_AT_ONCE = 256 << 10


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


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
LINE = b"X-More: " + b"a" * 90 + b"\r\n"


async def end_of(reader):
    """What was said before the connection ended; nothing where our own bytes came back first."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /", b"a" * 100),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", LINE),
        (b"GET / HTTP/1.1\r\nHost: ", b"a" * 100),
        (CHUNKED, LINE),
        (CHUNKED + b"X-End: ", b"a" * 100),
    ],
    ids=["target", "headers", "header", "trailers", "trailer"],
)
async def test_what_has_no_end_is_ended(begun, more):
    async with talking() as (reader, writer):
        writer.write(begun)
        for _ in range(0, 2 * HEAD_MAX + RECEIVED_AT_ONCE, len(more)):
            writer.write(more)
        said = await end_of(reader)
        assert said == b"" or b"HTTP/1.1 400 " in said


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_does_not_go_on_is_not_waited_for(monkeypatch, begun):
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    async with talking() as (reader, writer):
        writer.write(begun)
        assert (await end_of(reader)).startswith(b"HTTP/1.1 400 ")


async def test_a_slow_body_and_a_slow_answer_are_not_slow_heads(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    async with talking() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        for letter in (b"a", b"b", b"c"):
            await asyncio.sleep(0.3)  # longer than a head may take
            writer.write(letter)
        assert await answer(reader) == (200, b"3")


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
