"""How much of our limits at Zalo is used, and of Zalo's own quota of broadcasts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from channels.zalo.clock import Until, wait_s
from channels.zalo.error_codes import DAY_S
from channels.zalo.quota.account import account_quotas, notice_budget
from channels.zalo.quota.counter import QuotaWindow, WindowCount
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import app_of
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
    budget = notice_budget(_with_app(settings), _store(bus), clock)
    uses = await load_publication_uses(bus, settings, clock)
    spent = zip(budget.windows, await budget.shared.read(), strict=True)
    uses += [_use(window, count, clock) for window, count in spent]
    return tuple(use for use in uses if use.most)


async def load_publication_uses(bus: Bus, settings: ZaloSettings, clock: Clock) -> list[LimitUse]:
    """The use of articles and broadcasts, also where no limit is set. Raises Unreachable."""
    quotas = account_quotas(_with_app(settings), _store(bus), clock)
    counters = (quotas.articles, *quotas.broadcasts.counters)
    counts = [(one.window, await one.shared.read()) for one in counters]
    uses = [_use(window, count, clock) for window, count in counts]
    key = quota_key(app_of(settings))
    quota = (await read(bus.bucket(subjects.CONTROL.name), key, BroadcastQuota)).value
    return [*uses, *_uses_of_quota(quota, *counts[1], clock)]


def _uses_of_quota(
    quota: BroadcastQuota | None, window: QuotaWindow, month: WindowCount, clock: Clock
) -> Iterator[LimitUse]:
    """The use of Zalo's quota, if its worker has read it within a day, and in this month."""
    if quota is None or clock() - quota.at > DAY_S or window.label_at(quota.at) != month.label:
        return
    until = utc_time(round(clock() + wait_s(Until.MONTH, clock(), lambda: 0.0)))
    yield LimitUse(None, quota.used_now(month.used), quota.total, until)


def _with_app(settings: ZaloSettings) -> ZaloSettings:
    return settings.model_copy(update={"app_id": app_of(settings)})


def _store(bus: Bus) -> BusKeyValueStore:
    return BusKeyValueStore(bus, subjects.CONTROL.name)


def _use(window: QuotaWindow, count: WindowCount, clock: Clock) -> LimitUse:
    """*count* against the limit, or against that at which Zalo accepted no more."""
    until = utc_time(round(clock() + wait_s(window.period, clock(), lambda: 0.0)))
    most = window.limit if count.closed is None else count.used
    return LimitUse(Limit(window.name), count.used, most, until)
