"""Needs of senders before they start: units, readers, the Official Account."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.settings import ZaloSettings
from consumers.app.wiring import zalo
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.digests.store import DigestStore
from consumers.key_file import KeyFile
from consumers.staff.accounts import AccountStore, NewAccount
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.policy import Grant
from consumers.subscribers.csv_import import import_csv
from consumers.trials.guests import GuestAddresses
from contracts.errors import Conflict
from contracts.subscriptions.digest import FREQUENCIES
from contracts.vocabulary import DEFAULT
from producers.bus import Bus, topology
from producers.units.registry import UnitRegistry
from sandbox.zalo.state.templates import shipped_routes
from tests.deep.crash.environment import Environment, wait

UNIT, DESK_UNIT = "trung-tam-cong-nghe-thong-tin", "van-phong-bo"
TOPIC, BIG, BRIEF = "chuyen-doi-so", "cai-cach-hanh-chinh", "lao-dong-tien-luong-bhxh"
UNREAD = "dich-vu-cong-truc-tuyen"
OLD = "van-thu-luu-tru"
KINDS = {"doc": 22, "hoan": 3, "muon": 2, "dut": 2, "tuchoi": 1}
READERS = {
    TOPIC: [f"{kind}-{n}@example.com" for kind, count in KINDS.items() for n in range(count)],
    BIG: [f"nhieu-{n}@example.com" for n in range(520)],
    BRIEF: ["cham-0@example.com", "ngan-0@example.com"],
    OLD: ["cu-0@example.com", "dut-cu@example.com"],
}
GATHERED = {
    "daily": [f"{name}@example.com" for name in ("gom-0", "gom-1", "muon-gom", "dut-gom")],
    "weekly": ["gom-2@example.com", "gom-3@example.com"],
}
"""Who reads TOPIC in digests."""
CLERK = "Phòng Biên tập"
EDITOR = "bien-tap@example.com"
TRIALS = "trials"
"""Among the keys of units: the one with which UNIT sends trials."""
GUESTS = frozenset(f"thu-{n}@example.com" for n in range(3))
"""The guests who get the trials of UNIT."""
LONG_S = 90_000


def sandbox_account(url: str) -> ZaloSettings:
    """The Official Account, as every process knows it."""
    return ZaloSettings(
        app_id="sandbox-app", app_secret="sandbox-app-secret",
        openapi_url=url, business_url=url, oauth_url=url,
    )  # fmt: skip


@dataclass
class Setup:
    """Needs of senders; `prepare` makes them, ways of dying add to them."""

    environment: Environment
    keys: dict[str, str] = field(default_factory=dict)  # of units
    files: int = 0
    consent: bool = False  # Zalo has to be connected again

    def prepare(self) -> None:
        """Units, readers, the Official Account, a template for each kind of case notice."""
        for unit, release in ((UNIT, "automatic"), (DESK_UNIT, "desk")):
            self.keys[unit] = self.environment.bus(partial(register_unit, unit, release))
        self.keys[TRIALS] = self.environment.bus(self.open_trials)
        self.environment.bus(self.open_callbacks)
        self.environment.bus(make_inbound_stream)
        self.environment.bus(self.hire_editor)
        for topic, addresses in READERS.items():
            self.add_readers(topic, addresses)
        for frequency, addresses in GATHERED.items():
            self.add_readers(TOPIC, addresses, frequency)
        wait(lambda: self.environment.bus(digests_have_begun), "the first window of the digests")
        self.connect()
        self.environment.bus(self.register_templates)

    async def hire_editor(self, bus: Bus) -> bool:
        """Add an account that is told by mail of what waits at the desk, and signs in nowhere."""
        accounts, grant = AccountStore(bus, time.time), Grant(role="bien-tap-vien")
        wanted = NewAccount(login="bien-tap", name=CLERK, unit=DESK_UNIT, grants=(grant,))
        account, _ = await accounts.add(wanted, by="test")
        address = StaffAddresses(self.key_file.derive).encrypt(account.id, EDITOR)
        await accounts.set_mail(account.id, state="active", address=address)
        return True

    async def open_trials(self, bus: Bus) -> str:
        """Let UNIT send trials to its guests; returns the key."""
        registry, addresses = (
            UnitRegistry(bus, DEFAULT, time.time),
            GuestAddresses(self.key_file.derive),
        )
        for address in sorted(GUESTS):
            await registry.add_guest(UNIT, addresses.guest(UNIT, address, datetime.now(UTC)))
        return await registry.renew_trial_key(UNIT)

    async def open_callbacks(self, bus: Bus) -> bool:
        """Let UNIT's system be called with all that becomes of its items."""
        cipher, statuses = EndpointCipher(self.key_file.derive), StatusStore(bus)
        parts = EndpointStore(bus), statuses, cipher, lambda _: None, time.time
        await EndpointAdministration(*parts).add(UNIT, self.environment.unit_url, (), EDITOR)
        return True

    async def register_templates(self, bus: Bus) -> bool:
        account, stores = self.account_stores(bus)
        await zalo.register_missing_templates(account, stores, shipped_routes())
        return True

    def account_stores(self, bus: Bus) -> tuple[ZaloSettings, Any]:
        account = sandbox_account(self.environment.zalo_url)
        return account, zalo.zalo_stores(bus, self.key_file, account.app_id)

    def csv_lines(self, topic: str, addresses: list[str], frequency: str = "") -> Path:
        self.files += 1
        path = self.environment.folder / f"readers-{self.files}.csv"
        rows = "\n".join(f"{address},,{topic},,,{frequency}" for address in addresses)
        path.write_text(f"email,name,topics,audiences,units,frequency\n{rows}\n")
        return path

    def unknown_addresses(self) -> Path:
        """A file of new readers who follow a topic without publications."""
        first = self.files * 10
        return self.csv_lines(UNREAD, [f"moi-{first + n}@example.com" for n in range(3)])

    def add_readers(self, topic: str, addresses: list[str], frequency: str = "") -> None:
        path = self.csv_lines(topic, addresses, frequency)
        self.environment.bus(lambda bus: self.import_csv(bus, path))

    async def import_csv(self, bus: Bus, path: Path) -> bool:
        await import_csv(bus, path, DEFAULT, self.key_file.derive("addresses"))
        return True

    @property
    def key_file(self) -> KeyFile:
        return KeyFile.open(self.environment.data / "vault.key")

    def connect(self, life_s: int = LONG_S) -> None:
        """The administrator of the Official Account consents: a new pair, stored in the vault."""
        self.environment.zalo("rules", {"expires_in": str(life_s)})
        pair = self.environment.zalo("grant", {})
        granted = TokenPair(pair["access_token"], pair["refresh_token"], float(life_s))

        async def seed(bus: Bus) -> bool:
            account, stores = self.account_stores(bus)
            while True:  # a worker may note a refresh at this very moment: then once more
                with suppress(Conflict):
                    await zalo.store_token_pair(account, stores, granted)
                    return True

        self.consent = self.environment.on_bus(seed) is None
        self.environment.zalo("rules", {"expires_in": str(LONG_S)})


async def register_unit(unit: str, release: Any, bus: Bus) -> str:
    return await UnitRegistry(bus, DEFAULT, time.time).add(unit, release=release)


async def make_inbound_stream(bus: Bus) -> bool:
    await topology.apply(bus, [UNIT])
    return True


async def digests_have_begun(bus: Bus) -> bool:
    """Whether the first window of each frequency has begun."""
    store = DigestStore(bus)
    return all([(await store.last_cut(frequency)).value for frequency in FREQUENCIES])
