"""The readers' pages with everything behind them on a real bus; mail goes to a scripted relay."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from channels.base import Outcome, Verdict
from channels.email.unsubscribe import HmacSigner
from consumers.app.web import WebServer, address, listen
from consumers.circuit import Circuit
from consumers.deliver import Deliver
from consumers.lanes import Gate
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.notices.persons import Notices
from consumers.readers.cap import Cap
from consumers.readers.farewells import Farewells
from consumers.readers.leaving import Leaving
from consumers.readers.letters import Addressees, Letters
from consumers.readers.links import Links, Uses
from consumers.readers.office import Office
from consumers.readers.own import Own
from consumers.readers.people import People
from consumers.settle import Later
from consumers.slots import Slot
from consumers.suppressions import Suppressions
from consumers.vault import KeyFile
from consumers.wake import Waker, WakeUp
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.letter import Letter
from contracts.subscriber import Subscriber
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.pages import pages
from producers.pages.look import texts
from producers.pages.office import Doors
from tests.conftest import Clock
from tests.fakes import People as Nobody
from tests.fakes import Provider

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
KEYS = KeyFile(b"k" * 32)
ADDRESS, KNOWN = "ong.ba@example.com", "que.ba@example.com"
CONSENT = texts()["consent"]["version"]
SEAL = re.compile(r'name="seal" value="([0-9a-f]{64})"')


class House:
    """One process with the pages and a mail worker."""

    def __init__(
        self, bus: Bus, folder: Path, clock: Clock, public_url: str = "", per_hour: int = 0
    ) -> None:
        self.bus, self.clock = bus, clock
        self.ledger, waker = Ledger(bus), Waker(bus)
        notices = Notices(bus, self.ledger, waker)
        self.people = People(bus, KEYS.derive("addresses"))
        cap = Cap(bus, per_hour, clock) if per_hour else None
        self.letters = Letters(bus, notices, self.people, clock, cap)
        self.links, self.uses = Links(KEYS.derive, clock), Uses(bus)
        self.signer = HmacSigner(KEYS.derive("unsubscribe"))
        self.leaving = Leaving(self.people, self.signer, clock)
        parts = self.people, self.letters, self.links, self.uses
        self.suppressed = Suppressions(bus, b"a secret for tests")
        lift = partial(self.suppressed.lift, ChannelName.EMAIL)
        self.office = Office(*parts, lift, DEFAULT, clock)
        self.farewells = Farewells(self.people, self.letters, clock)
        stands = partial(self.suppressed.now, ChannelName.EMAIL)
        self.own = Own(*parts, lift, self.farewells, DEFAULT, clock, stands)
        self.url = public_url or "http://loa.example"
        self.doors = Doors(self.office, self.own, self.leaving, per_hour)
        self.app = pages(self.doors, DEFAULT, self.url, clock)
        self.relay = Provider(name=ChannelName.EMAIL, window=1)
        self.relay.render = lambda letter: letter.kind.value  # type: ignore[method-assign]
        self.relay.answer = lambda _: Outcome(Verdict.DELIVERED)
        self.worker = Deliver(
            self.relay, self.ledger, Library(bus, self.ledger, self.relay.render), Nobody([]),
            waker, Gate(self.relay.connections), Slot(folder / "slots", ChannelName.EMAIL),
            Circuit(bus, ChannelName.EMAIL), clock=clock,
            addressees=Addressees(bus, self.suppressed),
        )  # fmt: skip

    # --- what lies on the bus

    async def waiting(self) -> dict[str, Letter]:
        """The letters that have not ended, by content_id, oldest first."""
        values = self.bus.bucket(subjects.NOTICES.name).values("letter-")
        return {key: Letter.model_validate_json(one.data) async for key, one in values}

    async def last(self) -> Letter:
        return [*(await self.waiting()).values()][-1]

    async def post(self) -> list[Letter]:
        """Send what waits, as the worker does; the letters that left."""
        found = await self.waiting()
        for content_id in found:
            await self.wake(content_id)
        return [one for key, one in found.items() if key not in await self.waiting()]

    async def wake(self, content_id: str) -> None:
        batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
        with suppress(Later):
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))

    async def readers(self) -> list[Subscriber]:
        values = self.bus.bucket(subjects.SUBSCRIBERS.name).values("s.")
        return [Subscriber.model_validate_json(one.data) async for _, one in values]

    async def everything(self) -> bytes:
        """All that any bucket holds, keys too."""
        found = b""
        for bucket in subjects.BUCKETS:
            async for key, value in self.bus.bucket(bucket.name).values(""):
                found += key.encode() + b"\0" + value.data + b"\n"
        return found

    # --- what people do

    @asynccontextmanager
    async def browser(self, ip: str = "198.51.100.7") -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(self.app, client=(ip, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url=self.url) as browser:
            yield browser

    async def joined(self, address: str = ADDRESS, **wishes: Any) -> Subscriber:
        """Somebody who has subscribed and confirmed; their letter has ended."""
        async with self.browser() as browser:
            assert (
                await browser.post("/dang-ky", data=a_form(address, **wishes))
            ).status_code == 200
            assert (await browser.post((await self.last()).path)).status_code == 200
        await self.post()
        return await self.reader(address)

    async def reader(self, address: str = ADDRESS) -> Subscriber:
        person = await self.people.by_address(address)
        assert person is not None
        return person

    @asynccontextmanager
    async def inside(self, address: str = ADDRESS) -> AsyncIterator[httpx2.AsyncClient]:
        """The browser of a reader whom a letter has let in."""
        async with self.browser() as browser:
            await browser.post("/dang-ky/quan-ly", data={"email": address})
            await browser.post((await self.last()).path)
            await self.post()
            yield browser


@pytest.fixture
def house(bus: Bus, tmp_path: Path) -> House:
    return House(bus, tmp_path, Clock(NOON.timestamp()))


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with house.browser() as browser:
        yield browser


@asynccontextmanager
async def served(app: ASGIApp, trusted: str = "") -> AsyncIterator[str]:
    """*app* on a port of this machine; the address."""
    with listen("127.0.0.1", 0) as bound:
        web = WebServer(app, trusted)
        serving = asyncio.create_task(web.serve([bound]))
        await web.until_started(serving)
        yield address(bound)
        await web.end(serving)


def a_form(address: str = ADDRESS, **wishes: Any) -> dict[str, Any]:
    return {"email": address, "frequency": "immediate", "consent": CONSENT, **wishes}


async def act(browser: httpx2.AsyncClient, path: str = "", **fields: Any) -> httpx2.Response:
    """Press a button of the page of one's own subscription."""
    page = await browser.get("/dang-ky/tuy-chon")
    found = SEAL.search(page.text)
    assert found, page.text
    return await browser.post(f"/dang-ky/tuy-chon{path}", data={"seal": found[1], **fields})


def title(answer: httpx2.Response) -> str:
    """A page's only first heading."""
    [found] = re.findall("<h1>(.*?)</h1>", answer.text, re.S)
    return str(found)
