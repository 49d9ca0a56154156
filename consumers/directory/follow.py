"""Following the bucket `subscribers`: every change goes into the directory's file, in order."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import structlog

from consumers.directory.audience import wishes
from consumers.directory.store import Person, Store
from contracts import subjects
from contracts.crash import crash_point
from producers.bus import Bus, BusError, Change

log = structlog.get_logger()
PERSON = "s."
CHUNK = 64
WAITING = 2000
CONFIRM_S = 2.0
PAUSE_S = 1.0


class Follower:
    """The machine's one writer, for as long as `run` runs."""

    def __init__(self, bus: Bus, store: Store, clock: Callable[[], float]) -> None:
        self.bus = bus
        self.bucket = bus.bucket(subjects.SUBSCRIBERS.name)
        self.store = store
        self.clock = clock
        self.asked: tuple[int, float] | None = None
        self.erased = False

    async def run(self) -> None:
        """Follow until cancelled, over outages of the bus and of the file (disk full, locked)."""
        while True:
            try:
                await self.follow()
            except* BusError as trouble:
                log.warning("directory_interrupted", reason=str(trouble.exceptions[0]))
            except* sqlite3.OperationalError as trouble:
                log.error("directory_file_trouble", reason=str(trouble.exceptions[0]))
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        await self.check_bucket()
        self.asked = None
        changes: asyncio.Queue[Change] = asyncio.Queue(WAITING)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.listen(changes))
            group.create_task(self.take_in(changes))
            group.create_task(self.confirm())

    async def check_bucket(self) -> None:
        """A projection of another bucket (the bus was set up anew) is worth nothing."""
        info = await self.bus.stream_info(self.bucket.stream)
        if info["created"] != self.store.bucket or info["state"]["last_seq"] < self.store.seq:
            self.store.reset(info["created"])
            log.info("directory_begun", seq=info["state"]["last_seq"])

    async def listen(self, changes: asyncio.Queue[Change]) -> None:
        async for change in self.bucket.watch(self.store.seq + 1):
            await changes.put(change)
        raise BusError("the watch ended")

    async def take_in(self, changes: asyncio.Queue[Change]) -> None:
        """Apply what has come, many at a time when there are many."""
        while True:
            chunk = [await changes.get()]
            while len(chunk) < CHUNK and not changes.empty():
                chunk.append(changes.get_nowait())
            people = [person(one) for one in chunk if one.key.startswith(PERSON)]
            crash_point("directory.read")
            self.store.apply(people, chunk[-1].seq)
            crash_point("directory.applied")
            self.erased |= any(one.wishes is None for one in people)
            self.confirm_asked()
            await asyncio.sleep(0)  # between two chunks others may work

    async def confirm(self) -> None:
        """Ask every 2 s how far the bucket is."""
        while True:
            if self.asked is None:
                asked_at = self.clock()
                self.asked = (await self.bucket.last_seq(), asked_at)
            self.confirm_asked()
            if self.erased:
                self.store.scrub()
                self.erased = False
            await asyncio.sleep(CONFIRM_S)

    def confirm_asked(self) -> None:
        """Once everything is applied that the bucket held when it was asked, say so."""
        if self.asked and self.store.seq >= self.asked[0]:
            self.store.confirm(self.asked[1])
            self.asked = None


def person(change: Change) -> Person:
    """A change as the file takes it; who is not active is not in it."""
    id = change.key.removeprefix(PERSON)
    if change.data is None:
        return Person(id)
    try:
        told = json.loads(change.data)
        row = (id, told["email"], told["name"], wishes(told), moment(told.get("paused_until")))
        active = told["active"] and Person(*row, *rhythm(told))
    except (ValueError, KeyError, TypeError, AttributeError):
        log.error("subscriber_unreadable", recipient=id, seq=change.seq)
        return Person(id)
    return active or Person(id)


def rhythm(told: dict[str, Any]) -> Iterator[float]:
    """When the frequency last changed, and when a daily and a weekly one last ended."""
    since, before = told.get("frequency_since"), told.get("frequency_before")
    ended = told.get("frequency_ended") or {before: since}
    yield from (moment(since), moment(ended.get("daily")), moment(ended.get("weekly")))


def moment(said: str | None) -> float:
    """In epoch seconds; 0 for never."""
    return datetime.fromisoformat(said).timestamp() if said else 0.0
