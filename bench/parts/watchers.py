"""A live delivery that many browsers watch: its streams, pages meanwhile, and Loa's memory."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp

from bench import loa
from bench.figures import Figure, Findings, at_most, percentile, typical
from bench.letter import TOPICS
from bench.server import LoaFailed, Server, item
from bench.sizes import Sizes
from bench.staff import MB, SignedIn, cookie, desk_url, on_bus, sign_in, sign_out, usage
from bench.watcher import Watcher
from producers.desk.event_stream import MOST_PER_ACCOUNT

PART = "watchers"
ITEM, ROLE = "tin-gui", "bien-tap-vien"
READERS_PER_S, DELAY_MS = 200, 150
"""More readers than mails leave in a second, with a relay so slow: the delivery goes on."""
THINK_S = 10.0
"""Between two pages of a browser, on average, while its stream goes on."""
PATIENCE_S = 120.0
PAGES = (f"/tin/{ITEM}/dang-gui", f"/tin/{ITEM}", "/", "/tin")
_ENDED = "event: ended"


@dataclass
class Shown:
    """States that a browser's stream showed: when each came, and when the stream ended."""

    states: dict[str, float] = field(default_factory=dict)
    ended: float | None = None

    @property
    def pauses(self) -> list[float]:
        times = sorted(self.states.values())
        return [later - earlier for earlier, later in pairwise(times)]


@dataclass
class Watched:
    """All browsers: their streams, milliseconds of their pages, memory of Loa early and late."""

    streams: list[Shown] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    early_mb: float = 0.0
    late_mb: float = 0.0
    cpu_share: float = 0.0
    ends: list[float] = field(default_factory=list)
    """Seconds from the end of the sessions to that of each stream."""

    @property
    def pauses(self) -> list[float]:
        return [one for stream in self.streams for one in stream.pauses]

    @property
    def spreads(self) -> list[float]:
        """Seconds from the first stream that showed a state to each other one that did."""
        first: dict[str, float] = {}
        for stream in self.streams:
            for state, at in stream.states.items():
                first[state] = min(at, first.get(state, at))
        return [at - first[state] for stream in self.streams for state, at in stream.states.items()]


def measure(sizes: Sizes) -> Findings:
    """Browsers watch one delivery that goes on all the time; then their sessions end."""
    topic = TOPICS[0]
    count = round(sizes.watch_s * READERS_PER_S)
    accounts = -(-sizes.watchers // MOST_PER_ACCOUNT)
    with Watcher(DELAY_MS) as relay, loa.up(PART, relay.port) as server:
        loa.import_readers(server.folder, (loa.reader(f"r{n}", topic) for n in range(count)))
        people = sign_in(server, [ROLE] * accounts, sizes.watchers)
        server.post(item(ITEM, topic))
        found = asyncio.run(watch(server, people, sizes.watch_s))
    return Findings(figures(found, sizes), [{"part": PART, "pages_ms": found.pages}])


def figures(found: Watched, sizes: Sizes) -> list[Figure]:
    who, spreads = f"{sizes.watchers} watchers", found.spreads
    between, behind = "between two states of a stream", "a state, behind the first stream's"
    memory = f"memory after {sizes.watch_s:.0f} s less that after {sizes.watch_s / 5:.0f} s"
    grown, last = found.late_mb - found.early_mb, max(found.ends)
    return [
        percentile(PART, f"a page, {who}", "ms", found.pages, 95, at_most(100)),
        percentile(PART, f"{between}, {who}", "s", found.pauses, 95, at_most(2)),
        percentile(PART, f"{behind}, {who}", "s", spreads, 95, at_most(1)),
        typical(PART, "the last stream's end, behind its session's", "s", [last], at_most(5)),
        typical(PART, f"{memory}, {who}", "MB", [grown], at_most(10)),
        typical(PART, "CPU of Loa, delivery and streams", "x", [found.cpu_share]),
    ]


async def watch(server: Server, people: Sequence[SignedIn], seconds: float) -> Watched:
    """All streams are open before the clock runs. Raises LoaFailed for one that ends too soon."""
    found, url = Watched(), desk_url(server.folder)
    connector, endless = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, connector=connector, timeout=endless) as http:
        streams = [asyncio.create_task(stream(http, one, found)) for one in people]
        await until_all_show(found, len(people))
        await at_work(server, http, people, seconds, found)
        if any(one.done() for one in streams):
            raise LoaFailed("a stream ended while its session went on")
        began = time.monotonic()
        await on_bus(server.folder, server.nats_url, lambda own, _: sign_out(own, people))
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*streams)
    found.ends = [one.ended - began for one in found.streams if one.ended]
    return found


async def stream(http: aiohttp.ClientSession, one: SignedIn, found: Watched) -> None:
    """Keep the events of the delivery coming until Loa says that the session has ended."""
    shown = Shown()
    address = f"/tin/{ITEM}/dang-gui/dong"
    async with http.get(address, headers=headers(one)) as answer:
        if answer.status != 200:
            raise LoaFailed(f"{address}: {answer.status}")
        found.streams.append(shown)
        event: list[str] = []
        async for line in answer.content:
            if text := line.decode().rstrip("\n"):
                event.append(text)
                continue
            if _ENDED in event:
                shown.ended = time.monotonic()
                return
            shown.states.setdefault("\n".join(event), time.monotonic())
            event = []
    raise LoaFailed("a stream broke off")


async def until_all_show(found: Watched, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sum(bool(one.states) for one in found.streams) < count:
            await asyncio.sleep(0.05)


async def at_work(
    server: Server,
    http: aiohttp.ClientSession,
    people: Sequence[SignedIn],
    seconds: float,
    found: Watched,
) -> None:
    """Browsers open pages beside their streams; memory is looked at early and at the end."""
    until, before = time.monotonic() + seconds, usage(server)
    readers = [
        asyncio.create_task(read_pages(http, one, random.Random(seed), until, found))
        for seed, one in enumerate(people)
    ]
    await asyncio.sleep(seconds / 5)
    found.early_mb = usage(server).peak_bytes / MB
    await asyncio.gather(*readers)
    after = usage(server)
    found.late_mb = after.peak_bytes / MB
    found.cpu_share = after.since(before).cpu_s / seconds


async def read_pages(
    http: aiohttp.ClientSession,
    one: SignedIn,
    chance: random.Random,
    until: float,
    found: Watched,
) -> None:
    while (pause := chance.expovariate(1 / THINK_S)) < until - time.monotonic():
        await asyncio.sleep(pause)
        began, path = time.perf_counter(), chance.choice(PAGES)
        async with http.get(path, headers=headers(one)) as answer:
            await answer.read()
        found.pages.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise LoaFailed(f"{path}: {answer.status}")


def headers(one: SignedIn) -> dict[str, str]:
    [(name, value)] = cookie(one).items()
    return {"Cookie": f"{name}={value}"}
