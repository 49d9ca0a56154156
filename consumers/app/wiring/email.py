"""Build the e-mail channel, its send policy, and the handling of bounces."""

import asyncio
from functools import partial

import structlog

from channels.daemon_threads import begin
from channels.email.channel import EmailChannel, RenderedMail
from channels.email.inbound.server import MailHandler, inbound_server
from channels.email.relays import describe_relays, load_relays
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings
from channels.email.smtp.pool import ConnectionPool
from channels.email.unsubscribe import HmacSigner
from consumers.app.node import Node
from consumers.app.ports import blame_setting
from consumers.app.settings import BouncesSettings, load_retention, read_settings
from consumers.app.wiring import subscribers
from consumers.case_notices.message_ids import NoticeFinder
from consumers.case_notices.recipients import CaseNoticeRecipients
from consumers.channel_health.destinations import NOWHERE
from consumers.deliver.worker import DeliveryWorker
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounces import BounceHandler
from consumers.email.inbound import BounceMailbox, UnsubscribeMailbox
from consumers.email.policy import EmailSendPolicy
from consumers.email.relay_watch import RelayWatch
from consumers.email.row_lookup import RowLookup
from consumers.feedback.handler import FeedbackHandler
from consumers.recipients import ChannelRecipients
from consumers.runtime.lanes import LaneSemaphore
from consumers.subscribers.transactional import TransactionalRecipients
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.suppression.cache import (
    CachedSuppressions,
    SuppressionAwareContacts,
    SuppressionCache,
)
from contracts.delivery import ChannelName
from contracts.errors import Invalid

log = structlog.get_logger()
_READ_TIMEOUT_S = 10.0


def destination(node: Node) -> tuple[str, bool]:
    """The destination of mail, and whether it is a stand-in."""
    if ChannelName.EMAIL in node.stand_ins:
        return f"the catch-all mailbox at {node.own_url}/hop-thu-thu, LOA_EMAIL_HOST is empty", True
    if not node.email.has_relay:
        return f"{NOWHERE}LOA_EMAIL_HOST is empty", True
    return describe_relays(node.email), False


def open_recipients(node: Node) -> ChannelRecipients:
    """Subscribers and single recipients, but for suppressed addresses; the cache is kept fresh."""
    cache = SuppressionCache(node.bus, node.suppressions.hash_address_bytes, node.clock)
    node.tasks.append(cache.run)
    suppressions = CachedSuppressions(node.suppressions, cache)
    notices = CaseNoticeRecipients(node.notices, suppressions)
    mails = TransactionalRecipients(node.bus, suppressions)
    return ChannelRecipients(SuppressionAwareContacts(node.directory, cache), (notices, mails))


def open_send_policy(node: Node, gate: LaneSemaphore) -> EmailSendPolicy:
    """The send pace and the bounce stops of one worker."""
    policy = EmailSendPolicy(node.bus, gate, node.clock)
    node.tasks.append(policy.run)
    node.on_stop.append(policy.stop)
    return policy


def open_feedback_handler(node: Node) -> FeedbackHandler:
    """The handler of every receipt; those of mail have consequences."""
    bounce_monitor = BounceMonitor(node.bus, node.ledger, node.clock)
    node.tasks.append(bounce_monitor.run)
    handler = FeedbackHandler(node.ledger, NoticeFinder(node.bus))
    bounce_handler = BounceHandler(
        node.bus,
        RowLookup(node.bus, node.ledger, node.notices.find_record),
        node.suppressions,
        bounce_monitor,
        handler.confirm_sent,
        node.clock,
        load_retention(node.settings).span("failed_addresses"),
    )
    handler.on_mail_receipt = bounce_handler.on_receipt
    return handler


async def add_bounces(node: Node) -> None:
    """Bounces → RECEIPTS; without a bounce domain there is no inbound server."""
    if not node.email.bounce_domain:
        log.warning("bounces_off")
        return
    await node.open_proven_key()
    settings = read_settings(BouncesSettings)
    server = inbound_server(inbound_mailboxes(node))
    with blame_setting("LOA_BOUNCES", settings.host, settings.port):
        port = await server.start(settings.host, settings.port)
    node.stack.push_async_callback(server.stop)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    node.addresses["bounces"] = f"{host}:{port}"


def inbound_mailboxes(node: Node) -> list[MailHandler]:
    """Accept bounces, and unsubscribe requests if an address is configured for them."""
    bounces = BounceMailbox(node.bus, _return_paths(node), node.suppressions.hash_address)
    if not node.email.unsubscribe_to:
        return [bounces]
    unsubscribes = UnsubscribeMailbox(
        node.email.unsubscribe_to,
        UnsubscribeService.from_key_file(node.bus, node.keys).unsubscribe_by_token,
        subscribers.open_signup(node).send_reminder,
    )
    node.stack.push_async_callback(unsubscribes.close)
    return [bounces, unsubscribes]


def open_email_channel(node: Node) -> EmailChannel:
    signer = HmacSigner(node.keys.derive("unsubscribe"))
    paths = _return_paths(node) if node.email.bounce_domain else None
    channel = EmailChannel(node.email, node.public_url, signer, node.vocabulary, paths)
    if node.email.relays_file:
        channel.pool.use_portion(None)  # until the watch knows how many workers share the limits
        node.secrets.on_reload.append(partial(_reload_relays, node.email, channel.pool))
    else:
        use = partial(_use_settings, channel.pool)
        node.secrets.add_user(EmailSettings, use, "password", "fallback_password")
    return channel


def _use_settings(pool: ConnectionPool, settings: EmailSettings) -> None:
    pool.use(load_relays(settings))


async def watch_relays(channel: EmailChannel, worker: DeliveryWorker[RenderedMail]) -> None:
    """Report which relays are left out, and keep to this worker's portion of their limits."""
    bus, name = worker.breaker_store.bus, worker.slot.name

    def on_portion() -> None:
        worker.policy.use_connections(channel.pool.connections)

    await RelayWatch(bus, channel.pool, name, worker.clock, on_portion).run()


async def _reload_relays(settings: EmailSettings, pool: ConnectionPool) -> None:
    """Take over passwords and limits of the relays file; one that is wrong changes nothing."""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            pool.use(await begin(lambda: load_relays(settings)))
    except (Invalid, TimeoutError) as wrong:
        log.error("relays_unusable", error=str(wrong) or "no answer")


def _return_paths(node: Node) -> ReturnPaths:
    """The return paths, the same for sending and for bounces."""
    return ReturnPaths(node.keys.derive("return path"), node.email.bounce_domain)
