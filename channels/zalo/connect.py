"""Joins the parts of the channel, for the composition root."""

from dataclasses import dataclass

from channels.zalo import codes
from channels.zalo.api import ZaloApi
from channels.zalo.channel import ZaloChannel
from channels.zalo.condition import Examiner
from channels.zalo.hours import ProviderClock
from channels.zalo.meter import Meter, Quotas
from channels.zalo.notebook import Notebook
from channels.zalo.oauth import OAuth
from channels.zalo.pace import Pace
from channels.zalo.rate import TokenBucket
from channels.zalo.render import Site
from channels.zalo.settings import ZaloSettings
from channels.zalo.tokens import TokenKeeper
from channels.zalo.transport import AioTransport, Transport
from channels.zalo.vault import Seal, Vault


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the channel keeps what must survive it; `key` is the vault's Fernet key.

    `rates` is where processes share how fast they call; without it each has the whole rate.
    """

    vault: Vault
    notebook: Notebook
    key: bytes
    rates: Vault | None = None


def open_channel(
    settings: ZaloSettings,
    stores: Stores,
    site: Site,
    pace: Pace | None = None,
    transport: Transport | None = None,
) -> ZaloChannel:
    """A channel that talks to the hosts *settings* names; close it when done."""
    pace, transport = pace or Pace(), transport or AioTransport()
    tokens = open_tokens(settings, stores, transport, pace)
    api = open_api(settings, stores, tokens, codes.OA, pace)
    return ZaloChannel(api, stores.notebook, site, pace, open_quotas(settings, stores, api, pace))


def open_quotas(settings: ZaloSettings, stores: Stores, api: ZaloApi, pace: Pace) -> Quotas:
    """By Zalo's clock, which decides when a month ends."""

    def meter(name: str, limit: int) -> Meter:
        key = f"quota.zalo.{settings.app_id}.{name}"
        return Meter(name, limit, api.clock.now, pace.chance, stores.rates, key)

    articles = meter("articles", settings.articles_per_month)
    return Quotas(articles, meter("broadcasts", settings.broadcasts_per_month))


def open_api(
    settings: ZaloSettings, stores: Stores, tokens: TokenKeeper, host: str, pace: Pace
) -> ZaloApi:
    """One of Zalo's hosts, called as fast as all processes together may."""
    url = settings.business_url if host == codes.BUSINESS else settings.openapi_url
    key = f"rate.zalo.{settings.app_id}.{host}"
    bucket = TokenBucket(pace.clock, store=stores.rates, key=key, sleep=pace.sleep)
    clock, transport = ProviderClock(pace.clock), tokens.oauth.transport
    return ZaloApi(url, tokens, transport, clock, bucket, table=host, sleep=pace.sleep)


def open_examiner(settings: ZaloSettings, stores: Stores, transport: Transport) -> Examiner:
    """What looks at the account, with reads alone."""
    pace = Pace()
    tokens = open_tokens(settings, stores, transport, pace)
    oa = open_api(settings, stores, tokens, codes.OA, pace)
    business = open_api(settings, stores, tokens, codes.BUSINESS, pace)
    return Examiner(tokens, oa, business, open_quotas(settings, stores, oa, pace))


def open_tokens(
    settings: ZaloSettings, stores: Stores, transport: Transport, pace: Pace
) -> TokenKeeper:
    """The token keeper alone, for seeding a pair and for looking at it."""
    secret = settings.app_secret.get_secret_value()
    oauth = OAuth(settings.oauth_url, settings.app_id, secret, transport)
    return TokenKeeper(oauth, stores.vault, Seal(stores.key), pace.clock)
