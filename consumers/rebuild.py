"""Making projections anew from the bus: the portal's folder, the directory of readers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import structlog

from channels.errors import Unreachable
from channels.portal.lock import Busy
from channels.portal.press import Press
from channels.portal.rebuild import Changes, rebuilding
from channels.portal.work import Tell, nobody
from consumers.directory import alone
from consumers.directory.follow import PERSON, person
from consumers.directory.store import Store
from consumers.faults import fault
from consumers.ledger import codec
from contracts import publication, subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.errors import ContractError, Invalid
from contracts.publication import Publication
from producers.bus import Bus, Change, Message

log = structlog.get_logger()
AT_ONCE = 200
PATIENCE_S = 30.0
CHUNK = 500
SHOWN, NEVER_SHOWN = frozenset(b"dD"), frozenset(b"xuewv")


class Chunk(NamedTuple):
    """Publications by what the ledger knows of them: shown, or perhaps."""

    shown: list[Publication]
    unsure: list[Publication]


async def portal(bus: Bus, folder: Path, press: Press, tell: Tell = nobody) -> Changes:
    """Show again what was shown, and *tell* how far it is. Deliveries to the portal wait meanwhile.

    Of what the ledger leaves open the old portal's own index is asked: an outcome may not be booked
    yet, and after a restore the ledger is older than the pages. Raises Unreachable when another
    writer keeps the folder, OSError, sqlite3.Error or BusError.
    """
    try:
        with rebuilding(folder, press, PATIENCE_S, tell) as rebuild:
            total = (await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["messages"]
            async for chunk in chunks(bus):
                await asyncio.to_thread(rebuild.take, chunk.shown)
                await asyncio.to_thread(rebuild.keep, chunk.unsure)
                tell("publications", len(chunk.shown) + len(chunk.unsure), total)
            changes = await asyncio.to_thread(rebuild.finish)
    except Busy:
        raise Unreachable("folder_busy") from None
    log.info("portal_rebuilt", **changes._asdict())
    return changes


async def chunks(bus: Bus) -> AsyncIterator[Chunk]:
    """Every publication, oldest first; what can't be read is left to a person."""
    some: list[Publication] = []
    async for message in stored(bus):
        try:
            some.append(publication.decode(message.data))
        except ContractError as broken:
            fields = [error.field for error in broken.errors]
            log.error("publication_unreadable", seq=message.seq, fields=fields)
        if len(some) == AT_ONCE:
            yield await sorted_out(bus, some)
            some = []
    yield await sorted_out(bus, some)


async def stored(bus: Bus) -> AsyncIterator[Message]:
    """The whole stream; what a replica that is behind leaves out comes from the leader."""
    stream, seen = subjects.PUBLICATIONS.name, 0
    last = (await bus.stream_info(stream))["state"]["last_seq"]
    async for message in bus.scan(stream):
        seen = message.seq
        yield message
    for seq in range(seen + 1, last + 1):
        if found := await bus.get_message(stream, seq):
            yield found


async def sorted_out(bus: Bus, some: list[Publication]) -> Chunk:
    keys = [f"state.{BatchKey(ChannelName.PORTAL, p.content_id, p.revision, 0)}" for p in some]
    now = await bus.bucket(subjects.LEDGER.name).last_seq()  # whichever replica answers
    letters = await portal_rows(bus, keys, since=now)
    known = [(one, letters.get(key)) for one, key in zip(some, keys, strict=True)]
    return Chunk(
        [one for one, letter in known if letter in SHOWN],
        [one for one, letter in known if letter not in SHOWN | NEVER_SHOWN],
    )


async def portal_rows(bus: Bus, keys: list[str], *, since: int) -> dict[str, int]:
    """The letters as they stood at sequence *since* of the ledger, or later."""
    bucket, letters = bus.bucket(subjects.LEDGER.name), dict[str, int]()
    found = await bucket.many(keys, since=since)
    for key, value in found.items():
        try:
            letters[key] = codec.decode_state(value.data).rows[0]
        except codec.BROKEN as broken:
            log.error("batch_unreadable", key=key, error=type(broken).__name__)
    return letters


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
