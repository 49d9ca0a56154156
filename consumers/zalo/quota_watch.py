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
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus, BusError

log = structlog.get_logger()
_INTERVAL_S, _RETRY_S = 3600.0, 600.0


class BroadcastQuota(Record):
    """Bucket `control`, key `zalo.quota.<app_id>`: the month's broadcasts, as Zalo last said."""

    total: int = 0
    left: int = 0
    at: float = 0.0


def quota_key(app_id: str) -> str:
    return f"zalo.quota.{app_id}"


@dataclass
class QuotaWatch:
    """Asks Zalo once an hour, and keeps the answer for `loa status`."""

    bus: Bus
    api: ZaloClient
    app_id: str
    clock: Callable[[], float]

    async def run(self) -> None:
        while True:
            was_read = await self.check()
            await asyncio.sleep(_INTERVAL_S if was_read else _RETRY_S)

    async def check(self) -> bool:
        """Ask and keep the answer. False if there is none now, or none that can be read."""
        try:
            answer = (await self.api.read(self.api.post_call(QUOTA_PATH, {}))).fields
            total, left = (whole_number(answer.get(name)) for name in ("total", "remain"))
            if total is None or left is None:
                return False
            quota = BroadcastQuota(total=total, left=left, at=self.clock())
            bucket = self.bus.bucket(subjects.CONTROL.name)
            await bucket.put(quota_key(self.app_id), quota.model_dump_json().encode())
        except (Refused, ChannelError, BusError) as error:
            log.info("zalo_quota_not_read", error=type(error).__name__)
            return False
        return True
