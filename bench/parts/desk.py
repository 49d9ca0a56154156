"""The desk's pages with few and with many items, and a hundred people at work on them."""

import asyncio
import json
import random
import re
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

import httpx2

from bench import archive, loa, processes
from bench.figures import Findings, at_most, percentile, typical
from bench.server import LoaFailed, Server
from bench.sizes import Sizes
from consumers.key_file import KeyFile
from consumers.staff.accounts import AccountStore, NewAccount
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import SessionStore
from consumers.staff.sign_in import SignIn
from consumers.staff.totp import current_step, one_time_code
from contracts.staff.sign_in import Activation
from producers.bus import Bus
from producers.desk.web_session import SessionCookie

T = TypeVar("T")
PART = "desk"
RELAY = 25  # nothing is mailed
ROLES = ("lanh-dao-don-vi", "bien-tap-vien", "lanh-dao-duyet")
PASSWORD, SECRET = "mưa rơi trên mái ngói", b"12345678901234567890"
PEOPLE = 100
THINK_S = 2.0
"""Between two pages of a person, on average."""
LISTED_S, CALM_S = 900.0, 300.0
MB = 1 << 20
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass
class Work:
    """What a hundred people found: milliseconds by route, CPU and growth of Loa's process."""

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
    few, many = (work_with(count, sizes.desk_s) for count in (few_items, many_items))
    named = f"{many_items} items, {PEOPLE} people"
    routes = [
        percentile(PART, f"{route}, {many_items} items", "ms", found, 95)
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


def work_with(count: int, seconds: float) -> Work:
    """A Loa with *count* items, and people at work for some *seconds*."""
    with loa.up(PART, RELAY) as server:
        pass  # now it has its folder, streams and keys
    with archive.without_sync(server) as nats_url:
        asyncio.run(on_bus(server.folder, nats_url, partial(archive.fill, count=count)))
    with loa.up_again(server, RELAY) as server:
        tokens = asyncio.run(on_bus(server.folder, server.nats_url, sign_in))
        url = desk_url(server.folder)
        wait_until_listed(url, tokens[0], count)
        processes.settle(server.pid, timeout_s=CALM_S)
        found = measured(server, lambda: at_work(url, tokens, count, seconds))
    told(count, found)
    return found


def measured(server: Server, work: Callable[[], Coroutine[None, None, Work]]) -> Work:
    """What *work* found, with the CPU and the growth of Loa's process."""
    before = usage(server)
    found = asyncio.run(work())
    after = usage(server)
    found.cpu_ms = after.since(before).cpu_s * 1000 / len(found.pages)
    found.grown_mb = (after.peak_bytes - before.peak_bytes) / MB
    return found


def usage(server: Server) -> processes.Usage:
    """CPU so far, and the memory of this moment."""
    processes.forget_peak(server.pid)
    own, _ = processes.used(server.pid)
    return own


def told(count: int, found: Work) -> None:
    """Print every route, so that a slow one has a name."""
    print(f"{count} items:", flush=True)
    for route, taken in sorted(found.taken.items()):
        p95 = quantiles(taken, n=20, method="inclusive")[18]
        p50 = sorted(taken)[len(taken) // 2]
        print(
            f"  {route:26} n {len(taken):5} p50 {p50:6.1f} p95 {p95:6.1f} max {max(taken):6.1f} ms"
        )


def desk_url(folder: Path) -> str:
    lines = (folder / "loa.log").read_text().splitlines()
    said = [json.loads(one) for one in lines if one.startswith("{")]
    [url] = [str(one["url"]) for one in said if one.get("event") == "desk_ready"]
    return url


async def on_bus(folder: Path, url: str, work: Callable[[Bus, KeyFile], Awaitable[T]]) -> T:
    """Do something on the bus of a Loa, under its key."""
    async with await Bus.connect(url, name="bench") as own:
        await loa.use_key(own, folder)
        return await work(own, KeyFile.open(folder / "vault.key"))


async def sign_in(own: Bus, keys: KeyFile) -> list[str]:
    """A session for each person; three accounts of different roles have them by turns."""
    accounts, passwords = AccountStore(own, time.time), Passwords()
    door = SignIn(accounts, keys.derive, passwords)
    sessions, known = SessionStore(own, accounts, time.time), []
    for login in ROLES:
        wanted = NewAccount(login=login, name=login, unit=archive.UNIT, grants=(Grant(role=login),))
        _, invitation = await accounts.add(wanted, by="bench")
        code = one_time_code(SECRET, current_step(time.time()))
        facts = Activation(login, invitation, PASSWORD, SECRET, code)
        known.append(await door.activate(facts, default_policy()))
    passwords.close()
    people = islice(cycle(known), PEOPLE)
    return [await sessions.start(one, network="127.0.0.1") for one in people]


def wait_until_listed(url: str, token: str, count: int) -> None:
    """Return once the newest item can be read and the lists are current. Raises LoaFailed."""
    with httpx2.Client(base_url=url, cookies=cookie(token), timeout=60.0) as browser:
        until = time.monotonic() + LISTED_S
        while time.monotonic() < until:
            page = browser.get("/tin")
            if page.status_code == 200 and f"/tin/{archive.item(count - 1)}" in page.text:
                return
            time.sleep(0.2)
    raise LoaFailed("the desk does not list its newest item")


def cookie(token: str) -> dict[str, str]:
    return {SessionCookie(is_https=False).name: token}


async def at_work(url: str, tokens: Sequence[str], count: int, seconds: float) -> Work:
    """All people open pages and remark on items; their browsers are open before the clock runs."""
    found = Work()
    async with AsyncExitStack() as stack:
        tls = ssl.create_default_context()  # made anew for each browser, it would hold all up
        browsers = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=url, cookies=cookie(one), timeout=60.0, verify=tls)
            )
            for one in tokens
        ]
        until = time.monotonic() + seconds
        people = (Person(one, random.Random(seed), found) for seed, one in enumerate(browsers))
        await asyncio.gather(*(person.work(count, until) for person in people))
    return found


@dataclass
class Person:
    """A person at a browser."""

    browser: httpx2.AsyncClient
    chance: random.Random
    found: Work

    async def work(self, count: int, until: float) -> None:
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
            route, path = self.chance.choice([*self.places(count)])
            page = await self.ask(route, path)
            if route == "an item" and self.chance.random() < 0.25:
                await self.remark(path, page)

    def places(self, count: int) -> Iterator[tuple[str, str]]:
        """What people open: their work, lists, the search, the calendar, an item, its review."""
        path = f"/tin/{archive.item(self.chance.randrange(count))}"
        words = "+".join(self.chance.choices(archive.WORDS, k=2))
        yield from [("the start page", "/")] * 2
        yield "a list", "/tin"
        yield "a list by status", "/tin?trang-thai=pending_approval"
        yield "a search", f"/tin?q={words}"
        yield "the calendar", "/lich"
        yield from [("an item", path)] * 2
        yield "a review", f"{path}/duyet"

    async def remark(self, path: str, page: str) -> None:
        """Send the form of a remark, as the page offers it."""
        await asyncio.sleep(self.chance.expovariate(1 / THINK_S))
        _, _, form = page.partition(f'action="{path}/gop-y"')
        fields = dict(_HIDDEN.findall(form.partition("</form>")[0]))
        await self.ask("a remark", f"{path}/gop-y", fields | {"note": secrets.token_hex(8)})

    async def ask(self, route: str, path: str, form: Mapping[str, str] | None = None) -> str:
        """The page. Raises LoaFailed for another answer than it has to be."""
        began = time.perf_counter()
        own = {"Origin": str(self.browser.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        answer = await (
            self.browser.get(path)
            if form is None
            else self.browser.post(path, data=dict(form), headers=own)
        )
        self.found.add(route, began)
        if answer.status_code != (200 if form is None else 303):
            raise LoaFailed(f"{path}: {answer.status_code}")
        return answer.text
