"""The transport: errors without effect, and errors with a possible effect."""

import asyncio
import ssl
import warnings
from contextlib import asynccontextmanager, suppress

import pytest
import trustme
from pydantic import ValidationError

from channels.errors import Unreachable
from channels.zalo.client import response
from channels.zalo.client.transport import BODY_MAX, AiohttpTransport, Request
from channels.zalo.errors import AmbiguousResult
from channels.zalo.settings import ZaloSettings


@pytest.fixture
async def transport():
    transport = AiohttpTransport()
    yield transport
    await transport.close()


@asynccontextmanager
async def answering(handle, *, read_s=20.0):
    conversations = []

    async def conversation(reader, writer):
        conversations.append(asyncio.current_task())
        with suppress(ConnectionError):
            await handle(reader, writer)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(conversation, "127.0.0.1", 0)
    transport = AiohttpTransport(connect_s=2.0, read_s=read_s)
    async with server:
        yield transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await transport.close()
        await asyncio.gather(*conversations)


async def read_head(reader):
    return await reader.readuntil(b"\r\n\r\n")


async def test_a_refused_connection_sent_nothing(transport):
    async with answering(read_head) as (_, url):
        pass
    with pytest.raises(Unreachable):
        await transport.exchange(Request("POST", url, body=b"{}"))


async def test_a_name_that_does_not_exist_sent_nothing(transport):
    with pytest.raises(Unreachable):
        await transport.exchange(Request("GET", "http://zalo.invalid/"))


async def test_a_refused_certificate_sent_nothing():
    async def plain(reader, writer):
        await reader.read(100)
        writer.write(b"this is not TLS")

    async with answering(plain) as (transport, url):
        with pytest.raises(Unreachable):
            await transport.exchange(Request("POST", url.replace("http", "https"), body=b"{}"))


@pytest.mark.parametrize("oldest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1])
async def test_nothing_is_said_to_a_server_that_nobody_vouches_for(transport, oldest):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls.minimum_version = tls.maximum_version = oldest
    heard = []

    async def listening(reader, writer):
        heard.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(listening, "127.0.0.1", 0, ssl=tls)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(Unreachable):
            await transport.exchange(Request("POST", url, {"access_token": "secret"}, body=b"{}"))
    assert not any(heard)


async def test_no_proxy_and_no_password_file_of_the_machine_sees_a_token(monkeypatch, tmp_path):
    async def proxy(reader, writer):
        raise AssertionError("asked")

    heard = []

    async def zalo(reader, writer):
        heard.append(await read_head(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with answering(proxy) as (_, other), answering(zalo) as (transport, url):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, other)
        assert (await transport.exchange(Request("GET", url))).status == 200
    assert b"uthorization" not in heard[0]


async def test_silence_after_the_request_is_a_doubt():
    async def silent(reader, writer):
        await read_head(reader)
        await reader.read()

    async with answering(silent, read_s=0.1) as (transport, url):
        with pytest.raises(AmbiguousResult):
            await transport.exchange(Request("POST", url, body=b"{}"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot a zip",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\n\xff\xff\xff\xff\xff",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=[
        "reset", "half a body", "half a head", "no HTTP", "no zip", "no brotli", "no chunks",
        "a huge head", "two lengths", "to be continued",
    ],
)  # fmt: skip
async def test_an_answer_cut_short_is_a_doubt(answer):
    seen = []

    async def short(reader, writer):
        seen.append(await read_head(reader))
        writer.write(answer)

    async with answering(short) as (transport, url):
        with pytest.raises(AmbiguousResult):
            await transport.exchange(Request("POST", url, body=b"{}"))
    assert len(seen) == 1


async def test_a_redirect_is_not_followed():
    async def moved(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://other.invalid/\r\n\r\n")

    async with answering(moved) as (transport, url):
        reply = await transport.exchange(Request("GET", url, {"access_token": "secret"}))
    assert reply.status == 302
    with pytest.raises(AmbiguousResult):
        response.parse_response(reply)


def test_a_request_never_shows_its_token():
    request = Request("GET", "http://x/", {"access_token": "very-secret"}, body=b"very-secret")
    assert "very-secret" not in repr(request)


async def test_an_answer_that_drips_on_and_on_is_a_doubt():
    async def dripping(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(dripping, read_s=0.1) as (transport, url):
        with pytest.raises(AmbiguousResult):
            await transport.exchange(Request("POST", url, body=b"{}"))


async def test_an_answer_of_the_largest_size_is_read_whole():
    async def huge(reader, writer):
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * BODY_MAX)
        await writer.drain()

    async with answering(huge) as (transport, url):
        reply = await transport.exchange(Request("POST", url, body=b"{}"))
    assert len(reply.body) == BODY_MAX


async def test_an_endless_answer_is_not_read_to_its_end():
    sent = 0

    async def endless(reader, writer):
        nonlocal sent
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while sent < 64 * BODY_MAX:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with answering(endless) as (transport, url):
        with pytest.raises(AmbiguousResult):
            await transport.exchange(Request("POST", url, body=b"{}"))
    assert sent < 64 * BODY_MAX


@pytest.mark.parametrize("name", ["openapi_url", "business_url", "oauth_url"])
def test_zalo_is_never_spoken_to_in_the_clear(name):
    for host in ("openapi.zalo.me", "OPENAPI.zalo.me", "oauth.zaloapp.com", "zalo.me:80"):
        with pytest.raises(ValidationError, match="in the clear"):
            ZaloSettings(**{name: f"http://{host}"})
        ZaloSettings(**{name: f"https://{host}"})
    for sandbox in ("http://127.0.0.1:8090", "http://zalo-sandbox:8090", "http://notzalo.me"):
        ZaloSettings(**{name: sandbox})
