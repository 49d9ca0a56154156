"""Fetching what a stranger's address names: from the Internet alone, within limits, never twice."""

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from channels.fetch import fetcher as fetching
from channels.fetch import public
from channels.fetch.fetcher import Away, Checked, Fetcher, Limits, Unusable
from channels.fetch.public import Closed, Gate, is_outside, is_public, opened
from channels.zalo.settings import ZaloSettings
from tests.picture_server import HOST, picture_server

PNG = frozenset({"image/png"})
BODY = b"\x89PNG and so on"

CLOSED = """
http://127.0.0.1/a.png            this machine
http://127.0.0.1./a.png           with a dot behind
http://127.8.8.8/a.png            all of 127/8
http://2130706433/a.png           as one decimal number
http://0x7f000001/a.png           as one hexadecimal number
http://017700000001/a.png         as one octal number
http://0177.0.0.1/a.png           octal parts
http://0x7f.0x0.0x0.0x1/a.png     hexadecimal parts
http://127.1/a.png                two parts
http://127.0.1/a.png              three parts
http://①②⑦.⓪.⓪.①/a.png            digits in circles
http://127。0。0。1/a.png           ideographic full stops
http://0/a.png                    nothing
http://0.0.0.0/a.png              this network
http://10.1.2.3/a.png             private
http://172.16.0.1/a.png           private
http://172.31.255.254/a.png       private
http://192.168.1.1/a.png          private
http://100.64.0.1/a.png           behind a carrier
http://100.127.255.254/a.png      behind a carrier
http://169.254.169.254/latest/    the metadata of a cloud
http://192.0.0.8/a.png            protocols
http://192.0.2.1/a.png            documentation
http://198.51.100.7/a.png         documentation
http://203.0.113.7/a.png          documentation
http://198.18.0.1/a.png           benchmarks
http://192.88.99.1/a.png          6to4 relays
http://224.0.0.1/a.png            multicast
http://240.0.0.1/a.png            reserved
http://255.255.255.255/a.png      everybody
http://[::]/a.png                 nothing
http://[::1]/a.png                this machine
http://[::ffff:127.0.0.1]/a.png   IPv4, mapped
http://[::ffff:8.8.8.8]/a.png     IPv4, mapped, of whatever address
http://[::ffff:7f00:1]/a.png      IPv4, mapped, in hexadecimal
http://[::127.0.0.1]/a.png        IPv4, compatible
http://[64:ff9b::a00:1]/a.png     NAT64 of 10.0.0.1
http://[64:ff9b::8.8.8.8]/a.png   NAT64 of whatever address
http://[64:ff9b:1::1]/a.png       NAT64 of a network
http://[2002:7f00:1::]/a.png      6to4 of 127.0.0.1
http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/a.png  Teredo
http://[2001:db8::1]/a.png        documentation
http://[3fff::1]/a.png            documentation
http://[fe80::1]/a.png            link-local
http://[fe80::1%25eth0]/a.png     link-local, with its link
http://[fec0::1]/a.png            site-local
http://[fc00::1]/a.png            private
http://[fd12:3456::1]/a.png       private
http://[ff02::1]/a.png            multicast
http://[100::1]/a.png             discarded
http://[5f00::1]/a.png            segment routing
http://[4000::1]/a.png            not handed out
http://localhost/a.png            this machine by name
http://localhost./a.png           with a dot behind
http://LOCALHOST/a.png            in capitals
http://anh.localhost/a.png        below it
http://may-chu/a.png              a name without a domain
http://may-chu./a.png             with a dot behind
http://may-in.local/a.png         a name of the next room
http://kho.internal/a.png         a cloud's inner name
http://1.0.0.127.in-addr.arpa/a   a name of the DNS itself
http://anh.bo.lan/a.png           a home's inner name
http://moha.gov.vn:8080/a.png     another port
http://moha.gov.vn:22/a.png       another service
https://moha.gov.vn:6379/a.png    another service
http://ai@moha.gov.vn/a.png       a user name
http://ai:ma@moha.gov.vn/a.png    a password
http://moha.gov.vn@127.0.0.1/a    a user name that looks like a host
http://moha.gov.vn\\@127.0.0.1/a   a backslash
http://:80/a.png                  no host
http:///a.png                     no host
ftp://moha.gov.vn/a.png           another scheme
file:///etc/passwd                a file
gopher://moha.gov.vn/a            another scheme
data:image/png;base64,AAAA        no address at all
//moha.gov.vn/a.png               no scheme
/a.png                            a path alone
"""
TABLE = [line.split(maxsplit=1) for line in CLOSED.strip().splitlines()]
OPEN = """
http://moha.gov.vn/a.png
https://moha.gov.vn/a.png
https://moha.gov.vn./a.png
http://moha.gov.vn:80/a.png
https://moha.gov.vn:443/a.png
http://8.8.8.8/a.png
http://172.32.0.1/a.png
http://100.128.0.1/a.png
http://[2606:4700::1111]/a.png
http://[2001:4860:4860::8888]/a.png
https://b%E1%BB%99.gov.vn/a.png
https://xn--b-tfw.gov.vn/a.png
"""


async def unreachable(host: str, port: int) -> list[str]:
    raise AssertionError(f"looked up {host}")


@pytest.mark.parametrize(("url", "why"), TABLE, ids=[why for _, why in TABLE])
async def test_nothing_inside_is_asked_however_it_is_written(url, why):
    """Not even its name is looked up."""
    with pytest.raises(Unusable):
        await Fetcher(lookup=unreachable).fetch(url, PNG)


@pytest.mark.parametrize("url", OPEN.split())
def test_what_stands_on_the_internet_is_open(url):
    Gate().check_url(URL(url))


PRIVATE = ["10.0.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%eth0",
           "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "fd00::1", "not-an-address",
           "0177.0.0.1", "2130706433"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_closed_whatever_else_it_says(address):
    async def lookup(host: str, port: int) -> list[str]:
        return ["8.8.8.8", address]

    with pytest.raises(Closed):
        await Checked(Gate(), lookup).resolve("moha.gov.vn", 80)
    with pytest.raises(Unusable, match="not a public address"):
        await Fetcher(lookup=lookup).fetch("http://moha.gov.vn/a.png", PNG)


@given(st.ip_addresses())
def test_what_is_called_public_is_public_to_the_standard_library_too(address):
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


# ---- a real server ------------------------------------------------------------------------


@pytest.fixture
async def server():
    async with picture_server() as server:
        yield server


class Names:
    """A resolver that plays back: what each name means, one answer after the other."""

    def __init__(self, **said: list[list[str]]) -> None:
        self.said = {f"{name}.gov.vn": answers for name, answers in said.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.said[host].pop(0)


def a_fetcher(server, names=unreachable, **limits) -> Fetcher:
    return Fetcher(server.gate(), Limits(**limits), names)


def named(server, name: str, path: str) -> str:
    return f"http://{name}.gov.vn:{server.port}{path}"


@pytest.fixture
def any_port(monkeypatch, server):
    """The server's port is as good as 80."""
    monkeypatch.setattr(public, "PORTS", (80, 443, server.port))


async def test_what_lies_there_is_fetched(server):
    server.lay("/a.png", BODY)
    found = await a_fetcher(server).fetch(server.url("/a.png"), PNG)
    assert (found.media_type, found.body) == ("image/png", BODY)
    [headers] = server.headers
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers
    assert "Authorization" not in headers


async def test_a_name_is_looked_up_once_and_that_address_is_the_one_that_is_called(
    server, any_port
):
    """A name that means something else a moment later changes nothing."""
    server.lay("/a.png", BODY)
    names = Names(moha=[[HOST], ["127.0.0.2"], ["10.0.0.1"]])
    await a_fetcher(server, names).fetch(named(server, "moha", "/a.png"), PNG)
    assert names.asked == ["moha.gov.vn"]
    assert server.asked["/a.png"] == 1
    assert server.headers[0]["Host"] == f"moha.gov.vn:{server.port}"


async def test_an_address_that_nobody_has_checked_is_not_called(server, any_port, monkeypatch):
    """Should the names ever be looked up behind our back, the socket itself refuses."""
    server.lay("/a.png", BODY)

    async def careless(self, host, port=0, family=0):
        return [fetching.result(host, "127.0.0.2", port), fetching.result(host, "127.0.0.3", port)]

    monkeypatch.setattr(Checked, "resolve", careless)
    with pytest.raises((Unusable, Away)):
        await a_fetcher(server).fetch(named(server, "moha", "/a.png"), PNG)
    assert not server.asked


async def test_each_step_of_a_way_is_looked_up_and_checked_anew(server, any_port):
    server.move("/a.png", named(server, "moha", "/b.png"))
    server.lay("/b.png", BODY)
    names = Names(moha=[[HOST], ["127.0.0.2"]])
    with pytest.raises(Unusable, match="not a public address"):
        await a_fetcher(server, names).fetch(named(server, "moha", "/a.png"), PNG)
    assert names.asked == ["moha.gov.vn"] * 2
    assert server.asked == {"/a.png": 1}


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1/b.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/b.png",
        "http://localhost/b.png",
        "http://2130706433/b.png",
        "//10.0.0.1/b.png",
        "file:///etc/passwd",
        "ftp://moha.gov.vn/b.png",
        "http://ai@moha.gov.vn/b.png",
        "http://moha.gov.vn:22/",
        "http://[",
        "http://moha.gov.vn\\@127.0.0.1/",
    ],
)
async def test_no_way_leads_inside(server, where):
    server.move("/a.png", where)
    with pytest.raises(Unusable):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_relative_way_is_followed(server, status):
    server.move("/x/a.png", "../b.png", status)
    server.lay("/b.png", BODY)
    assert (await a_fetcher(server).fetch(server.url("/x/a.png"), PNG)).body == BODY


async def test_three_steps_are_followed_and_a_fourth_is_not(server):
    for step in range(4):
        server.move(f"/{step}", f"/{step + 1}")
    server.lay("/4", BODY)
    with pytest.raises(Unusable, match="moved too often"):
        await a_fetcher(server).fetch(server.url("/0"), PNG)
    assert (await a_fetcher(server).fetch(server.url("/1"), PNG)).body == BODY


@pytest.mark.parametrize("status", [301, 302])
async def test_a_way_that_leads_nowhere_ends(server, status):
    server.lay("/a.png", status=status)
    with pytest.raises(Unusable):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Unusable), (401, Unusable), (403, Unusable), (404, Unusable), (410, Unusable),
     (204, Unusable), (206, Unusable), (304, Unusable), (300, Unusable), (408, Away), (425, Away),
     (429, Away), (500, Away), (502, Away), (503, Away), (504, Away)],
)  # fmt: skip
async def test_a_no_is_for_good_and_a_server_in_trouble_is_asked_again(server, status, kind):
    server.lay("/a.png", status=status)
    with pytest.raises(kind):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


@pytest.mark.parametrize("type", ["text/html", "image/svg+xml", "application/octet-stream", ""])
async def test_another_media_type_is_not_read(server, type):
    server.lay("/a.png", BODY, type)
    with pytest.raises(Unusable, match="another media type"):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


async def test_a_media_type_may_have_parameters(server):
    server.lay("/a.png", BODY, "IMAGE/PNG; charset=binary")
    assert (await a_fetcher(server).fetch(server.url("/a.png"), PNG)).media_type == "image/png"


async def test_what_is_packed_is_not_unpacked(server):
    """A few bytes may unpack to any number of them."""
    server.lay("/a.png", BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(Unusable, match="packed"):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


async def test_what_says_that_it_is_too_large_is_not_read(server):
    server.lay("/a.png", b"x" * 1001)
    with pytest.raises(Unusable, match="too large"):
        await a_fetcher(server, size=1000).fetch(server.url("/a.png"), PNG)
    server.lay("/a.png", b"x" * 1000)
    assert len((await a_fetcher(server, size=1000).fetch(server.url("/a.png"), PNG)).body) == 1000


async def test_what_never_ends_is_read_up_to_the_limit(server):
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        answer = web.StreamResponse(headers={"Content-Type": "image/png"})
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 10_000)
                written += 10_000
        except ConnectionError:
            return answer

    server.answers["/a.png"] = endless
    with pytest.raises(Unusable, match="too large"):
        await a_fetcher(server, size=100_000).fetch(server.url("/a.png"), PNG)
    assert written < 50_000_000


async def test_a_server_that_dawdles_is_left(server):
    """One byte now and then: the time limit is that of the whole."""

    async def dawdle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "image/png"})
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x")
                await asyncio.sleep(0.01)
        except ConnectionError:
            return answer

    server.answers["/a.png"] = dawdle
    with pytest.raises(Away, match="too slow"):
        await a_fetcher(server, total_s=0.1).fetch(server.url("/a.png"), PNG)


async def test_half_a_body_is_none(server):
    async def torn(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "image/png", "Content-Length": "1000"}
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        await answer.write(b"x" * 10)
        request.transport.abort()
        return answer

    server.answers["/a.png"] = torn
    with pytest.raises(Away):
        await a_fetcher(server).fetch(server.url("/a.png"), PNG)


async def test_nobody_there_and_a_name_that_nobody_knows_are_for_now(server, any_port):
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("unknown")

    async def nothing(host: str, port: int) -> list[str]:
        return []

    for lookup in (nobody, nothing):
        with pytest.raises(Away):
            await a_fetcher(server, lookup).fetch(named(server, "moha", "/a.png"), PNG)
    closed = Gate(frozenset({(HOST, 1)}))
    with pytest.raises(Away):
        await Fetcher(closed).fetch("http://127.0.0.1:1/a.png", PNG)


async def test_a_reason_names_no_address(server):
    for url in (server.url("/a.png"), "http://10.0.0.1/a.png", "http://ai:ma@moha.gov.vn/"):
        with pytest.raises(Unusable) as refused:
            await a_fetcher(server).fetch(url, PNG)
        assert not any(part in refused.value.reason for part in ("127", "10.0", "moha", "a.png"))


# ---- the exceptions that an operator makes -------------------------------------------------


async def test_what_an_operator_has_opened_is_open_and_nothing_beside_it(server):
    server.lay("/a.png", BODY)
    await Fetcher(opened(f"{HOST}:{server.port}")).fetch(server.url("/a.png"), PNG)
    for written in ("", f"{HOST}:{server.port + 1}", f"127.0.0.2:{server.port}"):
        with pytest.raises(Unusable):
            await Fetcher(opened(written)).fetch(server.url("/a.png"), PNG)


def test_exceptions_are_addresses_with_ports():
    assert opened("").open == frozenset()
    assert opened(" 10.1.2.3:8080 , [fd00::1]:80,").open == {("10.1.2.3", 8080), ("fd00::1", 80)}
    for wrong in ("10.1.2.3", "may-chu:80", "10.1.2.3:http", "10.1.2:80"):
        with pytest.raises(ValueError):
            opened(wrong)
        with pytest.raises(ValueError, match="cover_allow"):
            ZaloSettings(cover_allow=wrong)


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("https://thong-bao.moha.gov.vn", True),
        ("https://thong-bao.moha.gov.vn:8443/loa", True),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://10.0.0.5", False),
        ("http://may-chu", False),
        ("", False),
    ],
)
def test_our_own_address_is_one_that_others_reach_or_not(url, outside):
    assert is_outside(url) is outside
