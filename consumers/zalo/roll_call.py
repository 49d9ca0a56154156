"""Walks through Zalo's lists of people once a day, so that lost events leave no wrong number.

How far a walk has come is written down after every page: any process may go on with it. Where two
do so at once, the one that finds the other's step stops.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from channels.errors import ChannelError
from channels.zalo.census import Lists, Walk
from channels.zalo.codes import Refused
from channels.zalo.hours import local
from consumers.register import Held, read
from consumers.suppressions import Suppressions
from consumers.zalo.erasure import WITHDRAWN, address_of
from consumers.zalo.followers import Followers
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError, Conflict

log = structlog.get_logger()
EVERY = timedelta(hours=24)
LOOK_S = 600.0


def place(app_id: str) -> str:
    """Bucket `control`: where the walk of an application stands."""
    return f"zalo.followers.{app_id}"


async def last(bus: Bus, app_id: str) -> Walk | None:
    """The latest walk, whether it has ended or not."""
    return (await read(bus.bucket(subjects.CONTROL.name), place(app_id), Walk)).value


@dataclass
class RollCall:
    """One Official Account's people."""

    bus: Bus
    followers: Followers
    suppressions: Suppressions
    lists: Lists
    app_id: str
    clock: Callable[[], float]

    async def run(self) -> None:
        """As a task: whatever keeps it from being done is tried again in ten minutes."""
        while True:
            try:
                if await self.due():
                    await self.walk()
            except (ChannelError, Refused, BusError) as trouble:
                log.warning("zalo_followers_not_listed", reason=reason(trouble))
            await asyncio.sleep(LOOK_S)

    async def due(self) -> bool:
        known = await last(self.bus, self.app_id)
        return known is None or known.ended is None or self.now() - known.began >= EVERY

    async def walk(self) -> Walk:
        """Go on with the walk that stands, or begin one; returns it when it has ended.

        One that another process goes on with is returned as it is. Raises Refused, ChannelError,
        BusError.
        """
        held = await self.opened()
        while held.known.left:
            stepped = await self.step(held.known)
            try:
                held = await self.note(held, stepped)
            except Conflict:
                log.info("zalo_roll_call_left")
                return held.known
        tell(held.known)
        return held.known

    async def opened(self) -> Held[Walk]:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        held = await read(bucket, place(self.app_id), Walk)
        if held.value is None or held.value.ended:
            return Held(Walk(began=self.now()), held.revision)
        return held

    async def step(self, walk: Walk) -> Walk:
        """One page: what it says of people first, how far we are second."""
        page = await self.lists.page(walk.part, walk.offset)
        known = await self.wanted(page.user_ids)
        await self.followers.confirm(known, walk.part.follows, walk.began)
        stepped = walk.advance(page, local(self.clock()).date())
        return stepped if stepped.left else stepped.model_copy(update={"ended": self.now()})

    async def wanted(self, user_ids: Sequence[str]) -> list[str]:
        """Without those who want to be forgotten: some of them still follow."""
        addresses = {address_of(id): id for id in user_ids}
        gone = await self.suppressions.among(ChannelName.ZALO, list(addresses), WITHDRAWN)
        return [id for address, id in addresses.items() if address not in gone]

    async def note(self, held: Held[Walk], walk: Walk) -> Held[Walk]:
        """Raises Conflict when somebody else has gone on."""
        bucket, data = self.bus.bucket(subjects.CONTROL.name), walk.model_dump_json().encode()
        key = place(self.app_id)
        if held.revision:
            return Held(walk, await bucket.swap(key, data, held.revision))
        return Held(walk, await bucket.create(key, data))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def tell(walk: Walk) -> None:
    """How many there are, and whether Zalo has shown them all."""
    listed, reached = walk.followers.listed, walk.followers.reached
    if reached < listed:
        log.warning("zalo_followers_not_all_listed", listed=listed, reached=reached)
    else:
        log.info("zalo_followers_listed", listed=listed, reached=reached)


def reason(trouble: Exception) -> str:
    """Short, and safe to log."""
    return str(getattr(trouble, "reason", "")) or type(trouble).__name__
