"""Watch of Zalo's own quota of broadcasts, which only Zalo counts: what is left of the month."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from channels.errors import ChannelError
from channels.zalo.client.article_api import QUOTA_PATH
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.response import whole_number
from channels.zalo.errors import Refused
from channels.zalo.quota.counter import QuotaCounter
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus, BusError

log = structlog.get_logger()
_INTERVAL_S, _RETRY_S = 3600.0, 600.0


class BroadcastQuota(Record):
    """Bucket `control`, key `zalo.quota.<app_id>`: the month's broadcasts, as Zalo last said.

    `counted`: how many of the month Loa had counted then; None: an earlier version did not say.
    """

    total: int = 0
    left: int = 0
    at: float = 0.0
    counted: int | None = None

    def used_now(self, counted: int) -> int:
        """The used quota after the broadcasts that Loa has sent since, by its *counted* of now."""
        since = 0 if self.counted is None else max(counted - self.counted, 0)
        return min(self.total - self.left + since, self.total)


def quota_key(app_id: str) -> str:
    return f"zalo.quota.{app_id}"


@dataclass
class QuotaWatch:
    """Asks Zalo once an hour, and keeps the answer, with our own count in *month*, for people."""

    bus: Bus
    api: ZaloClient
    app_id: str
    month: QuotaCounter
    clock: Callable[[], float]

    async def run(self) -> None:
        while True:
            was_read = await self.check()
            await asyncio.sleep(_INTERVAL_S if was_read else _RETRY_S)

    async def check(self) -> bool:
        """Ask and keep the answer. False if there is none now, or none that can be read."""
        try:
            counted = (await self.month.shared.read()).used
            answer = (await self.api.read(self.api.post_call(QUOTA_PATH, {}))).fields
            total, left = (whole_number(answer.get(name)) for name in ("total", "remain"))
            if total is None or left is None:
                return False
            now = self.clock()
            quota = BroadcastQuota(total=total, left=left, at=now, counted=counted)
            bucket = self.bus.bucket(subjects.CONTROL.name)
            await bucket.put(quota_key(self.app_id), quota.model_dump_json().encode())
        except (Refused, ChannelError, BusError) as error:
            log.info("zalo_quota_not_read", error=type(error).__name__)
            return False
        return True
