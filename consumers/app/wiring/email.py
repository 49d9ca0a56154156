"""Build the e-mail channel, its send policy, and the handling of bounces."""

import structlog

from channels.email.channel import EmailChannel
from channels.email.inbound.server import MailHandler, inbound_server
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import HmacSigner
from consumers.app.node import Node
from consumers.app.ports import blame_setting
from consumers.app.settings import BouncesSettings, read_settings
from consumers.app.wiring import subscribers
from consumers.case_notices.message_ids import NoticeFinder
from consumers.case_notices.recipients import CaseNoticeRecipients
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounces import BounceHandler
from consumers.email.inbound import BounceMailbox, UnsubscribeMailbox
from consumers.email.policy import EmailSendPolicy
from consumers.email.row_lookup import RowLookup
from consumers.feedback.handler import FeedbackHandler
from consumers.recipients import ChannelRecipients
from consumers.runtime.lanes import LaneSemaphore
from consumers.subscribers.transactional import TransactionalRecipients
from consumers.suppression.cache import (
    CachedSuppressions,
    SuppressionAwareContacts,
    SuppressionCache,
)
from contracts.delivery import ChannelName

log = structlog.get_logger()


def destination(node: Node) -> tuple[str, bool]:
    """Where mail goes, and whether that is a stand-in."""
    if ChannelName.EMAIL in node.stand_ins:
        return f"the catch-all mailbox at {node.own_url}/hop-thu-thu, LOA_EMAIL_HOST is empty", True
    if not node.email.host:
        return "nowhere, LOA_EMAIL_HOST is empty", True
    return describe_relays(node.email), False


def describe_relays(settings: EmailSettings) -> str:
    """The relay, and the second one if it is set."""
    relays = [settings, settings.fallback] if settings.fallback else [settings]
    return "the relay " + ", else ".join(
        f"{one.host}:{one.port} (tls: {one.tls})" for one in relays
    )


def open_recipients(node: Node) -> ChannelRecipients:
    """Subscribers and single recipients, but for suppressed addresses; the cache is kept fresh."""
    store = subscribers.open_suppressions(node.bus, node.keys)
    cache = SuppressionCache(node.bus, store.hash_address_bytes, node.clock)
    node.tasks.append(cache.run)
    suppressed = CachedSuppressions(store, cache)
    return ChannelRecipients(
        SuppressionAwareContacts(node.directory, cache),
        (
            CaseNoticeRecipients(node.notices, suppressed),
            TransactionalRecipients(node.bus, suppressed),
        ),
    )


def open_send_policy(node: Node, gate: LaneSemaphore) -> EmailSendPolicy:
    """Pace and brakes of one worker."""
    sending = EmailSendPolicy(node.bus, gate, node.clock)
    node.tasks.append(sending.run)
    node.on_stop.append(sending.stop)
    return sending


def open_feedback_handler(node: Node) -> FeedbackHandler:
    """What every receipt goes through; those of mail have consequences."""
    brake = BounceMonitor(node.bus, node.ledger, node.clock)
    node.tasks.append(brake.run)
    handler = FeedbackHandler(node.ledger, NoticeFinder(node.bus))
    returns = BounceHandler(
        node.bus,
        RowLookup(node.bus, node.ledger, node.notices.find_record),
        subscribers.open_suppressions(node.bus, node.keys),
        brake,
        handler.confirm_sent,
        node.clock,
    )
    handler.on_mail_receipt = returns.on_receipt
    return handler


async def add_bounces(node: Node) -> None:
    """Bounces → RECEIPTS; without a bounce domain there is no listener."""
    if not node.email.bounce_domain:
        log.warning("bounces_off")
        return
    await node.open_proven_key()
    settings = read_settings(BouncesSettings)
    listener = inbound_server(inbound_mailboxes(node))
    with blame_setting("LOA_BOUNCES", settings.host, settings.port):
        port = await listener.start(settings.host, settings.port)
    node.stack.push_async_callback(listener.stop)
    node.addresses["bounces"] = f"{settings.host}:{port}"


def inbound_mailboxes(node: Node) -> list[MailHandler]:
    """Accept bounces, and unsubscribe requests if an address is configured for them."""
    seal = subscribers.open_suppressions(node.bus, node.keys).hash_address
    bounces = BounceMailbox(node.bus, _return_paths(node), seal)
    if not node.email.unsubscribe_to:
        return [bounces]
    leave = subscribers.open_unsubscribe(node.bus, node.keys).unsubscribe_by_token
    door = UnsubscribeMailbox(
        node.email.unsubscribe_to, leave, subscribers.open_signup(node).send_reminder
    )
    node.stack.push_async_callback(door.close)
    return [bounces, door]


def open_email_channel(node: Node) -> EmailChannel:
    signer = HmacSigner(node.keys.derive("unsubscribe"))
    paths = _return_paths(node) if node.email.bounce_domain else None
    return EmailChannel(node.email, node.public_url, signer, node.vocabulary, paths)


def _return_paths(node: Node) -> ReturnPaths:
    """The same for sending and for what comes back."""
    return ReturnPaths(node.keys.derive("return path"), node.email.bounce_domain)
