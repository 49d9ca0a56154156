"""The quotas and the budget of one app, as its settings have them."""

from channels.zalo.client.store import KeyValueStore
from channels.zalo.clock import Jitter, Until, jitter
from channels.zalo.quota.budget import Budget, BudgetWindows
from channels.zalo.quota.counter import AccountQuotas, QuotaCounter, QuotaCounters, QuotaWindow
from channels.zalo.settings import ZaloSettings
from contracts.base.times import Clock


def notice_budget(
    settings: ZaloSettings, store: KeyValueStore, clock: Clock, jitter: Jitter = jitter
) -> Budget:
    """The budget of template messages that all processes of an app share."""

    def window(name: str, limit: int, span: Until) -> QuotaWindow:
        return QuotaWindow(name, limit, span, clock, jitter)

    windows = BudgetWindows(
        window("notices", settings.notices_per_day, Until.DAY),
        window("daily money", settings.money_per_day, Until.DAY),
        window("monthly money", settings.money_per_month, Until.MONTH),
    )
    return Budget(windows, store, f"quota.zalo.{settings.app_id}.purse")


def account_quotas(
    settings: ZaloSettings, store: KeyValueStore, clock: Clock, jitter: Jitter = jitter
) -> AccountQuotas:
    """The quotas of articles and broadcasts that all processes of an app share."""

    def counter(name: str, limit: int, span: Until = Until.MONTH) -> QuotaCounter:
        window = QuotaWindow(name, limit, span, clock, jitter)
        return QuotaCounter(window, store, f"quota.zalo.{settings.app_id}.{name}")

    articles = counter("articles", settings.articles_per_month)
    month = counter("broadcasts", settings.broadcasts_per_month)
    day = counter("daily-broadcasts", settings.broadcasts_per_day, Until.DAY)
    return AccountQuotas(articles, QuotaCounters(month, day))
