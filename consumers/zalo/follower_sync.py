"""Synchronize followers with Zalo's lists once a day, so that lost events leave no wrong count.

Progress is stored after every page, so any process may continue a scan. If two scan at once, the
one that finds the other's progress stops."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from channels.errors import ChannelError
from channels.zalo.account.followers import FollowerApi, FollowerScan
from channels.zalo.client.clock import vietnam_time
from channels.zalo.client.errors import Refused
from consumers.suppression.store import SuppressionStore
from consumers.zalo.erasure import WITHDRAWN_REASON, zalo_address
from consumers.zalo.followers import FollowerStore
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError, RevisionConflict
from producers.bus.records import Versioned, read

log = structlog.get_logger()
SYNC_INTERVAL = timedelta(hours=24)
POLL_S = 600.0


def scan_key(app_id: str) -> str:
    """Bucket `control`: where the walk of an application stands."""
    return f"zalo.followers.{app_id}"


async def last_scan(bus: Bus, app_id: str) -> FollowerScan | None:
    """The latest walk, whether it has ended or not."""
    return (await read(bus.bucket(subjects.CONTROL.name), scan_key(app_id), FollowerScan)).value


@dataclass
class FollowerSync:
    """One Official Account's people."""

    bus: Bus
    followers: FollowerStore
    suppressions: SuppressionStore
    lists: FollowerApi
    app_id: str
    clock: Callable[[], float]

    async def run(self) -> None:
        """As a task: whatever keeps it from being done is tried again in ten minutes."""
        while True:
            try:
                if await self.is_due():
                    await self.sync()
            except (ChannelError, Refused, BusError) as trouble:
                log.warning("zalo_followers_not_listed", reason=failure_reason(trouble))
            await asyncio.sleep(POLL_S)

    async def is_due(self) -> bool:
        known = await last_scan(self.bus, self.app_id)
        return known is None or known.ended is None or self.now() - known.began >= SYNC_INTERVAL

    async def sync(self) -> FollowerScan:
        """Go on with the walk that stands, or begin one; returns it when it has ended.

        One that another process goes on with is returned as it is. Raises Refused, ChannelError,
        BusError.
        """
        held = await self.load_or_begin()
        while held.required.left:
            stepped = await self.sync_page(held.required)
            try:
                held = await self.save_progress(held, stepped)
            except RevisionConflict:
                log.info("zalo_roll_call_left")
                return held.required
        log_result(held.required)
        return held.required

    async def load_or_begin(self) -> Versioned[FollowerScan]:
        bucket = self.bus.bucket(subjects.CONTROL.name)
        held = await read(bucket, scan_key(self.app_id), FollowerScan)
        if held.value is None or held.value.ended:
            return Versioned(FollowerScan(began=self.now()), held.revision)
        return held

    async def sync_page(self, scan: FollowerScan) -> FollowerScan:
        """One page: what it says of people first, how far we are second."""
        page = await self.lists.page(scan.current_range, scan.offset)
        known = await self.without_withdrawn(page.user_ids)
        await self.followers.record_listing(known, scan.current_range.follows, scan.began)
        stepped = scan.advance(page, vietnam_time(self.clock()).date())
        return stepped if stepped.left else stepped.model_copy(update={"ended": self.now()})

    async def without_withdrawn(self, user_ids: Sequence[str]) -> list[str]:
        """Without those who want to be forgotten: some of them still follow."""
        addresses = {zalo_address(id): id for id in user_ids}
        gone = await self.suppressions.filter_suppressed(
            ChannelName.ZALO, list(addresses), WITHDRAWN_REASON
        )
        return [id for address, id in addresses.items() if address not in gone]

    async def save_progress(
        self, before: Versioned[FollowerScan], scan: FollowerScan
    ) -> Versioned[FollowerScan]:
        """Raises Conflict when somebody else has gone on."""
        bucket, data = self.bus.bucket(subjects.CONTROL.name), scan.model_dump_json().encode()
        key = scan_key(self.app_id)
        if before.revision:
            return Versioned(scan, await bucket.swap(key, data, before.revision))
        return Versioned(scan, await bucket.create(key, data))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


def log_result(scan: FollowerScan) -> None:
    """How many there are, and whether Zalo has shown them all."""
    listed, reached = scan.followers.listed, scan.followers.reached
    if reached < listed:
        log.warning("zalo_followers_not_all_listed", listed=listed, reached=reached)
    else:
        log.info("zalo_followers_listed", listed=listed, reached=reached)


def failure_reason(trouble: Exception) -> str:
    """Short, and safe to log."""
    return str(getattr(trouble, "reason", "")) or type(trouble).__name__
