"""The readers' pages with everything behind them on a real bus; mail goes to a scripted relay."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from channels.base import Outcome, Verdict
from channels.email.render.announced import announced_subject
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import HmacSigner
from consumers.app.web.connection_limits import ConnectionLimits
from consumers.app.web.proxies import TrustedProxies
from consumers.app.web.server import WebServer, bind_socket, socket_url
from consumers.case_notices.recipients import CaseNotices
from consumers.key_file import KeyFile, seal_people
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker, WakeUp
from consumers.runtime.errors import RetryLater
from consumers.subscribers.closing_mail import ClosingMailer
from consumers.subscribers.csv_import import ImportReport, import_csv
from consumers.subscribers.preferences import PreferencesService
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.signup import SignupService
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.tokens import LinkTokens, TokenUses
from consumers.subscribers.transactional import TransactionalMailer, TransactionalRecipients
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.suppression.store import SuppressionStore
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.subscriptions.subscriber import Subscriber
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.pages import create_pages
from producers.pages.rendering import Renderer, page_texts
from producers.pages.services import PageFacts, PageServices
from tests.support.clock import FakeClock
from tests.support.scripted_channel import ScriptedChannel
from tests.support.services import new_worker

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
KEYS = KeyFile(b"k" * 32)
ADDRESS, KNOWN = "ong.ba@example.com", "que.ba@example.com"
CONSENT = page_texts()["consent"]["version"]
SUBJECTS = {kind: announced_subject(kind, EmailSettings()) for kind in TransactionalKind}
FACTS = PageFacts("Bộ Nội vụ <thong-bao@loa.example>", SUBJECTS)
SEAL = re.compile(r'name="seal" value="([0-9a-f]{64})"')


class SignupApp:
    """One process with the pages and a mail worker."""

    def __init__(
        self, bus: Bus, folder: Path, clock: FakeClock, public_url: str = "", per_hour: int = 0
    ) -> None:
        self.bus, self.clock = bus, clock
        self.sealing_keys = seal_people(bus, KEYS)
        self.ledger, waker = Ledger(bus), Waker(bus)
        notices = CaseNotices(bus, self.ledger, waker)
        self.store = SubscriberStore(bus, KEYS.derive("addresses"))
        quota = HourlyMailQuota(bus, per_hour, clock)
        self.mailer = TransactionalMailer(bus, notices, self.store, clock, quota)
        self.links, self.uses = LinkTokens(KEYS.derive, clock), TokenUses(bus)
        self.signer = HmacSigner(KEYS.derive("unsubscribe"))
        self.unsubscribe = UnsubscribeService(self.store, self.signer, clock)
        parts = self.store, self.mailer, self.links, self.uses
        self.suppressions = SuppressionStore(bus, b"a secret for tests")
        lift = partial(self.suppressions.lift, ChannelName.EMAIL)
        self.signup = SignupService(*parts, lift, DEFAULT, clock)
        self.closing_mail = ClosingMailer(self.store, self.mailer, clock)
        stands = partial(self.suppressions.find_active, ChannelName.EMAIL)
        self.preferences = PreferencesService(
            *parts, lift, self.closing_mail, DEFAULT, clock, stands
        )
        self.url = public_url or "http://loa.example"
        self.doors = PageServices(self.signup, self.preferences, self.unsubscribe, per_hour)
        self.app = create_pages(self.doors, Renderer(self.url, DEFAULT, facts=FACTS), clock)
        self.relay = ScriptedChannel(name=ChannelName.EMAIL, window=1)
        self.relay.render = lambda letter: letter.kind.value  # type: ignore[method-assign]
        self.relay.answer = lambda _: Outcome(Verdict.DELIVERED)
        strategies = [TransactionalRecipients(bus, self.suppressions)]
        self.worker = new_worker(
            bus, self.relay, clock, folder / "slots", ledger=self.ledger, strategies=strategies
        )

    # --- data on the bus

    async def pending_mails(self) -> dict[str, TransactionalMail]:
        """Return the mails that have not ended, by content_id, oldest first."""
        values = self.bus.bucket(subjects.NOTICES.name).values("letter-")
        return {key: TransactionalMail.model_validate_json(one.data) async for key, one in values}

    async def last_mail(self) -> TransactionalMail:
        return [*(await self.pending_mails()).values()][-1]

    async def send_mails(self) -> list[TransactionalMail]:
        """Send the pending mails, as the worker does; return those that left."""
        found = await self.pending_mails()
        for content_id in found:
            await self.wake(content_id)
        return [one for key, one in found.items() if key not in await self.pending_mails()]

    async def wake(self, content_id: str) -> None:
        batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
        with suppress(RetryLater):
            await self.worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NOTICE))

    async def subscribers(self) -> list[Subscriber]:
        values = self.bus.bucket(subjects.SUBSCRIBERS.name).values("s.")
        return [Subscriber.model_validate_json(one.data) async for _, one in values]

    async def stored_bytes(self) -> bytes:
        """Return the content of all buckets, keys too."""
        found = b""
        for bucket in subjects.BUCKETS:
            async for key, value in self.bus.bucket(bucket.name).values(""):
                found += key.encode() + b"\0" + value.data + b"\n"
        return found

    async def import_address(self, folder: Path) -> ImportReport:
        """Import a CSV file with ADDRESS."""
        path = folder / "readers.csv"
        path.write_text(f"email,name,topics,audiences,units,frequency\n{ADDRESS},An,,,,\n")
        return await import_csv(self.bus, path, DEFAULT, KEYS.derive("addresses"))

    async def entry(self, content_id: str) -> LedgerEntry:
        batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
        return (await self.ledger.state(batch)).value

    # --- actions of people

    async def applied(self, browser: httpx2.AsyncClient) -> str:
        """Sign up; return the path of the confirmation."""
        await browser.post("/dang-ky", data=signup_form())
        return (await self.last_mail()).path

    async def access_path(self, browser: httpx2.AsyncClient, address: str = ADDRESS) -> str:
        """Ask for the access link; return its path."""
        await browser.post("/dang-ky/quan-ly", data={"email": address})
        return (await self.last_mail()).path

    async def change_token(self, person: Subscriber, address: str) -> str:
        """Ask for another address; return the token that confirms it. Its mail was sent."""
        await self.preferences.request_address_change(person, address)
        token = (await self.last_mail()).path.rpartition("/")[2]
        await self.send_mails()
        return token

    @asynccontextmanager
    async def client(self, ip: str = "198.51.100.7") -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(self.app, client=(ip, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url=self.url) as browser:
            yield browser

    async def subscribed(self, address: str = ADDRESS, **wishes: Any) -> Subscriber:
        """Sign up and confirm a subscriber; the mails have been sent."""
        async with self.client() as browser:
            answer = await browser.post("/dang-ky", data=signup_form(address, **wishes))
            assert answer.status_code == 200
            assert (await browser.post((await self.last_mail()).path)).status_code == 200
        await self.send_mails()
        return await self.subscriber(address)

    async def subscriber(self, address: str = ADDRESS) -> Subscriber:
        person = await self.store.find_by_address(address)
        assert person is not None
        return person

    @asynccontextmanager
    async def signed_in(self, address: str = ADDRESS) -> AsyncIterator[httpx2.AsyncClient]:
        """Open the browser of a signed-in subscriber."""
        async with self.client() as browser:
            await browser.post(await self.access_path(browser, address))
            await self.send_mails()
            yield browser


@pytest.fixture
async def browser(signup_app: SignupApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with signup_app.client() as browser:
        yield browser


@asynccontextmanager
async def serve_app(app: ASGIApp, trusted: str = "") -> AsyncIterator[str]:
    """Serve *app* on a port of this machine; yield the address."""
    with bind_socket("127.0.0.1", 0) as bound:
        web = WebServer(app, ConnectionLimits(proxies=TrustedProxies.parse(trusted)))
        serving = asyncio.create_task(web.serve([bound]))
        await web.until_started(serving)
        yield socket_url(bound)
        await web.finish(serving)


def signup_form(address: str = ADDRESS, **wishes: Any) -> dict[str, Any]:
    return {"email": address, "frequency": "immediate", "consent": CONSENT, **wishes}


async def press_button(
    browser: httpx2.AsyncClient, path: str = "", **fields: Any
) -> httpx2.Response:
    """Press a button on the page of one's own subscription."""
    page = await browser.get("/dang-ky/tuy-chon")
    found = SEAL.search(page.text)
    assert found, page.text
    return await browser.post(f"/dang-ky/tuy-chon{path}", data={"seal": found[1], **fields})


def main_part(answer: httpx2.Response) -> str:
    """Return a page without the head and foot of the whole site, as text."""
    shown = answer.text.partition("<main")[2].partition("</main>")[0]
    return unescape(shown).replace("\N{NO-BREAK SPACE}", " ")


def heading(answer: httpx2.Response) -> str:
    """Return the only first heading of a page."""
    [found] = re.findall("<h1>(.*?)</h1>", answer.text, re.S)
    return str(found)
