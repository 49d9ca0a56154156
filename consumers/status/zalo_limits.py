"""How much of our limits at Zalo is used, and of Zalo's own quota of broadcasts."""

from dataclasses import dataclass
from datetime import datetime

from channels.zalo.clock import Until, wait_s
from channels.zalo.error_codes import DAY_S
from channels.zalo.quota.account import account_quotas, notice_budget
from channels.zalo.quota.counter import QuotaWindow, WindowCount
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from consumers.zalo.quota_watch import BroadcastQuota, quota_key
from consumers.zalo.stores import BusKeyValueStore
from consumers.zalo.wait_causes import Limit
from contracts import subjects
from contracts.base.times import Clock, utc_time
from producers.bus import Bus
from producers.bus.records import read


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The use of one of our limits, or, without *limit*, of Zalo's quota of broadcasts.

    `most` 0: no limit. It begins anew at `until`.
    """

    limit: Limit | None
    used: int
    most: int
    until: datetime


async def load_limits(bus: Bus, settings: ZaloSettings, clock: Clock) -> tuple[LimitUse, ...]:
    """The use of each limit that *settings* set, and of Zalo's quota. Raises Unreachable."""
    settings = settings.model_copy(update={"app_id": settings.app_id or SANDBOX_APP})
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    quotas, budget = account_quotas(settings, store, clock), notice_budget(settings, store, clock)
    counters = (quotas.articles, *quotas.broadcasts.counters)
    uses = [_use(one.window, await one.shared.read(), clock) for one in counters]
    spent = zip(budget.windows, await budget.shared.read(), strict=True)
    uses += [_use(window, count, clock) for window, count in spent]
    uses += await _load_quota(bus, settings.app_id, clock)
    return tuple(use for use in uses if use.most)


async def _load_quota(bus: Bus, app_id: str, clock: Clock) -> list[LimitUse]:
    """The use of Zalo's quota, if its worker has read it within a day."""
    key, now = quota_key(app_id), clock()
    quota = (await read(bus.bucket(subjects.CONTROL.name), key, BroadcastQuota)).value
    if quota is None or now - quota.at > DAY_S:
        return []
    until = utc_time(round(now + wait_s(Until.MONTH, now, lambda: 0.0)))
    return [LimitUse(None, quota.total - quota.left, quota.total, until)]


def _use(window: QuotaWindow, count: WindowCount, clock: Clock) -> LimitUse:
    """*count* against the limit, or against that at which Zalo accepted no more."""
    until = utc_time(round(clock() + wait_s(window.period, clock(), lambda: 0.0)))
    most = window.limit if count.closed is None else count.used
    return LimitUse(Limit(window.name), count.used, most, until)
