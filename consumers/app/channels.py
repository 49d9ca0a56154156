"""Builds the channels from settings, and what each needs from the bus and the key file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from channels.base import Channel
from channels.email.channel import EmailChannel
from channels.email.return_path import ReturnPaths
from channels.email.unsubscribe import HmacSigner
from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.fetch.public import is_outside
from channels.portal.channel import PortalChannel
from channels.portal.pictures import Pictures
from channels.portal.settings import PortalSettings
from channels.portal.site import COVER_PATH
from channels.portal.site import Site as PortalSite
from channels.zalo import codes, connect
from channels.zalo.census import Lists
from channels.zalo.channel import ZaloChannel
from channels.zalo.codes import Refused
from channels.zalo.condition import Condition
from channels.zalo.connect import Stores
from channels.zalo.oauth import Pair, Spent
from channels.zalo.pace import Pace
from channels.zalo.render import Site
from channels.zalo.sandbox import shelf
from channels.zalo.settings import ZaloSettings
from channels.zalo.templates import Templates, Unfit
from channels.zalo.tokens import TokenKeeper
from channels.zalo.transport import AioTransport, Doubt
from channels.zalo.vault import OtherKey, Stale
from consumers.app.node import Node
from consumers.app.settings import read
from consumers.faults import fault, trouble
from consumers.ledger import codec
from consumers.notices.sent import BusSent
from consumers.sight import Sight
from consumers.vault import BusNotebook, BusVault, KeyFile
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import Conflict, FieldError, Invalid, Unavailable
from producers.bus import Bus, BusError

log = structlog.get_logger()
LOOK_AT_GRANT_S = 3600.0
LOOK_FOR_STRAYS_S = 600.0
LOOK_FOR_OLD_PAGES_S = 60.0
LOOK_AT_TEMPLATES_S, LOOK_AGAIN_S = 4 * 3600.0, 600.0
SHOWN = frozenset(b"dD")


def email(node: Node) -> Channel:
    signer = HmacSigner(node.keys.derive("unsubscribe"))
    paths = return_paths(node) if node.email.bounce_domain else None
    return EmailChannel(node.email, node.public_url, signer, node.vocabulary, paths)


def return_paths(node: Node) -> ReturnPaths:
    """The same for sending and for what comes back."""
    return ReturnPaths(node.keys.derive("return path"), node.email.bounce_domain)


def portal(node: Node) -> PortalChannel:
    settings = read(PortalSettings)
    address = read_at(node) if settings.read_back else ""
    return PortalChannel(
        node.settings.portal_dir,
        node.public_url,
        node.vocabulary,
        shown_before=partial(pages_booked, node.bus),
        read_at=address,
        found=Sight(node.bus, address, node.clock).found,
        settings=settings,
    )


def site(node: Node) -> PortalSite:
    """The portal as readers see it."""
    return read(PortalSettings).site(node.public_url, node.vocabulary)


def read_at(node: Node) -> str:
    """Where the portal can be read; empty where no address is set."""
    return node.canary_settings.url or node.settings.public_url


async def pages_booked(bus: Bus) -> bool:
    """Whether the ledger says that the portal has shown anything yet. Raises Unreachable."""
    prefix = f"state.{ChannelName.PORTAL}."
    try:
        async for key, value in bus.bucket(subjects.LEDGER.name).values(prefix):
            if delivered(key, value.data):
                return True
    except BusError as away:
        raise Unreachable("bus") from away
    return False


def delivered(key: str, state: bytes) -> bool:
    try:
        return not SHOWN.isdisjoint(codec.decode_state(state).rows)
    except codec.BROKEN as broken:
        log.error("batch_unreadable", key=key, error=type(broken).__name__)
        return False


async def lay_out(channel: Channel) -> None:
    """Have the home page and the feeds there before the first item."""
    try:
        async with channel.session():
            log.info("portal_ready")
    except ChannelError as trouble:
        log.warning("channel_unavailable", reason=trouble.reason)


async def renew(channel: PortalChannel) -> None:
    """As a task: pages of an earlier edition are written again while there is time."""
    while True:
        try:
            await channel.renew()
        except ChannelError as trouble:
            log.warning("portal_not_renewed", reason=trouble.reason)
        await asyncio.sleep(LOOK_FOR_OLD_PAGES_S)


def zalo(node: Node) -> ZaloChannel:
    """Raises Invalid for an app that is not named, or has no secret.

    Covers are copied only to where Zalo can fetch them.
    """
    check_app(node.zalo)
    site = Site(node.public_url, f"{node.public_url}{COVER_PATH}")
    held = stores(node.bus, node.keys, node.zalo.app_id)
    if is_outside(node.settings.public_url):
        held = replace(held, pictures=Pictures(node.settings.portal_dir))
    return connect.open_channel(node.zalo, held, site)


def check_app(settings: ZaloSettings) -> None:
    """Raises Invalid, which names the setting that is missing."""
    if settings.configured:
        return
    missing = "LOA_ZALO_APP_SECRET" if settings.app_id else "LOA_ZALO_APP_ID"
    raise Invalid(fault(missing, "setting_missing"))


def stores(bus: Bus, keys: KeyFile, app_id: str) -> Stores:
    """Where the Zalo channel keeps an app's tokens and its notes, apart from every other app's."""
    rates = BusVault(bus, subjects.CONTROL.name)
    return Stores(BusVault(bus), BusNotebook(bus, app_id), keys.fernet(), rates, BusSent(bus))


async def keep_grant(channel: ZaloChannel) -> None:
    """Renew the grant even when nothing is sent: an unused refresh token ends after 3 months."""
    while True:
        try:
            await channel.api.tokens.access()
        except ChannelError as trouble:
            log.warning("zalo_grant_unusable", reason=trouble.reason)
        await asyncio.sleep(LOOK_AT_GRANT_S)


async def keep_templates(templates: Templates) -> None:
    """See how Zalo judges the templates of case notices; a webhook that tells of it may be lost."""
    while True:
        wait_s = LOOK_AT_TEMPLATES_S
        try:
            await templates.sync()
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_templates_not_read", reason=trouble.reason)
            wait_s = LOOK_AGAIN_S if isinstance(trouble, ChannelError) else wait_s
        await asyncio.sleep(wait_s)


async def clear_strays(channel: ZaloChannel) -> None:
    """Look for what calls that were given up did after all."""
    while True:
        await asyncio.sleep(LOOK_FOR_STRAYS_S)
        try:
            await channel.articles.strays.sweep()
        except ChannelError as trouble:
            log.warning("channel_unavailable", reason=trouble.reason)


@asynccontextmanager
async def asking() -> AsyncIterator[AioTransport]:
    """The way to Zalo for one command. Raises Unavailable when the bus is away."""
    transport = AioTransport()
    try:
        yield transport
    except Unreachable as away:
        detail = trouble(away)._replace(en=away.reason)
        raise Unavailable(fault("bus", "bus_away", detail=detail), retry_after_s=5) from away
    finally:
        await transport.close()


@asynccontextmanager
async def grants(settings: ZaloSettings, stores: Stores) -> AsyncIterator[TokenKeeper]:
    """The token keeper alone, for as long as the block runs. Raises Conflict, Unavailable."""
    async with asking() as transport:
        try:
            yield connect.open_tokens(settings, stores, transport, Pace())
        except Stale as lost:
            raise Conflict(fault("file", "pair_overtaken")) from lost


@asynccontextmanager
async def templates(settings: ZaloSettings, stores: Stores) -> AsyncIterator[Templates]:
    """The registry of templates, for one command.

    Raises Invalid for a template that Zalo refuses or that does not fit, Unavailable.
    """
    async with asking() as transport:
        try:
            yield connect.open_templates(settings, stores, transport)
        except Unfit as unfit:
            raise Invalid(template_unfit(unfit)) from unfit
        except Refused as refused:
            words = f"{refused.reason}: {refused.words}"
            raise Invalid(fault("template_id", "template_refused", detail=words)) from refused
        except Misconfigured as lost:
            raise Invalid(fault("zalo", "grant_unusable", detail=lost.reason)) from lost


@asynccontextmanager
async def listing(settings: ZaloSettings, stores: Stores) -> AsyncIterator[Lists]:
    """Zalo's lists of people, for one command. Raises Unavailable when the bus is away."""
    async with asking() as transport:
        tokens = connect.open_tokens(settings, stores, transport, Pace())
        yield Lists(connect.open_api(settings, stores, tokens, codes.OA, Pace()))


def template_unfit(unfit: Unfit) -> FieldError:
    said = {"value": unfit.template_id, "kind": unfit.kind, "names": ", ".join(unfit.names)}
    return fault("template_id", "template_unfit", **said)


async def register_shipped(settings: ZaloSettings, stores: Stores) -> None:
    """Let the sandbox's own templates serve every kind that has none yet."""
    async with templates(settings, stores) as registry:
        known = (await registry.book()).routes
        await registry.register({k: id for k, id in shelf.serving().items() if k not in known})


async def examine_zalo(settings: ZaloSettings, stores: Stores) -> Condition:
    """How the Official Account stands.

    Raises Unavailable when the bus is away, Invalid when the tokens there are another key's.
    """
    async with asking() as transport:
        try:
            return await connect.open_examiner(settings, stores, transport).examine()
        except OtherKey as lost:
            raise Invalid(fault("vault.key", "tokens_of_another_key")) from lost


async def seed_zalo(settings: ZaloSettings, stores: Stores, pair: Pair) -> None:
    """Store a token pair that somebody obtained, encrypted, for every worker to use."""
    async with grants(settings, stores) as tokens:
        await tokens.seed(pair.access_token, pair.refresh_token, pair.life_s)


async def grant_zalo(settings: ZaloSettings, stores: Stores, code: str, verifier: str) -> None:
    """Exchange the code of a consent, once, and store the pair. Raises Invalid for a bad code."""
    async with grants(settings, stores) as tokens:
        try:
            pair = await tokens.oauth.exchange(code, verifier)
        except (Spent, Doubt, ChannelError) as refused:
            raise Invalid(fault("code", "consent_refused", reason=str(refused))) from refused
        if not pair.refresh_token:  # seen on trial accounts; it must not replace a good pair
            raise Invalid(fault("code", "consent_without_refresh_token"))
        await tokens.seed(pair.access_token, pair.refresh_token, pair.life_s)
