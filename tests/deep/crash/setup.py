"""What has to be there before anybody says anything: units, readers, the Official Account."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.settings import ZaloSettings
from consumers.app.wiring import zalo
from consumers.key_file import KeyFile
from consumers.subscribers.csv_import import import_csv
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.units.registry import UnitRegistry
from sandbox.zalo.state.templates import shipped_routes
from tests.deep.crash import digest_check
from tests.deep.crash.environment import Environment
from tests.deep.crash.participants import DESK_UNIT, GATHERED, READERS, TOPIC, UNIT, UNREAD
from tests.deep.crash.waiting import wait

LONG_S = 90_000


@dataclass
class Setup:
    """The ground on which senders stand; `settle_in` lays it, ways of dying add to it."""

    stage: Environment
    keys: dict[str, str] = field(default_factory=dict)  # of units
    files: int = 0
    consent: bool = False  # Zalo has to be connected again

    def prepare(self) -> None:
        """Units, readers, the Official Account: on a running Loa."""
        for unit, release in ((UNIT, "automatic"), (DESK_UNIT, "desk")):
            self.keys[unit] = self.stage.bus(
                lambda bus, u=unit, r=release: register_unit(bus, u, r)
            )
        for topic, addresses in READERS.items():
            self.stage.bus(lambda bus, t=topic, a=addresses: self.imported(bus, t, a))
        for frequency, addresses in GATHERED.items():
            self.stage.bus(lambda bus, f=frequency, a=addresses: self.imported(bus, TOPIC, a, f))
        wait(lambda: self.stage.bus(digest_check.has_begun), "the first window of the digests")
        self.connect()
        self.templates()

    @property
    def account(self) -> ZaloSettings:
        """The Official Account, as every process of this folder knows it."""
        return ZaloSettings(
            app_id="sandbox-app", app_secret="sandbox-app-secret",
            openapi_url=self.stage.zalo_url, business_url=self.stage.zalo_url,
            oauth_url=self.stage.zalo_url,
        )  # fmt: skip

    def templates(self) -> None:
        """Every kind of case notice has its template."""

        async def register(bus: Bus) -> bool:
            stores = zalo.zalo_stores(bus, self.key_file, self.account.app_id)
            await zalo.register_missing_templates(self.account, stores, shipped_routes())
            return True

        self.stage.bus(register)

    def csv_lines(self, topic: str, addresses: list[str], frequency: str = "") -> Path:
        self.files += 1
        path = self.stage.folder / f"readers-{self.files}.csv"
        rows = "\n".join(f"{one},,{topic},,,{frequency}" for one in addresses)
        path.write_text(f"email,name,topics,audiences,units,frequency\n{rows}\n")
        return path

    def unknown_addresses(self) -> Path:
        """A file of readers who are new and follow what nobody writes about."""
        first = self.files * 10
        return self.csv_lines(UNREAD, [f"moi-{first + n}@example.com" for n in range(3)])

    async def imported(
        self, bus: Bus, topic: str, addresses: list[str], frequency: str = ""
    ) -> bool:
        return await self.import_csv(bus, self.csv_lines(topic, addresses, frequency))

    async def import_csv(self, bus: Bus, path: Path) -> bool:
        await import_csv(bus, path, DEFAULT, self.key_file.derive("addresses"))
        return True

    @property
    def key_file(self) -> KeyFile:
        return KeyFile.open(self.stage.data / "vault.key")

    def connect(self, life_s: int = LONG_S) -> None:
        """The administrator of the Official Account consents: a new pair, stored in the vault."""
        self.stage.zalo("rules", {"expires_in": str(life_s)})
        pair = self.stage.zalo("grant", {})
        granted = TokenPair(pair["access_token"], pair["refresh_token"], float(life_s))
        settings = self.account

        async def seed(bus: Bus) -> bool:
            stores = zalo.zalo_stores(bus, self.key_file, settings.app_id)
            while True:  # a worker may note a refresh at this very moment: then once more
                with suppress(Conflict):
                    await zalo.store_token_pair(settings, stores, granted)
                    return True

        self.consent = self.stage.on_bus(seed) is None
        self.stage.zalo("rules", {"expires_in": str(LONG_S)})


async def register_unit(bus: Bus, unit: str, release: Any) -> str:
    return await UnitRegistry(bus, DEFAULT, time.time).add(unit, release=release)
