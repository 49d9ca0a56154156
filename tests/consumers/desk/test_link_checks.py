"""Which links are asked, in which order, and how many at once, on a server of this machine."""

import asyncio
from collections import Counter, defaultdict
from functools import partial

import pytest
from aiohttp import web

from channels.fetch.errors import FetchReason
from channels.fetch.fetcher import FetchLimits, LinkProbe
from consumers.desk.link_checks import DeskLinkChecks
from contracts.desk.checks.links import HOST_LINKS_MAX, LINKS_MAX
from tests.support.picture_server import HOST, open_picture_server

HOSTS = [f"may-{number}.vn" for number in range(16)]
ANSWER_TAKES_S = 0.05
"""Time in which requests above a limit arrive, too, and are counted."""


@pytest.fixture
async def server():
    async with open_picture_server() as opened:
        yield opened


@pytest.fixture
def checks(server, clock):
    async def look_up(*_):
        return [HOST]

    probe = LinkProbe(server.gate(*((one, server.port) for one in HOSTS)), lookup=look_up)
    return DeskLinkChecks(clock, probe)


def urls(server, hosts, paths):
    return [f"http://{host}:{server.port}/{path}" for path in paths for host in hosts]


class Groups:
    """Answers *size* requests of a host, or of all, together, and counts those that wait."""

    def __init__(self, size: int, *, of_host: bool) -> None:
        self.waiting, self.most, self.of_host = Counter(), Counter(), of_host
        self.gates = defaultdict(partial(asyncio.Barrier, size))

    async def answer(self, request: web.Request) -> web.Response:
        key = request.url.host if self.of_host else "all"
        self.waiting[key] += 1
        self.most[key] = max(self.most[key], self.waiting[key])
        await self.gates[key].wait()
        await asyncio.sleep(ANSWER_TAKES_S)
        self.waiting[key] -= 1
        return web.Response()


def serve_groups(server, paths, size, *, of_host=True) -> Groups:
    groups = Groups(size, of_host=of_host)
    server.answers |= {f"/{path}": groups.answer for path in paths}
    return groups


async def test_two_requests_at_once_begin_at_one_host_whoever_asks(server, checks):
    groups = serve_groups(server, "abcdefgh", 2)
    texts = urls(server, HOSTS[:3], "abcd"), urls(server, HOSTS[:3], "efgh")
    await asyncio.gather(*map(checks.check, texts))
    assert groups.most == dict.fromkeys(HOSTS[:3], 2), "a host that waits holds up no other"
    assert [one.reason for text in texts for one in checks.known(text)] == [""] * 24


async def test_sixteen_are_asked_at_once_of_all_hosts(server, checks):
    groups, text = serve_groups(server, "ab", 16, of_host=False), urls(server, HOSTS, "ab")
    await checks.check(text)
    assert groups.most == {"all": 16}
    assert [one.reason for one in checks.known(text)] == [""] * len(text)


async def test_links_that_found_no_slot_in_time_are_no_dead_ones_and_come_first_next(
    server, checks
):
    """The others have their own whole time: they are answered after the last moment to begin."""
    serve_groups(server, "abcdef", 2)
    text = urls(server, HOSTS[:1], "abcdef")
    checks.begin_within_s = 0.0
    for asked in (2, 4, 6):
        await checks.check(text)
        assert [(one.url, one.reason) for one in checks.known(text)] == [
            (url, "") for url in text[:asked]
        ]


async def test_a_link_is_too_slow_by_its_own_time(server, checks):
    checks.probe.limits, stuck = FetchLimits(total_s=0.2), asyncio.Event()

    async def answer_never(_):
        await stuck.wait()

    server.answers["/a"] = answer_never
    text = urls(server, HOSTS[:1], "a")
    await checks.check(text)
    stuck.set()
    assert [one.reason for one in checks.known(text)] == [FetchReason.TOO_SLOW.code]


async def test_a_check_asks_some_links_of_a_host_and_the_next_one_goes_on(server, checks):
    paths = [str(number) for number in range(HOST_LINKS_MAX + 5)]
    for path in paths:
        server.serve(f"/{path}")
    text = urls(server, HOSTS[:1], paths) + urls(server, HOSTS[1:2], ["0"])
    await checks.check(text)
    assert server.request_counts.total() == HOST_LINKS_MAX + 1
    await checks.check(text)
    assert len(checks.known(text)) == len(text)
    assert server.request_counts.total() == 2 * (HOST_LINKS_MAX + 1)
    server.request_counts.clear()
    await checks.check(urls(server, HOSTS[2:], paths))
    assert server.request_counts.total() == LINKS_MAX
