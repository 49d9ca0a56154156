"""Keys of units for the bus, and connections with them."""

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import nkeys

from producers.access import Access
from producers.bus import Bus
from producers.bus_access.unit_accounts import UnitAccount


class UnitKey(NamedTuple):
    """A key of one unit: the file with its seed, and its public part."""

    unit: str
    file: Path
    public: str

    @property
    def account(self) -> UnitAccount:
        return UnitAccount(self.unit, (self.public,))

    @asynccontextmanager
    async def connected(self, url: str):
        address = "nats://" + url.rpartition("@")[2].removeprefix("nats://")
        access = Access(nkey_file=self.file)
        async with await Bus.connect(address, access=access, patience_s=3) as bus:
            yield bus


def create_unit_key(folder: Path, unit: str) -> UnitKey:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    file = folder / f"{public}.nk"
    file.touch(mode=0o600)
    file.write_bytes(seed)
    return UnitKey(unit, file, public)
