"""Synchronize followers with Zalo's lists once a day, so that lost events leave no wrong count.

Progress is stored after every page, so any process may continue a scan. If two scan at once, the
one that finds the other's progress stops."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from channels.errors import ChannelError
from channels.zalo.account.followers import FollowerApi, FollowerScan
from channels.zalo.errors import Refused
from consumers.progress import report_progress
from consumers.suppression.store import SuppressionStore
from consumers.zalo.erasure import WITHDRAWN_REASON, zalo_address
from consumers.zalo.followers import FollowerStore
from contracts import subjects
from contracts.base.times import utc_now, vietnam_time
from contracts.delivery import ChannelName
from producers.bus import Bus, BusError, RevisionConflict
from producers.bus.records import read, write

log = structlog.get_logger()
_SYNC_INTERVAL = timedelta(hours=24)
_POLL_S = 600.0


def _scan_key(app_id: str) -> str:
    """Return the key of an application's scan in bucket `control`."""
    return f"zalo.followers.{app_id}"


async def last_scan(bus: Bus, app_id: str) -> FollowerScan | None:
    """Return the latest scan, whether it has ended or not."""
    return (await read(bus.bucket(subjects.CONTROL.name), _scan_key(app_id), FollowerScan)).value


@dataclass
class FollowerSync:
    """Synchronizes the followers of one Official Account."""

    bus: Bus
    followers: FollowerStore
    suppressions: SuppressionStore
    lists: FollowerApi
    app_id: str
    clock: Callable[[], float]

    async def run(self) -> None:
        """Run as a task; a failed scan is tried again in ten minutes."""
        while True:
            try:
                if await self.is_due():
                    await self.sync()
            except (ChannelError, Refused, BusError) as trouble:
                log.warning("zalo_followers_not_listed", reason=failure_reason(trouble))
            await asyncio.sleep(_POLL_S)

    async def is_due(self) -> bool:
        scan = await last_scan(self.bus, self.app_id)
        if scan is None or scan.ended is None:
            return True
        return utc_now(self.clock) - scan.began >= _SYNC_INTERVAL

    async def sync(self) -> FollowerScan:
        """Continue the current scan or begin one; return it when it has ended.

        A scan that another process continues is returned as it is. Raises Refused, ChannelError,
        BusError.
        """
        bucket, key = self.bus.bucket(subjects.CONTROL.name), _scan_key(self.app_id)
        stored = await read(bucket, key, FollowerScan)
        scan, revision = stored.value, stored.revision
        if scan is None or scan.ended:
            scan = FollowerScan(began=utc_now(self.clock))
        while scan.left:
            stepped = await self.sync_page(scan)
            try:
                revision = (await write(bucket, key, stepped, revision)).revision
            except RevisionConflict:
                log.info("zalo_roll_call_left")
                return scan
            scan = stepped
            report_progress("followers", scan.followers.reached, scan.followers.listed)
        log_result(scan)
        return scan

    async def sync_page(self, scan: FollowerScan) -> FollowerScan:
        """Record one page of followers first, then the progress."""
        page = await self.lists.page(scan.current_range, scan.offset)
        user_ids = await self.without_withdrawn(page.user_ids)
        await self.followers.record_listing(user_ids, scan.current_range.follows, scan.began)
        after = scan.advance(page, vietnam_time(self.clock()).date())
        return after if after.left else after.model_copy(update={"ended": utc_now(self.clock)})

    async def without_withdrawn(self, user_ids: Sequence[str]) -> list[str]:
        """Leave out people who asked to be forgotten; some of them still follow."""
        addresses = {zalo_address(id): id for id in user_ids}
        zalo, asked = ChannelName.ZALO, list(addresses)
        withdrawn = await self.suppressions.filter_suppressed(zalo, asked, WITHDRAWN_REASON)
        return [id for address, id in addresses.items() if address not in withdrawn]


def log_result(scan: FollowerScan) -> None:
    """Log the number of followers, and whether Zalo has listed all of them."""
    listed, reached = scan.followers.listed, scan.followers.reached
    if reached < listed:
        log.warning("zalo_followers_not_all_listed", listed=listed, reached=reached)
    else:
        log.info("zalo_followers_listed", listed=listed, reached=reached)


def failure_reason(trouble: Exception) -> str:
    """Return a short reason that is safe to log."""
    return str(getattr(trouble, "reason", "")) or type(trouble).__name__
