"""Fetching what a stranger's address names: from the Internet alone, within limits, never twice."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from channels.fetch import fetcher as fetching
from channels.fetch import url_policy
from channels.fetch.errors import PermanentFetchError, TemporaryFetchError
from channels.fetch.fetcher import (
    CheckedResolver,
    ConditionalFetcher,
    Fetcher,
    FetchLimits,
    LinkProbe,
)
from channels.fetch.url_policy import UrlPolicy, parse_policy
from tests.support.picture_server import HOST, open_picture_server

PNG = frozenset({"image/png"})
BODY = b"\x89PNG and so on"


async def unreachable(host: str, port: int) -> list[str]:
    raise AssertionError(f"looked up {host}")


@pytest.fixture
async def server():
    async with open_picture_server() as server:
        yield server


class ScriptedResolver:
    """A resolver that plays back: what each name means, one answer after the other."""

    def __init__(self, **said: list[list[str]]) -> None:
        self.said = {f"{name}.gov.vn": answers for name, answers in said.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.said[host].pop(0)


async def fetch(server, url="/a.png", names=unreachable, **limits):
    """Fetch a path of the server, or another address."""
    url = server.url(url) if url.startswith("/") else url
    return await Fetcher(server.gate(), FetchLimits(**limits), names).fetch(url, PNG)


def named(server, name: str, path: str) -> str:
    return f"http://{name}.gov.vn:{server.port}{path}"


@pytest.fixture
def any_port(monkeypatch, server):
    """The server's port is as good as 80."""
    monkeypatch.setattr(url_policy, "PORTS", (80, 443, server.port))


async def test_what_lies_there_is_fetched(server):
    server.serve("/a.png", BODY)
    assert await fetch(server) == BODY
    [headers] = server.headers
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers
    assert "Authorization" not in headers


async def test_a_name_is_looked_up_once_and_that_address_is_called(server, any_port):
    """A name that means something else a moment later changes nothing."""
    server.serve("/a.png", BODY)
    names = ScriptedResolver(moha=[[HOST], ["127.0.0.2"], ["10.0.0.1"]])
    await fetch(server, named(server, "moha", "/a.png"), names)
    assert names.asked == ["moha.gov.vn"]
    assert server.request_counts["/a.png"] == 1
    assert server.headers[0]["Host"] == f"moha.gov.vn:{server.port}"


async def test_an_address_that_nobody_has_checked_is_not_called(server, any_port, monkeypatch):
    """Should the names ever be looked up behind our back, the socket itself refuses."""
    server.serve("/a.png", BODY)

    async def careless(self, host, port=0, family=0):
        addresses = ("127.0.0.2", "127.0.0.3")
        return [fetching.resolve_result(host, address, port) for address in addresses]

    monkeypatch.setattr(CheckedResolver, "resolve", careless)
    with pytest.raises((PermanentFetchError, TemporaryFetchError)):
        await fetch(server, named(server, "moha", "/a.png"))
    assert not server.request_counts


async def test_each_step_of_a_way_is_looked_up_and_checked_anew(server, any_port):
    server.move("/a.png", named(server, "moha", "/b.png"))
    server.serve("/b.png", BODY)
    names = ScriptedResolver(moha=[[HOST], ["127.0.0.2"]])
    with pytest.raises(PermanentFetchError, match="not a public address"):
        await fetch(server, named(server, "moha", "/a.png"), names)
    assert names.asked == ["moha.gov.vn"] * 2
    assert server.request_counts == {"/a.png": 1}


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("http://127.0.0.1/b.png", "not a public address"),
        ("http://127.0.0.1:22/", "another port"),
        ("http://169.254.169.254/latest/meta-data/", "not a public address"),
        ("http://[::1]/b.png", "not a public address"),
        ("http://localhost/b.png", "inner network"),
        ("http://2130706433/b.png", "number for a host"),
        ("//10.0.0.1/b.png", "not a public address"),
        ("file:///etc/passwd", "not a web address"),
        ("ftp://moha.gov.vn/b.png", "not a web address"),
        ("http://ai@moha.gov.vn/b.png", "user name"),
        ("http://moha.gov.vn:22/", "another port"),
        ("http://[", "not a web address"),
        ("http://moha.gov.vn\\@127.0.0.1/", "not a |user name"),
    ],
)
@pytest.mark.parametrize("steps", [1, 3])
async def test_no_step_leads_inside(server, where, reason, steps):
    for step in range(1, steps):
        server.move(f"/{step}", f"/{step + 1}")
    server.move(f"/{steps}", where)
    with pytest.raises(PermanentFetchError, match=reason):
        await fetch(server, "/1")
    with pytest.raises(PermanentFetchError, match=reason):
        await ConditionalFetcher(server.gate()).fetch_if_changed(server.url("/1"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_relative_way_is_followed(server, status):
    server.move("/x/a.png", "../b.png", status)
    server.serve("/b.png", BODY)
    assert await fetch(server, "/x/a.png") == BODY


async def test_three_steps_are_followed_and_a_fourth_is_not(server):
    for step in range(4):
        server.move(f"/{step}", f"/{step + 1}")
    server.serve("/4", BODY)
    with pytest.raises(PermanentFetchError, match="moved too often"):
        await fetch(server, "/0")
    assert await fetch(server, "/1") == BODY


async def test_a_way_that_leads_nowhere_ends(server):
    server.serve("/a.png", status=302)
    with pytest.raises(PermanentFetchError):
        await fetch(server)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((400, 401, 403, 404, 410, 204, 206, 304, 300), PermanentFetchError),
        ((408, 425, 429, 500, 502, 503, 504), TemporaryFetchError),
    ],
)
async def test_a_no_is_for_good_and_a_server_in_trouble_is_asked_again(server, statuses, kind):
    for status in statuses:
        server.serve("/a.png", status=status)
        with pytest.raises(kind, match=f"http {status}"):
            await fetch(server)


@pytest.mark.parametrize("type", ["text/html", "image/svg+xml", "application/octet-stream", ""])
async def test_another_media_type_is_not_read(server, type):
    server.serve("/a.png", BODY, type)
    with pytest.raises(PermanentFetchError, match="another media type"):
        await fetch(server)


async def test_a_media_type_may_have_parameters(server):
    server.serve("/a.png", BODY, "IMAGE/PNG; charset=binary")
    assert await fetch(server) == BODY


async def test_what_is_packed_is_not_unpacked(server):
    """A few bytes may unpack to any number of them."""
    server.serve("/a.png", BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(PermanentFetchError, match="packed"):
        await fetch(server)


async def test_what_says_that_it_is_too_large_is_not_read(server):
    server.serve("/a.png", b"x" * 1001)
    with pytest.raises(PermanentFetchError, match="too large"):
        await fetch(server, max_bytes=1000)
    server.serve("/a.png", b"x" * 1000)
    assert len(await fetch(server, max_bytes=1000)) == 1000


def stream(chunk, pause_s=0.0):
    """Serve an endless body; count the bytes written."""
    written = [0]

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "image/png"})
        await answer.prepare(request)
        with suppress(ConnectionError):
            while True:
                await answer.write(chunk)
                written[0] += len(chunk)
                await asyncio.sleep(pause_s)
        return answer

    return handler, written


async def test_what_never_ends_is_read_up_to_the_limit(server):
    server.answers["/a.png"], written = stream(b"x" * 10_000)
    with pytest.raises(PermanentFetchError, match="too large"):
        await fetch(server, max_bytes=100_000)
    assert written[0] < 50_000_000


async def test_a_server_that_dawdles_is_left(server):
    """One byte now and then: the time limit is that of the whole."""
    server.answers["/a.png"], _ = stream(b"x", pause_s=0.01)
    with pytest.raises(TemporaryFetchError, match="too slow"):
        await fetch(server, total_s=0.1)


async def test_half_a_body_is_none(server):
    async def torn(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "image/png", "Content-Length": "1000"}
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        await answer.write(b"x" * 10)
        request.transport.abort()
        return answer

    server.answers["/a.png"] = torn
    with pytest.raises(TemporaryFetchError):
        await fetch(server)


async def test_nobody_there_and_a_name_that_nobody_knows_are_for_now(server, any_port):
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("unknown")

    async def nothing(host: str, port: int) -> list[str]:
        return []

    for lookup in (nobody, nothing):
        with pytest.raises(TemporaryFetchError, match="unknown host"):
            await fetch(server, named(server, "moha", "/a.png"), lookup)
    closed = UrlPolicy(frozenset({(HOST, 1)}))
    with pytest.raises(TemporaryFetchError, match="no answer"):
        await Fetcher(closed).fetch("http://127.0.0.1:1/a.png", PNG)


async def test_a_server_without_a_certificate_gets_no_request_by_https(server):
    with pytest.raises(TemporaryFetchError, match="no secure connection"):
        await fetch(server, f"https://{HOST}:{server.port}/a.png")
    assert not server.request_counts


async def test_a_reason_names_no_address(server):
    for url in (server.url("/a.png"), "http://10.0.0.1/a.png", "http://ai:ma@moha.gov.vn/"):
        with pytest.raises(PermanentFetchError) as refused:
            await fetch(server, url)
        assert not any(part in refused.value.reason for part in ("127", "10.0", "moha", "a.png"))


# ---- the exceptions that an operator makes -------------------------------------------------


async def test_what_an_operator_has_opened_is_open_and_nothing_beside_it(server):
    server.serve("/a.png", BODY)
    await Fetcher(parse_policy(f"{HOST}:{server.port}")).fetch(server.url("/a.png"), PNG)
    for written in ("", f"{HOST}:{server.port + 1}", f"127.0.0.2:{server.port}"):
        with pytest.raises(PermanentFetchError):
            await Fetcher(parse_policy(written)).fetch(server.url("/a.png"), PNG)


async def probe(server, url, names=unreachable, **limits):
    url = server.url(url) if url.startswith("/") else url
    await LinkProbe(server.gate(), FetchLimits(**limits), names).probe(url)


async def test_a_link_is_asked_for_its_head_and_for_itself_where_that_fails(server):
    methods = []

    async def answer(request):
        methods.append(request.method)
        return web.Response(status=405 if request.method == "HEAD" else 206)

    server.answers["/ngai"] = answer
    server.serve("/co", BODY)
    await probe(server, "/co#phan-2")
    assert server.request_counts == {"/co": 1}
    await probe(server, "/ngai")
    assert methods == ["HEAD", "GET"]
    with pytest.raises(PermanentFetchError, match="404"):
        await probe(server, "/mat")


async def test_no_content_of_a_link_is_read(server):
    read = []

    async def endless(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        with suppress(ConnectionError, asyncio.CancelledError):
            while request.method == "GET":
                await answer.write(bytes(1 << 16))
                read.append(1)
        return answer

    async def no_head(request):
        return web.Response(status=501) if request.method == "HEAD" else await endless(request)

    server.answers["/dai"] = no_head
    await probe(server, "/dai", total_s=5.0)
    assert len(read) < 1000


@pytest.mark.parametrize("inner", ["http://169.254.169.254/", "http://10.0.0.1/", "file:///etc"])
async def test_a_link_leads_to_no_inner_address_on_no_way(server, inner):
    server.move("/qua", inner)
    for url in ("/qua", inner):
        with pytest.raises(PermanentFetchError):
            await probe(server, url)
    assert server.request_counts == {"/qua": 1}, "HEAD led there, and GET is not tried"


async def test_a_name_of_a_link_that_means_an_inner_address_is_not_asked(server, any_port):
    names = ScriptedResolver(kep=[["93.184.216.34", "127.0.0.2"]])
    with pytest.raises(PermanentFetchError):
        await probe(server, named(server, "kep", "/"), names)
    assert server.request_counts == {}
