"""Build the Zalo channel, its tokens and templates, and the handling of webhook events."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import structlog
from starlette.types import ASGIApp

from channels.errors import ChannelError, Misconfigured, Unreachable
from channels.fetch.url_policy import is_public_url
from channels.portal.model.site import DEFAULT_COVER_PATH
from channels.portal.storage.pictures import PictureStore
from channels.zalo import errors
from channels.zalo.account.followers import FollowerApi
from channels.zalo.account.replies import ReplySender
from channels.zalo.account.status import AccountStatus
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.channel import ZaloChannel
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport
from channels.zalo.factory import ChannelParts, ChannelStores
from channels.zalo.publications.render import ArticleDefaults
from channels.zalo.quota.account import account_quotas
from channels.zalo.settings import ZALO_DOMAINS, ZaloSettings
from channels.zalo.texts import catalog_text
from channels.zalo.webhook import endpoint
from channels.zalo.webhook.signature import SignatureVerifier
from consumers.app.broker import sealed_only
from consumers.app.node import Node
from consumers.case_notices.message_ids import NoticeMessageIds
from consumers.case_notices.recipients import CaseNoticeRecipients
from consumers.channel_health.destinations import NOWHERE
from consumers.key_file import KeyFile
from consumers.messages import field_error, translate_os_error
from consumers.recipients import ChannelRecipients
from consumers.runtime.errors import BusUnreachable
from consumers.runtime.lanes import LaneSemaphore
from consumers.suppression.store import SuppressionStore
from consumers.zalo import consent
from consumers.zalo.auto_reply import AutoReply
from consumers.zalo.cover_cleanup import CoverCleanup
from consumers.zalo.erasure import Erasure
from consumers.zalo.event_publisher import ZaloEventPublisher
from consumers.zalo.follower_keys import FollowerKeys
from consumers.zalo.follower_sync import FollowerSync
from consumers.zalo.followers import FollowerStore
from consumers.zalo.held_rows import ZaloSendPolicy
from consumers.zalo.quota_watch import QuotaWatch
from consumers.zalo.stores import BusArticleStore, BusKeyValueStore
from consumers.zalo.webhook_handler import ZaloEventHandler
from consumers.zalo.webhook_watchdog import WebhookWatchdog
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Invalid, Unavailable
from contracts.subjects import ConsumerSpec
from producers.bus import Bus
from producers.bus.periodic import attempt, every

log = structlog.get_logger()
_GRANT_CHECK_S = 3600.0
_ABANDONED_CALLS_CHECK_S = 600.0
_TEMPLATE_SYNC_S, _TEMPLATE_RETRY_S = 4 * 3600.0, 600.0
_CONCURRENT_EVENTS = 4
_RENAME_S = 86400.0
_SANDBOX_TIMEOUT_S = 5.0
WEBHOOK_PATH_HEAD = "zalo"


def destination(node: Node) -> tuple[str, bool]:
    """Zalo or its sandbox; a sandbox in another process is a stand-in too."""
    host = urlsplit(node.zalo.openapi_url).hostname or ""
    if ChannelName.ZALO in node.stand_ins or not f".{host}".endswith(ZALO_DOMAINS):
        return f"the Zalo sandbox at {node.zalo.openapi_url}", True
    if not node.zalo.app_id:
        return f"{NOWHERE}LOA_ZALO_APP_ID is empty", True
    return f"Zalo, application {node.zalo.app_id}", False


def open_recipients(node: Node) -> ChannelRecipients:
    """The Official Account itself, and the recipients of case notices."""
    return ChannelRecipients(strategies=(CaseNoticeRecipients(node.notices, node.suppressions),))


def open_send_policy(node: Node, _lanes: LaneSemaphore) -> ZaloSendPolicy:
    """The actions of one worker for rows that wait for a person."""
    return ZaloSendPolicy(node.bus, node.clock)


def add_zalo_channel(node: Node) -> ZaloChannel:
    """The Zalo channel; the node gets the tasks that renew and sync, and the event handler."""
    channel = open_zalo_channel(node)
    node.zalo_tokens = channel.api.tokens
    control = BusKeyValueStore(node.bus, subjects.CONTROL.name)
    month = account_quotas(node.zalo, control, node.clock).broadcasts.counters[0]
    covers = CoverCleanup(node.bus, PictureStore(node.settings.portal_dir), node.clock)
    node.tasks += [
        partial(_keep_grant_renewed, node, channel.api.tokens),
        partial(_clear_abandoned_calls, channel),
        partial(keep_templates_synced, channel.notices.templates),
        QuotaWatch(node.bus, channel.api, node.zalo.app_id, month, node.clock).run,
        covers.run,
    ]
    _add_follower_events(node, channel)
    return channel


def open_zalo_channel(node: Node) -> ZaloChannel:
    """Raises Invalid for an app that is not named, or has no secret.

    Covers are copied only to where Zalo can fetch them.
    """
    require_app(node.zalo)
    defaults = ArticleDefaults(node.public_url, f"{node.public_url}{DEFAULT_COVER_PATH}")
    stores = zalo_stores(node.bus, node.keys, node.zalo.app_id)
    if is_public_url(node.settings.public_url):
        stores = replace(stores, covers=PictureStore(node.settings.portal_dir))
    parts = ChannelParts(node.zalo, stores)
    node.secrets.add_user(ZaloSettings, parts.use, "app_secret")
    return parts.channel(defaults)


def require_app(settings: ZaloSettings) -> None:
    """Raises Invalid, which names the setting that is missing."""
    if settings.is_configured:
        return
    missing = "LOA_ZALO_APP_SECRET" if settings.app_id else "LOA_ZALO_APP_ID"
    raise Invalid(field_error(missing, "zalo_setting_missing"))


def zalo_stores(bus: Bus, keys: KeyFile, app_id: str) -> ChannelStores:
    """Stores for the tokens and records of one app, apart from those of other apps."""
    return ChannelStores(
        BusKeyValueStore(bus),
        BusArticleStore(bus, app_id),
        keys.fernet_key(),
        BusKeyValueStore(bus, subjects.CONTROL.name),
        NoticeMessageIds(bus),
    )


async def _keep_grant_renewed(node: Node, tokens: TokenStore) -> None:
    """Renew the grant even when nothing is sent: an unused refresh token ends after 3 months."""
    while True:
        await check_grant(node.bus, node.zalo.app_id, tokens)
        await asyncio.sleep(_GRANT_CHECK_S)


async def check_grant(bus: Bus, app_id: str, tokens: TokenStore) -> None:
    """Renew the grant if that is due, and keep for `loa status` when the consent ends."""
    try:
        await tokens.access_token()
    except ChannelError as error:
        log.warning("zalo_grant_unusable", reason=error.reason)
    with suppress(ChannelError):  # of another key: told above
        ends = consent.end_of((await tokens.read()).grant)
        await attempt(partial(consent.keep_consent, bus, app_id, ends))


async def keep_templates_synced(templates: TemplateRegistry) -> None:
    """Sync the state of templates with Zalo's, as a task; a webhook's event may be lost."""
    while True:
        wait_s = _TEMPLATE_SYNC_S
        try:
            await templates.sync()
        except (errors.Refused, ChannelError) as error:
            log.warning("zalo_templates_not_read", reason=error.reason)
            wait_s = _TEMPLATE_RETRY_S if isinstance(error, ChannelError) else wait_s
        await asyncio.sleep(wait_s)


async def _clear_abandoned_calls(channel: ZaloChannel) -> None:
    """Search for late effects of abandoned calls, as a task."""
    while True:
        await asyncio.sleep(_ABANDONED_CALLS_CHECK_S)
        try:
            await channel.articles.abandoned_calls.sweep()
        except ChannelError as error:
            log.warning("channel_unavailable", reason=error.reason)


@asynccontextmanager
async def _zalo_transport() -> AsyncIterator[AiohttpTransport]:
    """A transport to Zalo for one command. Raises Unavailable when Zalo or the bus is away."""
    transport = AiohttpTransport()
    try:
        yield transport
    except Unreachable as error:
        detail = translate_os_error(error)._replace(en=error.reason)
        is_bus = isinstance(error, BusUnreachable)
        away, code = ("bus", "bus_away") if is_bus else ("zalo", "zalo_away")
        problem = field_error(away, code, detail=detail)
        raise Unavailable(problem, retry_after_s=5) from error
    finally:
        await transport.close()


@asynccontextmanager
async def _token_store(settings: ZaloSettings, stores: ChannelStores) -> AsyncIterator[TokenStore]:
    """The token store alone, for one command. Raises Conflict, Unavailable."""
    async with _zalo_transport() as transport:
        try:
            yield ChannelParts(settings, stores, transport).tokens
        except errors.StaleValue as error:
            raise Conflict(field_error("file", "pair_overtaken")) from error


@asynccontextmanager
async def template_registry(
    settings: ZaloSettings, stores: ChannelStores
) -> AsyncIterator[TemplateRegistry]:
    """The registry of templates, for one command.

    Raises Invalid for a template that Zalo refuses or that does not fit, Unavailable.
    """
    async with _zalo_transport() as transport:
        try:
            yield ChannelParts(settings, stores, transport).templates
        except errors.UnfitTemplate as unfit:
            names = ", ".join(unfit.names)
            facts = {"value": unfit.template_id, "kind": unfit.kind, "names": names}
            raise Invalid(field_error("template_id", "template_unfit", **facts)) from unfit
        except errors.Refused as refused:
            detail = f"{refused.reason}: {refused.message}"
            error = field_error("template_id", "template_refused", detail=detail)
            raise Invalid(error) from refused
        except Misconfigured as misconfigured:
            error = field_error("zalo", "grant_unusable", detail=misconfigured.reason)
            raise Invalid(error) from misconfigured


@asynccontextmanager
async def follower_lists(
    settings: ZaloSettings, stores: ChannelStores
) -> AsyncIterator[FollowerApi]:
    """Zalo's lists of people, for one command. Raises Unavailable when the bus is away."""
    async with _zalo_transport() as transport:
        yield FollowerApi(ChannelParts(settings, stores, transport).oa)


async def register_missing_templates(
    settings: ZaloSettings, stores: ChannelStores, routes: Mapping[str, str]
) -> None:
    """Register *routes* (kind of notice to template id) for the kinds that have no template yet."""
    async with template_registry(settings, stores) as registry:
        current = (await registry.current()).routes
        await registry.register({kind: id for kind, id in routes.items() if kind not in current})


async def probe_account(settings: ZaloSettings, stores: ChannelStores) -> AccountStatus:
    """Probe the Official Account.

    Raises Unavailable when the bus is away, Invalid when the tokens there are another key's.
    """
    async with _zalo_transport() as transport:
        try:
            return await ChannelParts(settings, stores, transport).account_probe().run()
        except errors.WrongKey as error:
            raise Invalid(field_error("vault.key", "tokens_of_another_key")) from error


async def store_token_pair(settings: ZaloSettings, stores: ChannelStores, pair: TokenPair) -> None:
    """Store an obtained token pair, encrypted, for every worker to use."""
    async with _token_store(settings, stores) as tokens:
        await tokens.seed(pair)


async def exchange_consent(
    settings: ZaloSettings, stores: ChannelStores, code: str, verifier: str
) -> None:
    """Exchange the code of a consent, once, and store the pair. Raises Invalid for a bad code."""
    async with _token_store(settings, stores) as tokens:
        try:
            pair = await tokens.oauth.exchange_code(code, verifier)
        except (errors.RefreshTokenUsed, errors.AmbiguousResult, ChannelError) as refused:
            raise Invalid(field_error("code", "consent_refused", reason=str(refused))) from refused
        if not pair.refresh_token:  # seen on trial accounts; it must not replace a good pair
            raise Invalid(field_error("code", "consent_without_refresh_token"))
        await tokens.seed(pair)


def webhook_app(node: Node) -> ASGIApp:
    verifier = SignatureVerifier(node.zalo.app_id)
    verifier.use(node.zalo)
    node.secrets.add_user(ZaloSettings, verifier.use, "app_secret", "oa_secret")
    return endpoint.create_app(ZaloEventPublisher(node.bus).publish, verifier)


async def register_sandbox_webhook(sandbox_url: str, own_url: str) -> None:
    """Register the webhook with the sandbox, as an operator does in Zalo's console."""
    timeout = aiohttp.ClientTimeout(total=_SANDBOX_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        address = {"url": f"{own_url}{endpoint.PATH}"}
        async with http.post(f"{sandbox_url}/_sandbox/webhook", json=address) as answer:
            if answer.status != HTTPStatus.OK:
                raise Unreachable(f"the sandbox says {answer.status} to a webhook")


def _add_follower_events(node: Node, channel: ZaloChannel) -> None:
    """Handle Zalo's events about followers, in the process that may call Zalo."""
    handler = _open_webhook_handler(node, channel)
    consumer = ConsumerSpec(subjects.ZALO_EVENTS, subjects.receipt(ChannelName.ZALO, "*"))
    on_event = sealed_only(node.bus, handler.on_event)
    node.subscribe(subjects.RECEIPTS, consumer, on_event, _CONCURRENT_EVENTS)
    app_id, limit = node.zalo.app_id, timedelta(hours=node.zalo.silent_after_h)
    node.tasks.append(open_follower_sync(node.bus, node.keys, handler.erasure.lists, app_id).run)
    node.tasks.append(WebhookWatchdog(node.bus, app_id, limit, node.clock).run)


def open_follower_sync(bus: Bus, keys: KeyFile, lists: FollowerApi, app_id: str) -> FollowerSync:
    suppressions = SuppressionStore.from_key_file(bus, keys)
    followers = FollowerStore.from_key_file(bus, keys)
    return FollowerSync(bus, followers, suppressions, lists, app_id, time.time)


def _open_webhook_handler(node: Node, channel: ZaloChannel) -> ZaloEventHandler:
    followers = FollowerStore.from_key_file(node.bus, node.keys)
    suppressions, pauses = node.suppressions, node.pauses
    node.tasks.append(partial(every, _RENAME_S, FollowerKeys(node.bus, followers).run))
    rates = BusKeyValueStore(node.bus, subjects.CONTROL.name)
    auto_reply = AutoReply(
        node.bus,
        followers,
        ReplySender(channel.api, rates, f"message-call.zalo.{node.zalo.app_id}"),
        catalog_text("reply", "text", portal=node.public_url, lookup=node.zalo.lookup_url).strip(),
        is_paused=lambda: ChannelName.ZALO in pauses.paused_channels,
        clock=node.clock,
    )
    erasure = Erasure(node.bus, followers, suppressions, FollowerApi(channel.api))
    return ZaloEventHandler(followers, suppressions, erasure, auto_reply, channel.notices.templates)
