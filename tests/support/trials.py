"""A unit's trials with everything behind them on a real bus: the door, the service, the mails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.email.render.build import MailContext
from channels.email.render.preview import PREVIEW_SIGNER
from channels.email.settings import EmailSettings
from channels.portal.preview import PortalPreview
from channels.zalo.publications.render import ArticleDefaults
from consumers.app.wiring.portal import build_site
from consumers.desk.unit_events import UnitEvents
from consumers.trials.dry_run import ItemDryRuns
from consumers.trials.faces import RenderedTrials
from consumers.trials.guests import GuestAddresses
from consumers.trials.history import TrialPages
from consumers.trials.service import TrialService
from consumers.trials.store import TrialStore
from contracts import subjects
from contracts.base.times import utc_now
from contracts.subscriptions.transactional import TransactionalMail
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.gateway.history import EventPages
from tests.conftest import stream_states
from tests.support.clock import FakeClock
from tests.support.gateway_client import UNIT, GatewayClient, open_gateway
from tests.support.signup_app import KEYS, NOON, SignupApp

URL = "https://loa.example"
UNTOUCHED = {stream.name for stream in subjects.STREAMS if stream is not subjects.DELIVER}
UNTOUCHED |= {"KV_events", "KV_publications", "KV_control", "KV_subscribers"}
"""Streams and buckets in which no trial leaves anything."""


class TrialApp(SignupApp):
    """One process with the service of trials and a mail worker; `door` has the unit's keys."""

    def __init__(self, bus: Bus, folder: Path, clock: FakeClock) -> None:
        super().__init__(bus, folder, clock)
        self.addresses = GuestAddresses(KEYS.derive)
        self.store = TrialStore(bus)
        self.service = self.new_service(bus)
        self.faces = RenderedTrials(
            self.store,
            self.ledger,
            PortalPreview(build_site(URL, DEFAULT, EmailSettings()), f"{URL}/tai-nguyen"),
            MailContext(EmailSettings(), URL, PREVIEW_SIGNER, DEFAULT),
            ArticleDefaults(URL, f"{URL}/anh.png"),
        )
        self.outlooks = ItemDryRuns(bus, self.store, self.ledger, self.faces, DEFAULT, clock)
        pages = UnitEvents(bus, None, clock), TrialPages(self.store, clock)
        self.pages = EventPages(*pages)
        self.door: GatewayClient
        self.live_key = ""

    def new_service(self, bus: Bus) -> TrialService:
        return TrialService(TrialStore(bus), self.mailer, self.addresses, DEFAULT, self.clock)

    @classmethod
    @asynccontextmanager
    async def opened(cls, bus: Bus, folder: Path, *guests: str) -> AsyncIterator["TrialApp"]:
        """With UNIT, its keys, and these guests; `door` sends with the key for trials."""
        app = cls(bus, folder, FakeClock(NOON.timestamp()))
        parts = {"faces": app.faces, "outlooks": app.outlooks, "pages": app.pages}
        async with open_gateway(bus, app.clock, **parts) as app.door:
            app.live_key = app.door.key
            app.door.key = await app.door.registry.renew_trial_key(UNIT)
            for address in guests:
                await app.invite(address)
            yield app

    async def invite(self, address: str, unit: str = UNIT) -> None:
        guest = self.addresses.guest(unit, address, utc_now(self.clock))
        await self.door.registry.add_guest(unit, guest)

    async def dismiss(self, address: str, unit: str = UNIT) -> None:
        guest = self.addresses.guest(unit, address, utc_now(self.clock))
        await self.door.registry.remove_guest(unit, guest.id)

    async def send(self, event: Any, **more: Any) -> dict[str, Any]:
        """Send a trial that the door takes; its answer."""
        answer = await self.door.post(event, **more)
        assert answer.status_code == 202, answer.text
        self.clock.advance(1)
        return answer.json()

    async def arrived(self) -> list[TransactionalMail]:
        """Work through the trials; the mails that left, in the order of addresses."""
        await self.service.follow()
        return sorted(await self.send_mails(), key=lambda mail: mail.address)

    async def status(self, accepted: dict[str, Any]) -> dict[str, Any]:
        return (await self.door.get(accepted["status_url"])).json()

    async def untouched(self) -> dict[str, int]:
        """The last sequence of each stream that trials have no business with."""
        states = await stream_states(self.bus)
        return {name: states[name][2] for name in UNTOUCHED}
