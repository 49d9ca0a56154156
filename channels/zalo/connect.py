"""Joins the parts of the channel, for the composition root."""

from dataclasses import dataclass, replace

from channels.fetch import public
from channels.fetch.fetcher import Fetcher
from channels.zalo import codes
from channels.zalo.api import ZaloApi
from channels.zalo.channel import ZaloChannel
from channels.zalo.condition import Examiner
from channels.zalo.counts import Cap
from channels.zalo.covers import Covers, Nowhere, Shelf
from channels.zalo.hours import ProviderClock, Until
from channels.zalo.meter import Meter, Meters, Quotas
from channels.zalo.notebook import Notebook
from channels.zalo.notice_calls import NoticeCalls
from channels.zalo.notices import Books, InMemory, Notices, Sent
from channels.zalo.oauth import OAuth
from channels.zalo.pace import Pace
from channels.zalo.purse import Caps, Purse
from channels.zalo.rate import Limits, TokenBucket
from channels.zalo.render import Site
from channels.zalo.settings import ZaloSettings
from channels.zalo.templates import Templates
from channels.zalo.tokens import TokenKeeper
from channels.zalo.transport import AioTransport, Transport
from channels.zalo.vault import Seal, Vault

BURST_S = 2.0
"""So much of a rate may leave at once after a pause."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the channel keeps what must survive it; `key` is the vault's Fernet key.

    `rates` is where processes share how fast they call, what they have spent, and the templates;
    `sent`, which message is which. Without them each process is alone with its own. `pictures` is
    where Zalo fetches our copies of covers; without it, it is given the items' own addresses.
    """

    vault: Vault
    notebook: Notebook
    key: bytes
    rates: Vault | None = None
    sent: Sent | None = None
    pictures: Shelf | None = None


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
    business = open_api(settings, stores, tokens, codes.BUSINESS, pace)
    books = open_books(settings, stores, business, pace)
    notices = Notices(NoticeCalls(api, business), books, pace)
    quotas = open_quotas(settings, stores, api, pace)
    site = replace(site, copies=stores.pictures is not None)
    covers = open_covers(settings, stores)
    parts = (api, stores.notebook, site, pace, quotas, notices, covers)
    return ZaloChannel(*parts, connections=settings.connections)


def open_covers(settings: ZaloSettings, stores: Stores) -> Covers:
    fetcher = Fetcher(public.opened(settings.cover_allow))
    return Covers(fetcher, stores.pictures or Nowhere(), stores.notebook)


def open_books(settings: ZaloSettings, stores: Stores, business: ZaloApi, pace: Pace) -> Books:
    """What all processes of an app know together of its template messages."""
    templates = Templates(business, stores.rates, f"zalo.templates.{settings.app_id}")
    purse = open_purse(settings, stores, business, pace)
    return Books(templates, purse, stores.sent or InMemory())


def open_purse(settings: ZaloSettings, stores: Stores, business: ZaloApi, pace: Pace) -> Purse:
    """By Zalo's clock, which decides when a day ends."""

    def cap(name: str, limit: int, span: Until) -> Cap:
        return Cap(name, limit, span, business.clock.now, pace.chance)

    caps = Caps(
        cap("notices", settings.notices_per_day, Until.DAY),
        cap("daily money", settings.money_per_day, Until.DAY),
        cap("monthly money", settings.money_per_month, Until.MONTH),
    )
    key = f"quota.zalo.{settings.app_id}"
    former = {name: f"{key}.{one.name.replace(' ', '-')}" for name, one in caps.all().items()}
    return Purse(caps, stores.rates, f"{key}.purse", former)


def open_quotas(settings: ZaloSettings, stores: Stores, api: ZaloApi, pace: Pace) -> Quotas:
    """By Zalo's clock, which decides when a month ends."""

    def meter(name: str, limit: int, span: Until = Until.MONTH) -> Meter:
        cap = Cap(name, limit, span, api.clock.now, pace.chance)
        return Meter(cap, stores.rates, f"quota.zalo.{settings.app_id}.{name}")

    articles = meter("articles", settings.articles_per_month)
    month = meter("broadcasts", settings.broadcasts_per_month)
    day = meter("daily-broadcasts", settings.broadcasts_per_day, Until.DAY)
    return Quotas(articles, Meters(month, day))


def open_api(
    settings: ZaloSettings, stores: Stores, tokens: TokenKeeper, host: str, pace: Pace
) -> ZaloApi:
    """One of Zalo's hosts, called as fast as all processes together may."""
    by_template = host == codes.BUSINESS
    url = settings.business_url if by_template else settings.openapi_url
    per_s = settings.notices_per_s if by_template else settings.calls_per_s
    limits = Limits(per_s, max(1.0, BURST_S * per_s))
    key = f"rate.zalo.{settings.app_id}.{host}"
    bucket = TokenBucket(pace.clock, limits, store=stores.rates, key=key, sleep=pace.sleep)
    clock, transport = ProviderClock(pace.clock), tokens.oauth.transport
    return ZaloApi(url, tokens, transport, clock, bucket, table=host, sleep=pace.sleep)


def open_examiner(settings: ZaloSettings, stores: Stores, transport: Transport) -> Examiner:
    """What looks at the account, with reads alone."""
    pace = Pace()
    tokens = open_tokens(settings, stores, transport, pace)
    oa = open_api(settings, stores, tokens, codes.OA, pace)
    business = open_api(settings, stores, tokens, codes.BUSINESS, pace)
    books = open_books(settings, stores, business, pace)
    return Examiner(tokens, oa, business, open_quotas(settings, stores, oa, pace), books)


def open_templates(settings: ZaloSettings, stores: Stores, transport: Transport) -> Templates:
    """The registry of templates alone, for a command, or for whoever hears of changes."""
    pace = Pace()
    tokens = open_tokens(settings, stores, transport, pace)
    business = open_api(settings, stores, tokens, codes.BUSINESS, pace)
    return open_books(settings, stores, business, pace).templates


def open_tokens(
    settings: ZaloSettings, stores: Stores, transport: Transport, pace: Pace
) -> TokenKeeper:
    """The token keeper alone, for seeding a pair and for looking at it."""
    secret = settings.app_secret.get_secret_value()
    oauth = OAuth(settings.oauth_url, settings.app_id, secret, transport)
    return TokenKeeper(oauth, stores.vault, Seal(stores.key), pace.clock)
