"""The desk's pages with few and with many items, and a hundred people at work on them."""

import asyncio
import random
import re
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from itertools import cycle

import httpx2

from bench import archive, loa, processes
from bench.figures import Findings, at_most, percentile, typical
from bench.forms import form_fields
from bench.letter import TOPICS
from bench.server import LoaFailed, Server, item
from bench.sizes import Sizes
from bench.staff import MB, SignedIn, cookie, desk_url, on_bus, sign_in, usage
from contracts.desk.previews import Document

PART = "desk"
RELAY = 25  # nothing is mailed
LEADER, EDITOR = "lanh-dao-don-vi", "bien-tap-vien"
APPROVER, AUDITOR = "lanh-dao-duyet", "kiem-tra-doc-lap"
ROLES = (LEADER, EDITOR, APPROVER, AUDITOR) * 4
"""An account each; an account may ask a visual editor's questions 120 times a minute."""
PEOPLE = 100
THINK_S = 2.0
"""Between two pages of a person, on average."""
LISTED_S, CALM_S = 900.0, 300.0
DELIVERED = 20
"""Items whose delivery people look at."""
_SENT = (HTTPStatus.OK, HTTPStatus.SEE_OTHER, HTTPStatus.CONFLICT)
_EDITOR_WAYS = re.compile(r'data-(keep|presence)-path="([^"]*)" data-\1-seal="([^"]*)"')


@dataclass
class Work:
    """Measurements of a hundred people: milliseconds by route, CPU and growth of Loa's process."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: float = 0.0
    grown_mb: float = 0.0

    @property
    def pages(self) -> list[float]:
        return [one for found in self.taken.values() for one in found]

    def add(self, route: str, began: float) -> None:
        self.taken.setdefault(route, []).append((time.perf_counter() - began) * 1000)


def measure(sizes: Sizes) -> Findings:
    """Pages of a desk with a hundredth of the items, and of one with all."""
    few_items, many_items = sizes.desk_items // 100, sizes.desk_items
    few, many = (work_with(count, sizes) for count in (few_items, many_items))
    named = f"{many_items} items, {PEOPLE} people"
    routes = [
        percentile(PART, f"{route}, {many_items} items", "ms", found, 95, at_most(100))
        for route, found in many.taken.items()
    ]
    return Findings(
        [
            percentile(PART, f"a page, {named}", "ms", many.pages, 95, at_most(100)),
            percentile(PART, f"a page, {few_items} items", "ms", few.pages, 95),
            typical(PART, "median page, many items ÷ few", "x", [middle(many) / middle(few)]),
            typical(PART, f"CPU of Loa for a page, {named}", "ms", [many.cpu_ms]),
            typical(PART, f"CPU of Loa for a page, {few_items} items", "ms", [few.cpu_ms]),
            typical(PART, f"memory that {len(many.pages)} pages left", "MB", [many.grown_mb]),
            *routes,
        ],
        [{"part": PART, "few_ms": few.taken, "many_ms": many.taken}],
    )


def middle(found: Work) -> float:
    return sorted(found.pages)[len(found.pages) // 2]


def work_with(count: int, sizes: Sizes) -> Work:
    """A Loa with *count* items, and people at work for some seconds."""
    with loa.up(PART, RELAY) as server:
        deliver(server)
        loa.import_readers(server.folder, readers(sizes.mails))
    with archive.without_sync(server) as nats_url:
        asyncio.run(on_bus(server.folder, nats_url, partial(archive.fill, count=count)))
    with loa.up_again(server, RELAY) as server:
        people = sign_in(server, ROLES, PEOPLE)
        url = desk_url(server.folder)
        wait_until_listed(url, people[0], count)
        processes.settle(server.pid, timeout_s=CALM_S)
        found = measured(server, lambda: at_work(url, people, count, sizes.desk_s))
    told(count, found)
    return found


def deliver(server: Server) -> None:
    """Release some items, while there is no reader of mail."""
    for number in range(DELIVERED):
        sent = item(delivered(number), TOPICS[0], channels=["portal", "email"])
        server.closed(server.post(sent)["status_url"])


def delivered(number: int) -> str:
    return f"tin-gui-{number}"


def readers(count: int) -> Iterator[str]:
    """Readers whom a dry run counts, each of one topic."""
    for number, topic in zip(range(count), cycle(TOPICS), strict=False):
        yield loa.reader(f"reader{number}", topic)


def measured(server: Server, work: Callable[[], Coroutine[None, None, Work]]) -> Work:
    """Findings of *work*, with the CPU and the growth of Loa's process."""
    before = usage(server)
    found = asyncio.run(work())
    after = usage(server)
    found.cpu_ms = after.since(before).cpu_s * 1000 / len(found.pages)
    found.grown_mb = (after.peak_bytes - before.peak_bytes) / MB
    return found


def told(count: int, found: Work) -> None:
    """Print every route, so that a slow one has a name."""
    print(f"{count} items:", flush=True)
    for route, taken in sorted(found.taken.items()):
        p95 = percentile(PART, route, "ms", taken, 95).reached
        p50 = sorted(taken)[len(taken) // 2]
        print(
            f"  {route:26} n {len(taken):5} p50 {p50:6.1f} p95 {p95:6.1f} max {max(taken):6.1f} ms"
        )


def wait_until_listed(url: str, one: SignedIn, count: int) -> None:
    """Return once the newest item can be read and the lists are current. Raises LoaFailed."""
    with httpx2.Client(base_url=url, cookies=cookie(one), timeout=60.0) as browser:
        until = time.monotonic() + LISTED_S
        while time.monotonic() < until:
            page = browser.get("/tin")
            if page.status_code == 200 and f"/tin/{archive.item(count - 1)}" in page.text:
                return
            time.sleep(0.2)
    raise LoaFailed("the desk does not list its newest item")


async def at_work(url: str, people: Sequence[SignedIn], count: int, seconds: float) -> Work:
    """All people open pages and remark on items; their browsers are open before the clock runs."""
    found = Work()
    async with AsyncExitStack() as stack:
        tls = ssl.create_default_context()  # made anew for each browser, it would hold all up
        browsers = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=url, cookies=cookie(one), timeout=60.0, verify=tls)
            )
            for one in people
        ]
        until = time.monotonic() + seconds
        working = (
            Person(browser, one.role, random.Random(seed), found)
            for seed, (browser, one) in enumerate(zip(browsers, people, strict=True))
        )
        await asyncio.gather(*(person.work(count, until) for person in working))
    return found


@dataclass
class Person:
    """A person at a browser."""

    browser: httpx2.AsyncClient
    role: str
    chance: random.Random
    found: Work

    async def work(self, count: int, until: float) -> None:
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
            route, path = self.chance.choice([*self.places(count)])
            page = await self.ask(route, path)
            if route == "an item" and self.chance.random() < 0.25:
                await self.remark(path, page)
            if route == "the edit form" and page:
                await self.write(path, page)

    def places(self, count: int) -> Iterator[tuple[str, str]]:
        """Pages that people open: their work, lists, an item and all that is shown of it."""
        path = f"/tin/{archive.item(self.chance.randrange(count))}"
        words = "+".join(self.chance.choices(archive.WORDS, k=2))
        sent = delivered(self.chance.randrange(DELIVERED))
        yield from [("the start page", "/")] * 2
        yield "a list", "/tin"
        yield "a list by status", "/tin?trang-thai=pending_approval"
        yield "a search", f"/tin?q={words}"
        yield "the calendar", "/lich"
        yield "campaigns", "/chuyen-de"
        yield "bulletins", "/ban-tin"
        yield "a report", "/bao-cao"
        yield from [("an item", path)] * 2
        yield "a review", f"{path}/duyet"
        yield "a preview", f"{path}/xem-truoc"
        yield "a live delivery", f"/tin/{sent}/dang-gui"
        document = self.chance.choice([*Document])
        yield "a frame of a preview", f"{path}/xem-truoc/khung?kieu={document}"
        yield from self.own_places(path)

    def own_places(self, path: str) -> Iterator[tuple[str, str]]:
        """Pages that people of a role open."""
        if self.role == EDITOR:
            yield from [("the edit form", f"{path}/sua")] * 2
        if self.role == APPROVER:
            yield "a dry run", f"{path}/se-toi-ai"
        if self.role == LEADER:
            yield "a unit's page", f"/don-vi/{archive.UNIT}"
        if self.role in (EDITOR, AUDITOR):
            yield "operations", "/van-hanh"
        if self.role == AUDITOR:
            yield from [("the log", "/nhat-ky")] * 2

    async def remark(self, path: str, page: str) -> None:
        """Send the form of a remark, as the page offers it."""
        await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
        fields = form_fields(page, f"{path}/gop-y") | {"note": [secrets.token_hex(8)]}
        await self.send("a remark", f"{path}/gop-y", fields)

    async def write(self, path: str, page: str) -> None:
        """Type a paragraph, which the page keeps, and save the text."""
        fields = form_fields(page, path)
        fields["body"] = [
            f"{fields['body'][0]}\n\n{' '.join(self.chance.choices(archive.WORDS, k=60))}"
        ]
        fields |= {"reason": ["Bổ sung"]} if "reason" in fields else {}
        for name, way, seal in _EDITOR_WAYS.findall(page):
            typed = fields if name == "keep" else {}
            await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
            await self.send(f"an editor's {name}", way, typed | {"seal": [seal]})
        await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
        await self.send("a save", path, fields)

    async def ask(self, route: str, path: str) -> str:
        """The page; empty for the form of a text that waits for its unit, which leads to the item.

        Raises LoaFailed for another answer than it has to be.
        """
        return await self.timed(route, self.browser.get(path), HTTPStatus.OK, HTTPStatus.SEE_OTHER)

    async def send(self, route: str, path: str, form: Mapping[str, Sequence[str]]) -> None:
        """Send a form; 409 where another person was first. Raises LoaFailed as `ask`."""
        own = {"Origin": str(self.browser.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        await self.timed(route, self.browser.post(path, data=dict(form), headers=own), *_SENT)

    async def timed(
        self, route: str, asked: Awaitable[httpx2.Response], *wanted: HTTPStatus
    ) -> str:
        began = time.perf_counter()
        answer = await asked
        self.found.add(route, began)
        if answer.status_code not in wanted:
            raise LoaFailed(f"{route} {answer.url.path}: {answer.status_code}")
        return answer.text
