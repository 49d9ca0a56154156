"""A file on the bus of a running Loa: kept, read back, and the one before erased.

What an earlier run left after a kill is whole or not there, and its pieces are erased.
"""

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from consumers.app.settings import RunningInstance
from producers.bus import Bus
from producers.object_store import ObjectStore
from tests.support.seals import use_key

_PIECES = 3


def main(number: str) -> None:
    asyncio.run(_keep(Path(os.environ["LOA_DATA_DIR"]), int(number)))


async def _keep(data: Path, number: int) -> None:
    running = RunningInstance.model_validate_json((data / "run" / "ready.json").read_bytes())
    async with await Bus.connect(running.nats_url) as bus:
        await use_key(bus, data)
        store = ObjectStore(bus)
        for erase in [erase async for _, erase in store.strays(datetime.now(UTC))]:
            await erase()
        if not [one async for one in store.objects()]:
            await _put(store, number - 1)
        earlier = [one async for one in store.objects()]
        for one in earlier:
            _ = [piece async for piece in store.read(one)]  # raises for a damaged one
        name = await _put(store, number)
        for one in earlier:
            if one.info.name != name:
                await store.delete(one)
        await _check(bus, store, name)


async def _put(store: ObjectStore, number: int) -> str:
    pieces = [number.to_bytes(8, "big") * 1000] * _PIECES
    name = hashlib.sha256(b"".join(pieces)).hexdigest()
    await store.put(name, pieces, {})
    return name


async def _check(bus: Bus, store: ObjectStore, name: str) -> None:
    names = [one.info.name async for one in store.objects()]
    stored = await bus.count_by_subject("OBJ_uploads", "$O.uploads.C.*")
    if names != [name] or [*stored.values()] != [_PIECES]:
        raise SystemExit(f"uploads: {names}, {stored}")
