"""Requests as they come over the wire: a head has an end, bodies and long connections do not."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from consumers.app.web import protocol
from consumers.app.web.protocol import HEAD_MAX, PIPELINE_MAX
from consumers.app.web.server import WebServer, bind_socket
from tests.support.waiting import until

RECEIVED_AT_ONCE = 256 << 10
NGINX_KEEP_ALIVE_S = 60


async def counting(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


@asynccontextmanager
async def serving(app, limits=None):
    """A running server, and its address."""
    server = WebServer(app, limits)
    with bind_socket("127.0.0.1", 0) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.until_started(task)
        yield server, listener.getsockname()
        await server.finish(task)


async def reading(server, begun):
    """The server's only connection, once it has read *begun*."""
    await until(lambda: server.server_state.connections)
    [connection] = server.server_state.connections
    await until(lambda: connection.unparsed_bytes == len(begun))
    return connection


async def let_time_end(server, begun):
    """End a head's time once the server has read *begun*, however slow this machine is."""
    timer = (await reading(server, begun)).deadline
    end, given = timer._callback, timer._args
    timer.cancel()
    end(*given)


@asynccontextmanager
async def talking(app=counting):
    """A connection to a server of ours: (reader, writer)."""
    async with serving(app) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        yield reader, writer
        writer.close()


async def answer(reader):
    """Status and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    [length] = [line for line in head.lower().splitlines() if line.startswith("content-length")]
    return int(head.split()[1]), await reader.readexactly(int(length.partition(":")[2]))


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
LINE = b"X-More: " + b"a" * 90 + b"\r\n"


async def end_of(reader):
    """Bytes before the end of the connection; none where our own bytes came back first."""
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


async def test_a_connection_that_was_opened_ahead_ends_without_a_word(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)
    async with talking() as (reader, _):
        assert await end_of(reader) == b""


@pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_does_not_go_on_is_not_waited_for(begun):
    async with serving(counting) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(begun)
        await let_time_end(server, begun)
        assert (await end_of(reader)).startswith(b"HTTP/1.1 400 ")
        writer.close()


@pytest.mark.parametrize("requests", [1, 3])
async def test_who_sends_no_more_gets_what_was_asked_for_and_then_the_end(requests):
    async def slow(scope, receive, send):
        await asyncio.sleep(0.05)
        await counting(scope, receive, send)

    async with talking(slow) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
        writer.write_eof()
        assert (await end_of(reader)).count(b"HTTP/1.1 200 OK") == requests


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", CHUNKED[:-5]])
async def test_who_ends_in_the_middle_of_a_request_gets_no_answer(begun):
    async with talking() as (reader, writer):
        writer.write(begun)
        writer.write_eof()
        assert await end_of(reader) == b""


async def test_a_slow_body_and_a_slow_answer_are_not_slow_heads():
    bodies, may_answer = asyncio.Queue(), asyncio.Event()

    async def noting(scope, receive, send):
        message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            bodies.put_nowait(message["body"])
        await may_answer.wait()
        await PlainTextResponse("late")(scope, receive, send)

    async with serving(noting) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        for letter in (b"a", b"b", b"c"):
            writer.write(letter)
            while await bodies.get() != letter:
                pass
            [connection] = server.server_state.connections
            assert connection.deadline is None, "no time limit"
        may_answer.set()
        assert await answer(reader) == (200, b"late")
        writer.close()


async def test_a_long_body_is_no_long_head_and_the_connection_goes_on():
    size = 10 * HEAD_MAX
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    async with talking() as (reader, writer):
        for _ in range(3):
            writer.write(head)
            writer.write(b"b" * size)
            assert await answer(reader) == (200, str(size).encode())


async def test_an_idle_connection_ends_later_than_that_of_a_web_server_in_front():
    async with serving(counting) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await answer(reader)
        [connection] = server.server_state.connections
        remains_s = connection.timeout_keep_alive_task.when() - asyncio.get_running_loop().time()
        assert remains_s > NGINX_KEEP_ALIVE_S
        writer.close()


async def test_many_requests_at_once_on_one_connection_are_all_answered():
    async with talking() as (reader, writer):
        for _ in range(5):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * PIPELINE_MAX)
            answers = [await answer(reader) for _ in range(PIPELINE_MAX)]
            assert answers == [(200, b"0")] * PIPELINE_MAX


class HalvedApp:
    """An answer of two halves; the second one, or all of it, is not given before it may be."""

    def __init__(self, held):
        self.held, self.may, self.begun = held, asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send):
        if self.held == "all":
            self.begun.set()
            await self.may.wait()
        head = [(b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        self.begun.set()
        await self.may.wait()
        await send({"type": "http.response.body", "body": b"half"})


NO_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("held", ["half", "all"])
@pytest.mark.parametrize(
    ("second", "why"),
    [
        (b"GET /slow HTTP/1.1\r\nHost:", "slow"),
        (b"GET /" + b"a" * (HEAD_MAX + 10), "long"),
        (b"no request at all\r\n\r\n", "broken"),
    ],
    ids=["slow", "long", "broken"],
)
async def test_a_bad_second_head_never_spoils_the_first_answer(monkeypatch, held, second, why):
    app, ended = HalvedApp(held), refused_event(monkeypatch)
    async with serving(app) as (server, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(WHOLE)
        await app.begun.wait()
        writer.write(second)
        if why == "slow":
            await let_time_end(server, second)
        elif why == "long":
            await reading(server, second)
            writer.write(b"a")
        await until(ended.is_set)
        app.may.set()
        assert await answer(reader) == (200, b"halfhalf")
        assert await end_of(reader) == b""
        writer.close()


def refused_event(monkeypatch):
    """Set once a request is refused."""
    event, real = asyncio.Event(), protocol.BoundedHttpProtocol.refuse_request

    def noted(self, *said):
        event.set()
        return real(self, *said)

    monkeypatch.setattr(protocol.BoundedHttpProtocol, "refuse_request", noted)
    return event


async def test_a_request_that_breaks_off_behind_another_ends_without_a_word(monkeypatch):
    """It has a head, and a body that is none: a 400 could be taken for the other's answer."""
    app, ended = HalvedApp("all"), refused_event(monkeypatch)
    async with talking(app) as (reader, writer):
        writer.write(WHOLE)
        await app.begun.wait()
        writer.write(NO_BODY)
        await ended.wait()
        app.may.set()
        assert await end_of(reader) == b""


async def test_a_body_that_is_none_is_refused_while_nothing_was_said():
    async with talking() as (reader, writer):
        writer.write(NO_BODY)
        assert (await end_of(reader)).startswith(b"HTTP/1.1 400 ")


OFFER = (
    b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
)
WITH_BODY = b"POST / HTTP/1.1\r\n" + OFFER + b"Content-Length: 5\r\n\r\n"
IN_PIECES = b"POST / HTTP/1.1\r\n" + OFFER + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("writes", "sizes"),
    [
        ([WITH_BODY + b"hello"], [b"5"]),
        ([WITH_BODY[:30], WITH_BODY[30:], b"he", b"llo"], [b"5"]),
        ([IN_PIECES, b"3\r\nabc\r\n", b"0\r\n\r\n"], [b"3"]),
        ([WITH_BODY + b"hello" + PLAIN], [b"5", b"0"]),
        ([WITH_BODY + b"hello", WITH_BODY + b"again"], [b"5", b"5"]),
        ([b"GET / HTTP/1.1\r\n" + OFFER + b"\r\n", PLAIN], [b"0", b"0"]),
    ],
    ids=["whole", "split", "chunked", "pipelined", "twice", "no body"],
)
async def test_a_request_that_offers_http_2_is_read_with_its_body(writes, sizes):
    async with talking() as (reader, writer):
        for piece in writes:
            writer.write(piece)
            await writer.drain()
        assert [await answer(reader) for _ in sizes] == [(200, size) for size in sizes]


async def test_a_request_that_offers_http_2_and_says_close_is_the_last():
    async with talking() as (reader, writer):
        writer.write(WITH_BODY.replace(b"Upgrade, HTTP2", b"close, Upgrade, HTTP2") + b"hello")
        assert await answer(reader) == (200, b"5")
        assert await end_of(reader) == b""


async def test_a_body_that_an_offer_comes_before_has_an_end_too():
    async with talking() as (reader, writer):
        writer.write(WITH_BODY.replace(b"Host: x", b"Host: x\r\nHost: y") + b"hello")
        assert b"HTTP/1.1 400 " in await end_of(reader)
