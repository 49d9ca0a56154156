"""What one process is made of; services add their parts to it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from faststream.nats import NatsBroker

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app import shell
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.app.web import Check, Faces
from consumers.canary.settings import CanarySettings
from consumers.canary.standing import OFF, standings
from consumers.control import Pauses
from consumers.digests.book import Book
from consumers.directory import Directory
from consumers.ledger.store import Ledger
from consumers.mail import brakes
from consumers.notices.persons import Notices
from consumers.outlets import outlets
from consumers.register import Register
from consumers.release import Release
from consumers.room import Room
from consumers.seen import Seen
from consumers.sight import unseen
from consumers.trace import Trace
from consumers.vault import KeyFile, belonging, claim
from consumers.wake import Waker
from contracts import keys
from contracts.delivery import ChannelName
from contracts.records import EventRecord
from contracts.subjects import Consumer, Stream
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, BusError

Task = Callable[[], Coroutine[Any, Any, None]]
CANARIES_S = 2.0


@dataclass
class Node:
    """The shared parts, made when first asked for, and what the services have registered."""

    settings: LoaSettings
    email: EmailSettings
    zalo: ZaloSettings
    bus: Bus
    broker: NatsBroker
    watched: shell.Watched
    own_url: str
    stack: AsyncExitStack
    faces: Faces = field(default_factory=Faces)
    checks: dict[str, Check] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    on_ready: list[Task] = field(default_factory=list)
    on_stop: list[Callable[[], None]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    stand_ins: set[ChannelName] = field(default_factory=set)

    clock = staticmethod(time.time)

    def standing(self) -> dict[str, str]:
        """Which channels stand still, and why, as far as this process follows them."""
        return self.pauses.why() if "pauses" in vars(self) else {}

    def filling(self) -> dict[str, int]:
        """Which streams and buckets fill up, as far as this process looks."""
        return self.room.filled if "room" in vars(self) else {}

    async def canaries(self) -> dict[str, dict[str, Any]]:
        """What canaries prove of each channel; nothing where none are sent, or the bus is away."""
        try:
            async with asyncio.timeout(CANARIES_S):
                found = await standings(self.bus, self.clock())
        except (BusError, TimeoutError):
            return {}
        known = {name.value: one for name, one in found.items() if one != OFF}
        return {name: one.model_dump(mode="json") for name, one in known.items()}

    @cached_property
    def canary_settings(self) -> CanarySettings:
        return read(CanarySettings)

    @property
    def public_url(self) -> str:
        return (self.settings.public_url or self.own_url).rstrip("/")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.bus)

    @cached_property
    def waker(self) -> Waker:
        return Waker(self.bus)

    @cached_property
    def notices(self) -> Notices:
        return Notices(self.bus, self.ledger, self.waker)

    @cached_property
    def register(self) -> Register:
        return Register(self.bus)

    @cached_property
    def release(self) -> Release:
        return Release(self.bus, self.register)

    @cached_property
    def trace(self) -> Trace:
        stops = partial(brakes.standing, self.bus)
        return Trace(self.register, self.ledger, self.clock, Book(self.bus), stops, Seen(self.bus))

    def subscribe(
        self, stream: Stream, consumer: Consumer, handler: shell.Handler, copies: int = 1
    ) -> None:
        """Run *handler* for what *consumer* delivers, and watch over its durable."""
        self.watched.durables.add((stream.name, consumer.durable))
        shell.subscribe(self.broker, stream, consumer, handler, copies)

    async def tell(self, event: EventRecord) -> dict[str, Any] | None:
        """An event's item as JSON has it; of a dossier this one step."""
        step = event.revision if keys.is_case(event.content_id) else None
        story = await self.trace.story(event.content_id, step)
        return story.model_dump(mode="json") if story else None

    @cached_property
    def directory(self) -> Directory:
        directory = Directory(self.bus, self.settings.data_dir / "directory.sqlite", self.clock)
        self.stack.callback(directory.close)
        self.tasks.append(directory.run)
        self.checks["directory"] = partial(check_directory, directory)
        return directory

    async def prove_key(self) -> None:
        """Open the key file, if it belongs to what the bus holds. Raises Invalid."""
        self.keys = await belonging(self.bus, self.settings.key_file)

    @cached_property
    def keys(self) -> KeyFile:
        """The key file; one that was not proven before is proven before this process is ready."""
        keys = KeyFile.open(self.settings.key_file)
        self.on_ready.insert(0, partial(claim, self.bus, keys))
        return keys

    @cached_property
    def room(self) -> Room:
        return Room(self.bus, self.clock)

    @cached_property
    def pauses(self) -> Pauses:
        pauses = Pauses(self.bus)
        self.tasks.append(pauses.run)
        return pauses


async def unseen_plainly(bus: Bus) -> dict[str, Any]:
    """Where readers can't see what the portal has written, for `/readyz`."""
    try:
        async with asyncio.timeout(CANARIES_S):
            found = unseen(await outlets(bus))
    except (BusError, TimeoutError):
        return {}
    return found.plain() if found else {}


async def check_directory(directory: Directory) -> str | None:
    return None if directory.fresh() else "behind the subscribers bucket"
