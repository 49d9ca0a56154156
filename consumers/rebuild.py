"""Making projections anew from the bus: the portal's folder, the directory of readers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import structlog

from channels.errors import Unreachable
from channels.portal.lock import Busy
from channels.portal.press import Press
from channels.portal.rebuild import Changes, rebuilding
from consumers.directory import alone
from consumers.directory.follow import PERSON, person
from consumers.directory.store import Store
from consumers.faults import fault
from consumers.ledger import codec
from consumers.ledger.entry import STATUS
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.errors import Invalid
from contracts.publication import Publication
from producers.bus import Bus, Change

log = structlog.get_logger()
AT_ONCE = 200
PATIENCE_S = 30.0
CHUNK = 500


async def portal(bus: Bus, folder: Path, press: Press) -> Changes:
    """Show again exactly what the ledger says was shown. Deliveries to the portal wait meanwhile.

    Raises Unreachable when another writer keeps the folder, OSError, sqlite3.Error or BusError;
    then readers see what they saw before.
    """
    try:
        with rebuilding(folder, press, PATIENCE_S) as rebuild:
            async for chunk in shown(bus):
                await asyncio.to_thread(rebuild.take, chunk)
            changes = await asyncio.to_thread(rebuild.finish)
    except Busy:
        raise Unreachable("folder_busy") from None
    log.info("portal_rebuilt", **changes._asdict())
    return changes


async def shown(bus: Bus) -> AsyncIterator[list[Publication]]:
    """Publications that the portal has delivered, in chunks, oldest first."""
    chunk: list[Publication] = []
    async for message in bus.scan(subjects.PUBLICATIONS.name):
        chunk.append(publication.decode(message.data))
        if len(chunk) == AT_ONCE:
            yield await delivered(bus, chunk)
            chunk = []
    yield await delivered(bus, chunk)


async def delivered(bus: Bus, chunk: list[Publication]) -> list[Publication]:
    keys = [f"state.{BatchKey(ChannelName.PORTAL, p.content_id, p.revision, 0)}" for p in chunk]
    found = await bus.bucket(subjects.LEDGER.name).many(keys)
    rows = {key: codec.decode_state(value.data).rows for key, value in found.items()}
    return [
        one
        for one, key in zip(chunk, keys, strict=True)
        if key in rows and STATUS[rows[key][0]] is Status.DELIVERED
    ]


async def directory(bus: Bus, path: Path) -> int:
    """Read every reader again; returns how many there are. Raises Invalid while Loa writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.with_suffix(".lock")) as mine:
        if not mine:
            raise Invalid(fault("directory", "directory_in_use"))
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        with closing(Store(path)) as store:
            await fill(bus, store)
            log.info("directory_rebuilt", people=store.people())
            return store.people()


async def fill(bus: Bus, store: Store) -> None:
    """Take in everybody whom the bucket holds; a service follows it from there on."""
    bucket = bus.bucket(subjects.SUBSCRIBERS.name)
    store.reset((await bus.stream_info(bucket.stream))["created"])
    last = await bucket.last_seq()
    people = []
    async for key, value in bucket.values(PERSON):
        people.append(person(Change(key, value.data, value.revision)))
        if len(people) == CHUNK:
            store.apply(people, 0)
            people.clear()
    store.apply(people, last)
