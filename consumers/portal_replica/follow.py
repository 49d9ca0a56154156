"""Follow the ledger's rows of the portal, and write what they say is shown. Books nothing."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from channels.errors import ChannelError, Misconfigured
from channels.portal.channel import PortalChannel
from channels.portal.errors import FilesNotWritten
from consumers.chunks import next_chunk
from consumers.portal_replica.position import ROWS, Position, ledger_end
from consumers.portal_replica.shown import load_shown, shown_plans
from consumers.portal_replica.status import BEHIND_S
from consumers.seals.publications import PublicationSeals
from contracts import subjects
from contracts.base.times import Clock
from producers.bus import Bus, BusError, Change

log = structlog.get_logger()
CHUNK_SIZE = 1000
"""Changes that a replica which is behind writes together: feeds and lists once for all of them."""
_QUEUE_SIZE = CHUNK_SIZE
_LAG_S, _KNOWN_S = 2.0, 10.0
"""How often the lag is measured, and for how long that is taken for the present one."""
_OLD_S = 10.0
_PAUSE_S = 1.0
Rebuild = Callable[[], Awaitable[object]]


@dataclass
class ReplicaFollower:
    """The only follower of its folder. *rebuild* makes the folder anew from the whole log.

    `lag_s`: the age of the oldest row that is not yet followed, as measured at `measured_at`.
    """

    bus: Bus
    channel: PortalChannel
    rebuild: Rebuild
    seals: PublicationSeals | None
    clock: Clock
    position: Position = field(default_factory=Position)
    lag_s: float | None = None
    measured_at: float = 0.0

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.LEDGER.name)

    async def run(self) -> None:
        """Follow until cancelled, over outages of the bus and of the disk."""
        while True:
            try:
                await self.follow()
            except* BusError as trouble:
                log.warning("replica_interrupted", reason=str(trouble.exceptions[0]))
            except* (ChannelError, FilesNotWritten, OSError, sqlite3.Error) as trouble:
                log.error("replica_folder_trouble", reason=str(trouble.exceptions[0]))
            await asyncio.sleep(_PAUSE_S)

    async def follow(self) -> None:
        """Follow while nothing fails. Raises what failed, some of it in a group."""
        await self.open_folder()
        changes: asyncio.Queue[Change] = asyncio.Queue(_QUEUE_SIZE)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.read_changes(changes))
            group.create_task(self.apply_changes(changes))
            await self.measure_periodically()

    @property
    def lag_now_s(self) -> float | None:
        """How much older than the portal the files are, or may be since the last measurement."""
        if self.lag_s is None:
            return None
        unknown_s = self.clock() - self.measured_at
        return self.lag_s if unknown_s <= _KNOWN_S else self.lag_s + unknown_s

    @property
    def is_old(self) -> bool:
        """Whether readers who were elsewhere before could go back in time here.

        As it was last measured: without the bus the portal shows nothing new either.
        """
        return self.lag_s is None or self.lag_s >= _OLD_S

    async def check(self) -> str | None:
        """Why readers should be sent elsewhere; None while it is not behind."""
        lag_s = self.lag_now_s
        if lag_s is None:
            return "the portal's files are being made"
        return f"{lag_s:.0f} s behind the ledger" if lag_s >= BEHIND_S else None

    async def open_folder(self) -> None:
        """Go on where the folder is; without that, or on another ledger, make it anew."""
        end = await ledger_end(self.bus)
        kept = await self.kept_position()
        if kept.is_within(end):
            await self.channel.prepare()
            self.position = kept
            return
        log.info("replica_made_anew", seq=end.seq)
        await self.rebuild()
        await self.channel.follow([], str(end))
        self.position = end

    async def kept_position(self) -> Position:
        """Where the folder is; of a damaged one nothing is known."""
        try:
            return Position.parse(await self.channel.position())
        except Misconfigured as damaged:
            log.warning("replica_index_unreadable", reason=damaged.reason)
            return Position()

    async def read_changes(self, changes: asyncio.Queue[Change]) -> None:
        async for change in self.bucket.watch(self.position.seq + 1, ROWS):
            await changes.put(change)
        raise BusError("the watch ended")

    async def apply_changes(self, changes: asyncio.Queue[Change]) -> None:
        while True:
            await self.apply(await next_chunk(changes, CHUNK_SIZE))

    async def apply(self, chunk: Sequence[Change]) -> None:
        """Show what these changes say is shown; the folder keeps the position with the items."""
        behind = self.position._replace(seq=chunk[-1].seq)
        plans = shown_plans(await self.bucket.opened(chunk))
        if texts := [text async for text in load_shown(self.bus, plans, self.seals)]:
            await self.channel.follow(texts, str(behind))
        self.position = behind

    async def measure_periodically(self) -> None:
        while True:
            await self.measure()
            await asyncio.sleep(_LAG_S)

    async def measure(self) -> None:
        """Measure the lag by what the ledger's leader has. Raises BusError for another ledger."""
        now, position = self.clock(), self.position
        if not position.is_within(await ledger_end(self.bus)):
            raise BusError("the ledger is another one than before")
        waiting = await self.bucket.next_change(position.seq + 1, ROWS)
        stored = waiting.message if waiting else None
        self.lag_s = max(now - stored.time.timestamp(), 0.0) if stored else 0.0
        self.measured_at = now
