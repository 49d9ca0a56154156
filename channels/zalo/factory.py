"""Builds the channel from its parts, for the composition root."""

from dataclasses import dataclass, replace

from channels.fetch import url_policy
from channels.fetch.fetcher import Fetcher
from channels.zalo import error_codes
from channels.zalo.account.status import AccountProbe
from channels.zalo.case_notices.api import NoticeApi
from channels.zalo.case_notices.sender import (
    InMemoryMessageIds,
    MessageIdStore,
    NoticeSender,
    NoticeStores,
)
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.channel import ZaloChannel
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.rate_limit import RateLimits, TokenBucket
from channels.zalo.client.store import GrantCipher, KeyValueStore
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport, Transport
from channels.zalo.clock import ProviderClock, Timing, Until
from channels.zalo.publications.covers import CoverSelector, CoverStore, NoCoverStore
from channels.zalo.publications.record import ArticleStore
from channels.zalo.publications.render import ArticleDefaults
from channels.zalo.quota.budget import Budget, BudgetWindows
from channels.zalo.quota.counter import AccountQuotas, QuotaCounter, QuotaCounters
from channels.zalo.quota.window import QuotaWindow
from channels.zalo.settings import ZaloSettings

_BURST_S = 2.0
"""Length of the burst that may leave at once after a pause, in seconds of the rate."""


@dataclass(frozen=True, slots=True)
class ChannelStores:
    """Stores that outlive the channel; `encryption_key` is a Fernet key.

    `shared` holds rate limits, quotas and templates for all processes; `message_ids`, the ids of
    sent messages. Without them each process has its own. `covers` holds our copies of covers for
    Zalo to fetch; without it Zalo is given the items' own addresses.
    """

    token_grants: KeyValueStore
    articles: ArticleStore
    encryption_key: bytes
    shared: KeyValueStore | None = None
    message_ids: MessageIdStore | None = None
    covers: CoverStore | None = None


def open_channel(
    settings: ZaloSettings,
    stores: ChannelStores,
    site: ArticleDefaults,
    timing: Timing | None = None,
    transport: Transport | None = None,
) -> ZaloChannel:
    """A channel for the hosts that *settings* name. The caller closes it."""
    timing, transport = timing or Timing(), transport or AiohttpTransport()
    tokens = open_token_store(settings, stores, transport, timing)
    api = open_client(settings, stores, tokens, error_codes.OA_HOST, timing)
    business = open_client(settings, stores, tokens, error_codes.BUSINESS_HOST, timing)
    notice_stores = _open_notice_stores(settings, stores, business, timing)
    notices = NoticeSender(NoticeApi(api, business), notice_stores, timing)
    quotas = open_quotas(settings, stores, api, timing)
    site = replace(site, copies_covers=stores.covers is not None)
    covers = _open_cover_selector(settings, stores)
    return ZaloChannel(
        api=api,
        records=stores.articles,
        site=site,
        timing=timing,
        quotas=quotas,
        notices=notices,
        covers=covers,
        connections=settings.connections,
    )


def _open_cover_selector(settings: ZaloSettings, stores: ChannelStores) -> CoverSelector:
    fetcher = Fetcher(url_policy.parse_policy(settings.cover_allow))
    return CoverSelector(fetcher, stores.covers or NoCoverStore(), stores.articles)


def _open_notice_stores(
    settings: ZaloSettings, stores: ChannelStores, business: ZaloClient, timing: Timing
) -> NoticeStores:
    """Stores that all processes of an app share for template messages."""
    templates = TemplateRegistry(business, stores.shared, f"zalo.templates.{settings.app_id}")
    budget = _open_budget(settings, stores, business, timing)
    return NoticeStores(templates, budget, stores.message_ids or InMemoryMessageIds())


def _open_budget(
    settings: ZaloSettings, stores: ChannelStores, business: ZaloClient, timing: Timing
) -> Budget:
    """The budget, by Zalo's clock, which decides when a day ends."""

    def window(name: str, limit: int, span: Until) -> QuotaWindow:
        return QuotaWindow(name, limit, span, business.clock.now, timing.jitter)

    windows = BudgetWindows(
        window("notices", settings.notices_per_day, Until.DAY),
        window("daily money", settings.money_per_day, Until.DAY),
        window("monthly money", settings.money_per_month, Until.MONTH),
    )
    key = f"quota.zalo.{settings.app_id}"
    former_keys = {
        name: f"{key}.{window.name.replace(' ', '-')}" for name, window in windows.all().items()
    }
    return Budget(windows, stores.shared, f"{key}.purse", former_keys)


def open_quotas(
    settings: ZaloSettings, stores: ChannelStores, api: ZaloClient, timing: Timing
) -> AccountQuotas:
    """The quotas, by Zalo's clock, which decides when a month ends."""

    def counter(name: str, limit: int, span: Until = Until.MONTH) -> QuotaCounter:
        window = QuotaWindow(name, limit, span, api.clock.now, timing.jitter)
        return QuotaCounter(window, stores.shared, f"quota.zalo.{settings.app_id}.{name}")

    articles = counter("articles", settings.articles_per_month)
    month = counter("broadcasts", settings.broadcasts_per_month)
    day = counter("daily-broadcasts", settings.broadcasts_per_day, Until.DAY)
    return AccountQuotas(articles, QuotaCounters(month, day))


def open_client(
    settings: ZaloSettings, stores: ChannelStores, tokens: TokenStore, host: str, timing: Timing
) -> ZaloClient:
    """A client of one of Zalo's hosts, with the rate limit that all processes share."""
    by_template = host == error_codes.BUSINESS_HOST
    url = settings.business_url if by_template else settings.openapi_url
    per_s = settings.notices_per_s if by_template else settings.calls_per_s
    limits = RateLimits(per_s, max(1.0, _BURST_S * per_s))
    key = f"rate.zalo.{settings.app_id}.{host}"
    bucket = TokenBucket(timing.clock, limits, store=stores.shared, key=key, sleep=timing.sleep)
    clock, transport = ProviderClock(timing.clock), tokens.oauth.transport
    return ZaloClient(url, tokens, transport, clock, bucket, host=host, sleep=timing.sleep)


def open_account_probe(
    settings: ZaloSettings, stores: ChannelStores, transport: Transport
) -> AccountProbe:
    """The probe of the account, which makes reads alone."""
    timing = Timing()
    tokens = open_token_store(settings, stores, transport, timing)
    oa = open_client(settings, stores, tokens, error_codes.OA_HOST, timing)
    business = open_client(settings, stores, tokens, error_codes.BUSINESS_HOST, timing)
    notice_stores = _open_notice_stores(settings, stores, business, timing)
    return AccountProbe(
        tokens, oa, business, open_quotas(settings, stores, oa, timing), notice_stores
    )


def open_template_registry(
    settings: ZaloSettings, stores: ChannelStores, transport: Transport
) -> TemplateRegistry:
    """The template registry alone, for commands and for webhook events."""
    timing = Timing()
    tokens = open_token_store(settings, stores, transport, timing)
    business = open_client(settings, stores, tokens, error_codes.BUSINESS_HOST, timing)
    return _open_notice_stores(settings, stores, business, timing).templates


def open_token_store(
    settings: ZaloSettings, stores: ChannelStores, transport: Transport, timing: Timing
) -> TokenStore:
    """The token store alone, to seed a pair or to read it."""
    secret = settings.app_secret.get_secret_value()
    oauth = OAuthClient(settings.oauth_url, settings.app_id, secret, transport)
    return TokenStore(oauth, stores.token_grants, GrantCipher(stores.encryption_key), timing.clock)
