"""Joins the parts of the channel, for the composition root."""

from dataclasses import dataclass

from channels.zalo import codes
from channels.zalo.api import ZaloApi
from channels.zalo.channel import ZaloChannel
from channels.zalo.condition import Examiner
from channels.zalo.hours import ProviderClock
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
    """Where the channel keeps what must survive it; `key` is the vault's Fernet key."""

    vault: Vault
    notebook: Notebook
    key: bytes


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
    api = ZaloApi(
        settings.openapi_url,
        tokens,
        transport,
        ProviderClock(pace.clock),
        TokenBucket(pace.clock, sleep=pace.sleep),
        sleep=pace.sleep,
    )
    return ZaloChannel(api, stores.notebook, site, pace)


def open_examiner(settings: ZaloSettings, stores: Stores, transport: Transport) -> Examiner:
    """What looks at the account, with reads alone."""
    pace = Pace()
    tokens = open_tokens(settings, stores, transport, pace)

    def host(url: str, table: str) -> ZaloApi:
        clock, bucket = ProviderClock(pace.clock), TokenBucket(pace.clock)
        return ZaloApi(url, tokens, transport, clock, bucket, table=table)

    oa, business = host(settings.openapi_url, codes.OA), host(settings.business_url, codes.BUSINESS)
    return Examiner(tokens, oa, business)


def open_tokens(
    settings: ZaloSettings, stores: Stores, transport: Transport, pace: Pace
) -> TokenKeeper:
    """The token keeper alone, for seeding a pair and for looking at it."""
    secret = settings.app_secret.get_secret_value()
    oauth = OAuth(settings.oauth_url, settings.app_id, secret, transport)
    return TokenKeeper(oauth, stores.vault, Seal(stores.key), pace.clock)
