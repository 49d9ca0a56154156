"""Builds the channel from its parts, for the composition root."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from channels.fetch import url_policy
from channels.fetch.fetcher import Fetcher
from channels.zalo import error_codes
from channels.zalo.account.status import AccountProbe
from channels.zalo.case_notices.api import NoticeApi
from channels.zalo.case_notices.sender import MessageIdStore, NoticeSender
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.channel import ZaloChannel
from channels.zalo.client.article_api import ArticleApi
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.rate_limit import TokenBucket
from channels.zalo.client.store import GrantCipher, KeyValueStore
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport
from channels.zalo.clock import ProviderClock, Timing
from channels.zalo.publications.article import ArticlePublisher
from channels.zalo.publications.broadcast import BroadcastSender
from channels.zalo.publications.covers import CoverSelector, CoverStore
from channels.zalo.publications.record import ArticleStore
from channels.zalo.publications.render import ArticleDefaults
from channels.zalo.quota.account import account_quotas, notice_budget
from channels.zalo.quota.budget import Budget
from channels.zalo.quota.counter import AccountQuotas
from channels.zalo.settings import ZaloSettings


@dataclass(frozen=True, slots=True)
class ChannelStores:
    """Stores that outlive the channel; `encryption_key` is a Fernet key.

    `shared` holds rate limits, quotas and templates; `message_ids`, the ids of sent messages.
    `covers` holds our copies of covers for Zalo to fetch; without it Zalo is given the items' own
    addresses.
    """

    token_grants: KeyValueStore
    articles: ArticleStore
    encryption_key: bytes
    shared: KeyValueStore
    message_ids: MessageIdStore
    covers: CoverStore | None = None


@dataclass
class ChannelParts:
    """The parts of one app's channel, each built once. The caller closes *transport*.

    Quotas and budget go by Zalo's clock, which decides when a day or a month ends.
    """

    settings: ZaloSettings
    stores: ChannelStores
    transport: AiohttpTransport = field(default_factory=AiohttpTransport)
    timing: Timing = field(default_factory=lambda: Timing())

    @cached_property
    def tokens(self) -> TokenStore:
        secret = self.settings.app_secret.get_secret_value()
        oauth = OAuthClient(self.settings.oauth_url, self.settings.app_id, secret, self.transport)
        cipher = GrantCipher(self.stores.encryption_key)
        return TokenStore(oauth, self.stores.token_grants, cipher, self.timing.clock)

    def use(self, settings: ZaloSettings) -> None:
        """Call with another app secret from now on."""
        self.settings = settings
        self.tokens.oauth.app_secret = settings.app_secret.get_secret_value()

    @cached_property
    def oa(self) -> ZaloClient:
        """Client of the Official Account's host."""
        settings = self.settings
        return self._client(error_codes.OA_HOST, settings.openapi_url, settings.calls_per_s)

    @cached_property
    def business(self) -> ZaloClient:
        """Client of the host for template messages."""
        config = self.settings
        return self._client(error_codes.BUSINESS_HOST, config.business_url, config.notices_per_s)

    def _client(self, host: str, url: str, per_s: float) -> ZaloClient:
        clock, sleep = self.timing.clock, self.timing.sleep
        key = f"rate.zalo.{self.settings.app_id}.{host}"
        bucket = TokenBucket(clock, per_s, self.stores.shared, key=key, sleep=sleep)
        provider_clock, url = ProviderClock(clock), url.rstrip("/")
        return ZaloClient(url, self.tokens, self.transport, provider_clock, bucket, host, sleep)

    @cached_property
    def templates(self) -> TemplateRegistry:
        key = f"zalo.templates.{self.settings.app_id}"
        return TemplateRegistry(self.business, self.stores.shared, key)

    @cached_property
    def budget(self) -> Budget:
        clock, jitter = self.business.clock.now, self.timing.jitter
        return notice_budget(self.settings, self.stores.shared, clock, jitter)

    @cached_property
    def quotas(self) -> AccountQuotas:
        clock, jitter = self.oa.clock.now, self.timing.jitter
        return account_quotas(self.settings, self.stores.shared, clock, jitter)

    def channel(self, site: ArticleDefaults) -> ZaloChannel:
        """A channel for the hosts that the settings name."""
        settings, stores = self.settings, self.stores
        articles, records, timing = ArticleApi(self.oa), stores.articles, self.timing
        fetcher = Fetcher(url_policy.parse_policy(settings.cover_allow))
        covers = CoverSelector(fetcher, stores.covers, records)
        return ZaloChannel(
            api=self.oa,
            site=replace(site, copies_covers=stores.covers is not None),
            timing=timing,
            articles=ArticlePublisher(articles, records, timing, self.quotas.articles, covers),
            broadcasts=BroadcastSender(articles, records, timing, self.quotas.broadcasts),
            notices=NoticeSender(
                api=NoticeApi(self.oa, self.business),
                templates=self.templates,
                budget=self.budget,
                message_ids=stores.message_ids,
                timing=timing,
            ),
            connections=settings.connections,
        )

    def account_probe(self) -> AccountProbe:
        """The probe of the account, which makes reads alone."""
        hosts = self.tokens, self.oa, self.business
        return AccountProbe(*hosts, self.quotas, self.budget, self.templates)
