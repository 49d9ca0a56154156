"""Limits of the Zalo channel: what rows wait for, and how much of our own limits is used."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from channels.zalo import error_codes
from channels.zalo.clock import Until, wait_s
from channels.zalo.error_codes import DAY_S, ErrorKind
from channels.zalo.quota.counter import QuotaWindow, WindowCount
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from consumers.zalo.quota_watch import BroadcastQuota, quota_key
from consumers.zalo.stores import BusKeyValueStore
from contracts import subjects
from contracts.base.times import Clock, utc_time
from contracts.errors import Bilingual
from producers.bus import Bus
from producers.bus.records import read

_OWN_QUOTA = re.compile(r"our (.+) quota")
_LONG = (Until.DAY, Until.MONTH)
_PER_RECIPIENT = "recipient quota"
_NO_FIX = Bilingual("", "")


class Limit(StrEnum):
    """Our own limits, by the names that rows and logs have."""

    ARTICLES = "articles"
    BROADCASTS = "broadcasts"
    DAILY_BROADCASTS = "daily-broadcasts"
    NOTICES = "notices"
    DAILY_MONEY = "daily money"
    MONTHLY_MONEY = "monthly money"

    @property
    def variable(self) -> str:
        """The setting that sets it."""
        return f"LOA_ZALO_{_SETTINGS[self].upper()}"


_SETTINGS = {
    Limit.ARTICLES: "articles_per_month",
    Limit.BROADCASTS: "broadcasts_per_month",
    Limit.DAILY_BROADCASTS: "broadcasts_per_day",
    Limit.NOTICES: "notices_per_day",
    Limit.DAILY_MONEY: "money_per_day",
    Limit.MONTHLY_MONEY: "money_per_month",
}


@dataclass(frozen=True, slots=True)
class WaitCause:
    """Why rows wait: a limit of ours, a quota of Zalo, or what Zalo wants a person to do."""

    reason: str
    limit: Limit | None = None
    is_quota: bool = False
    fix: Bilingual = _NO_FIX

    @property
    def needs_person(self) -> bool:
        """Whether rows wait until a person has acted at Zalo, not for a time."""
        return not (self.limit or self.is_quota)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The use of one of our limits, or, without *limit*, of Zalo's quota of broadcasts.

    `most` 0: no limit. It begins anew at `until`.
    """

    limit: Limit | None
    used: int
    most: int
    until: datetime


def explain_wait(reason: str) -> WaitCause | None:
    """The cause of a row's *reason*; None for a wait that ends soon and by itself."""
    if own := _OWN_QUOTA.fullmatch(reason):
        names = list(Limit)
        return WaitCause(reason, Limit(own[1]), is_quota=True) if own[1] in names else None
    rule = error_codes.rule_of_reason(reason)
    if rule is None or rule.reason == _PER_RECIPIENT:
        return None
    if rule.kind is ErrorKind.QUOTA and rule.until in _LONG:
        return WaitCause(reason, is_quota=True, fix=error_codes.bilingual_fix(rule.fix))
    fix = error_codes.operator_fix_of(rule)
    return WaitCause(reason, fix=error_codes.bilingual_fix(fix)) if fix else None


async def load_limits(bus: Bus, settings: ZaloSettings, clock: Clock) -> tuple[LimitUse, ...]:
    """The use of each limit that *settings* set, and of Zalo's quota. Raises Unreachable."""
    # The whole channel: commands that only explain a reason do without.
    from channels.zalo.factory import account_quotas, notice_budget

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
