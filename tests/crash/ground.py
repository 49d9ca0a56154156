"""What has to be there before anybody says anything: units, readers, the Official Account."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.zalo.oauth import Pair
from channels.zalo.settings import ZaloSettings
from consumers.app import channels
from consumers.readers.imports import import_csv
from consumers.vault import KeyFile
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.registry import Registry
from tests.crash import digests
from tests.crash.patience import wait
from tests.crash.people import DESK_UNIT, GATHERED, READERS, TOPIC, UNIT, UNREAD
from tests.crash.stage import Stage

LONG_S = 90_000


@dataclass
class Ground:
    """The ground on which senders stand; `settle_in` lays it, ways of dying add to it."""

    stage: Stage
    keys: dict[str, str] = field(default_factory=dict)  # of units
    files: int = 0
    consent: bool = False  # Zalo has to be connected again

    def settle_in(self) -> None:
        """Units, readers, the Official Account: on a running Loa."""
        for unit, release in ((UNIT, "automatic"), (DESK_UNIT, "desk")):
            self.keys[unit] = self.stage.bus(lambda bus, u=unit, r=release: registered(bus, u, r))
        for topic, addresses in READERS.items():
            self.stage.bus(lambda bus, t=topic, a=addresses: self.imported(bus, t, a))
        for frequency, addresses in GATHERED.items():
            self.stage.bus(lambda bus, f=frequency, a=addresses: self.imported(bus, TOPIC, a, f))
        wait(lambda: self.stage.bus(digests.begun), "the first window of the digests")
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
            stores = channels.stores(bus, self.key_file, self.account.app_id)
            await channels.register_shipped(self.account, stores)
            return True

        self.stage.bus(register)

    def lines(self, topic: str, addresses: list[str], frequency: str = "") -> Path:
        self.files += 1
        path = self.stage.folder / f"readers-{self.files}.csv"
        rows = "\n".join(f"{one},,{topic},,,{frequency}" for one in addresses)
        path.write_text(f"email,name,topics,audiences,units,frequency\n{rows}\n")
        return path

    def strangers(self) -> Path:
        """A file of readers who are new and follow what nobody writes about."""
        first = self.files * 10
        return self.lines(UNREAD, [f"moi-{first + n}@example.com" for n in range(3)])

    async def imported(
        self, bus: Bus, topic: str, addresses: list[str], frequency: str = ""
    ) -> bool:
        return await self.take_in(bus, self.lines(topic, addresses, frequency))

    async def take_in(self, bus: Bus, path: Path) -> bool:
        await import_csv(bus, path, DEFAULT, self.key_file.derive("addresses"))
        return True

    @property
    def key_file(self) -> KeyFile:
        return KeyFile.open(self.stage.data / "vault.key")

    def connect(self, life_s: int = LONG_S) -> None:
        """The administrator of the Official Account consents: a new pair, stored in the vault."""
        self.stage.zalo("rules", {"expires_in": str(life_s)})
        pair = self.stage.zalo("grant", {})
        granted = Pair(pair["access_token"], pair["refresh_token"], float(life_s))
        settings = self.account

        async def seed(bus: Bus) -> bool:
            stores = channels.stores(bus, self.key_file, settings.app_id)
            while True:  # a worker may note a refresh at this very moment: then once more
                with suppress(Conflict):
                    await channels.seed_zalo(settings, stores, granted)
                    return True

        self.consent = self.stage.on_bus(seed) is None
        self.stage.zalo("rules", {"expires_in": str(LONG_S)})


async def registered(bus: Bus, unit: str, release: Any) -> str:
    return await Registry(bus, DEFAULT, time.time).add(unit, release=release)
