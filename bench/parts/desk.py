"""The desk's pages with few and with many items, and a hundred people at work on them."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

import httpx2

from bench import loa
from bench.figures import Findings, at_most, percentile, typical
from bench.server import LoaFailed, Server
from bench.sizes import Sizes
from consumers.editorial.log import Decide, EditorialLog
from consumers.key_file import KeyFile
from consumers.staff.accounts import AccountStore, NewAccount
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import SessionStore
from consumers.staff.sign_in import SignIn
from consumers.staff.totp import current_step, one_time_code
from contracts import events
from contracts.editorial import Action, ActionKind, EditorialText, ItemState
from contracts.staff.sign_in import Activation
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.desk.web_session import SessionCookie

T = TypeVar("T")
PART = "desk"
RELAY = 25  # nothing is mailed
ROLES = ("lanh-dao-don-vi", "bien-tap-vien", "lanh-dao-duyet")
UNIT, PASSWORD, SECRET = "van-phong-bo", "mưa rơi trên mái ngói", b"12345678901234567890"
PEOPLE = 100
THINK_S = 2.0
"""Between two pages of a person, on average."""
AT_ONCE = 64
K = ActionKind
WORDS = (
    "thông",
    "báo",
    "tuyển",
    "dụng",
    "công",
    "chức",
    "cải",
    "cách",
    "hành",
    "chính",
    "hồ",
    "sơ",
)


def measure(sizes: Sizes) -> Findings:
    """Pages of one desk with a hundredth of the items, then with all."""
    found: dict[int, list[float]] = {}
    with loa.up(PART, RELAY) as server:
        url = desk_url(server.folder)
        tokens = asyncio.run(on_bus(server, partial(sign_in, count=len(ROLES) * 3)))
        begun = 0
        for count in (sizes.desk_items // 100, sizes.desk_items):
            asyncio.run(on_bus(server, partial(fill, numbers=range(begun, count))))
            begun = count
            wait_until_listed(url, tokens[-1], count)
            found[count] = asyncio.run(at_work(url, tokens, count, sizes.desk_s))
    few, many = found.values()
    return Findings(
        [
            percentile(
                PART, f"a page, {begun} items, {PEOPLE} people", "ms", many, 95, at_most(100)
            ),
            percentile(PART, f"a page, {begun // 100} items", "ms", few, 95),
            typical(PART, "median page, many items ÷ few", "x", [middle(many) / middle(few)]),
        ],
        [{"part": PART, "few_ms": few, "many_ms": many}],
    )


def middle(found: Sequence[float]) -> float:
    return sorted(found)[len(found) // 2]


def desk_url(folder: Path) -> str:
    lines = (folder / "loa.log").read_text().splitlines()
    said = [json.loads(one) for one in lines if one.startswith("{")]
    [url] = [str(one["url"]) for one in said if one.get("event") == "desk_ready"]
    return url


async def on_bus(server: Server, work: Callable[[Bus, KeyFile], Awaitable[T]]) -> T:
    """Do something on the bus of a running Loa, under its key."""
    async with await Bus.connect(server.nats_url, name="bench") as own:
        await loa.use_key(own, server.folder)
        keys = KeyFile.open(server.folder / "vault.key")
        return await work(own, keys)


async def sign_in(own: Bus, keys: KeyFile, count: int) -> list[str]:
    """Sessions of people of every role, by turns."""
    accounts, passwords = AccountStore(own, time.time), Passwords()
    door, sessions = (
        SignIn(accounts, keys.derive, passwords),
        SessionStore(own, accounts, time.time),
    )
    tokens = []
    for number, role in enumerate(islice(cycle(ROLES), count)):
        login = f"nguoi-{number}"
        wanted = NewAccount(login=login, name=login, unit=UNIT, grants=(Grant(role=role),))
        _, invitation = await accounts.add(wanted, by="bench")
        code = one_time_code(SECRET, current_step(time.time()))
        facts = Activation(login, invitation, PASSWORD, SECRET, code)
        account = await door.activate(facts, default_policy())
        tokens.append(await sessions.start(account, network="127.0.0.1"))
    passwords.close()
    return tokens


async def fill(own: Bus, _: KeyFile, numbers: range) -> None:
    """Items at every step, as people leave them; each has its acts in their order."""
    log, limit = EditorialLog(own), asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with limit:
            for build in acts(number):
                await log.act(f"tin-{number}", build)

    await asyncio.gather(*map(one, numbers))


def acts(number: int) -> Iterator[Decide]:
    """A draft, and of most items the steps that follow."""
    text = a_text(number)
    steps = (K.SAVE, K.SUBMIT, K.CONFIRM, K.PROPOSE)
    for kind in steps[: 1 + number % len(steps)]:
        yield partial(build_act, kind, number, text)


def a_text(number: int) -> EditorialText:
    chance = random.Random(number)
    data = {
        "content_id": f"tin-{number}",
        "revision": 1,
        "title": " ".join(chance.choices(WORDS, k=12)),
        "summary": " ".join(chance.choices(WORDS, k=25)),
        "body": "\n\n".join(" ".join(chance.choices(WORDS, k=80)) for _ in range(4)),
        "topic": chance.choice([*DEFAULT.topics]),
        "channels": ["portal", "email"],
    }
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data=data)


def build_act(kind: ActionKind, number: int, text: EditorialText, state: ItemState) -> Action:
    is_first = kind is K.SAVE
    at = datetime(2026, 1, 2, 2, tzinfo=UTC) + timedelta(minutes=5 * number)
    return Action(
        id=f"desk.{number}.{kind}", at=at, by=f"nv-{kind}", kind=kind, revision=1,
        hash=text.hash if is_first else state.hash, text=text if is_first else None,
        prev=state.head,
    )  # fmt: skip


def wait_until_listed(url: str, token: str, count: int) -> None:
    """Return once the newest item can be read and the lists are current."""
    with httpx2.Client(base_url=url, cookies=cookie(token), timeout=60.0) as browser:
        until = time.monotonic() + 600.0
        while time.monotonic() < until:
            page = browser.get("/tin")
            if page.status_code == 200 and f"/tin/tin-{count - 1}" in page.text:
                return
            time.sleep(0.2)
    raise LoaFailed("the desk does not list its newest item")


def cookie(token: str) -> dict[str, str]:
    return {SessionCookie(is_https=False).name: token}


async def at_work(url: str, tokens: list[str], count: int, seconds: float) -> list[float]:
    """Milliseconds of every page of all people."""
    taken: list[float] = []
    until = time.monotonic() + seconds

    async def person(token: str, chance: random.Random) -> None:
        async with httpx2.AsyncClient(base_url=url, cookies=cookie(token), timeout=60.0) as browser:
            while time.monotonic() < until:
                await asyncio.sleep(chance.expovariate(1 / THINK_S))
                began = time.perf_counter()
                page = await browser.get(some_page(chance, count))
                taken.append((time.perf_counter() - began) * 1000)
                if page.status_code != 200:
                    raise LoaFailed(f"{page.url.path}: {page.status_code}")

    people = zip(islice(cycle(tokens), PEOPLE), range(PEOPLE), strict=True)
    await asyncio.gather(*(person(token, random.Random(seed)) for token, seed in people))
    return taken


def some_page(chance: random.Random, count: int) -> str:
    """What people open: their work, lists, the search, the calendar, an item, its review."""
    item = f"/tin/tin-{chance.randrange(count)}"
    return chance.choice(
        (
            *("/", "/", "/tin", "/tin?trang-thai=pending_approval"),
            f"/tin?q={chance.choice(WORDS)}+{chance.choice(WORDS)}",
            *("/lich", item, item, f"{item}/duyet"),
        )
    )
