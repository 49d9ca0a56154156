"""Build the services behind the subscriber pages."""

from functools import partial

from channels.email.render.announced import announced_sender, announced_subject
from consumers.app.node import Node
from consumers.app.settings import LettersSettings, load_retention, read_settings
from consumers.key_file import seal_people
from consumers.subscribers.closing_mail import ClosingMailer
from consumers.subscribers.preferences import PreferencesService
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.sealing import RecordSealer
from consumers.subscribers.signup import SignupService
from consumers.subscribers.tokens import LinkTokens, TokenUses
from consumers.subscribers.transactional import TransactionalMailer
from consumers.subscribers.unsubscribe import UnsubscribeService
from contracts.delivery import ChannelName
from contracts.subscriptions.transactional import NOTIFICATION_KINDS, TransactionalKind
from producers.pages.services import PageFacts, PageServices

PATH_HEADS = ("dang-ky", "huy")
_REQUESTED_KINDS = frozenset(TransactionalKind) - NOTIFICATION_KINDS


def open_mailer(node: Node) -> TransactionalMailer:
    """The sender of transactional mail; all processes share the hourly quota of strangers."""
    quota = HourlyMailQuota(node.bus, read_settings(LettersSettings).per_hour, node.clock)
    return TransactionalMailer(node.bus, node.notices, node.subscribers, node.clock, quota)


def page_facts(node: Node) -> PageFacts:
    """Facts about mails and retention for the pages, by the settings that act."""
    days = load_retention(node.settings)
    return PageFacts(
        announced_sender(node.email),
        {kind: announced_subject(kind, node.email) for kind in _REQUESTED_KINDS},
        days.former_readers,
        days.failed_addresses,
    )


def open_signup(node: Node) -> SignupService:
    return SignupService(
        node.subscribers,
        open_mailer(node),
        LinkTokens(node.keys.derive, node.clock),
        TokenUses(node.bus),
        partial(node.suppressions.lift, ChannelName.EMAIL),
        node.vocabulary,
        node.clock,
    )


def open_page_services(node: Node) -> PageServices:
    """The services of the pages; closing mails that a crash cut short are finished, too."""
    mailer = open_mailer(node)
    closing_mailer = ClosingMailer(node.subscribers, mailer, node.clock)
    sealer = RecordSealer(node.bus, seal_people(node.bus, node.keys), node.clock)
    node.tasks += [closing_mailer.run, sealer.run]
    preferences = PreferencesService(
        node.subscribers,
        mailer,
        LinkTokens(node.keys.derive, node.clock),
        TokenUses(node.bus),
        partial(node.suppressions.lift, ChannelName.EMAIL),
        closing_mailer,
        node.vocabulary,
        node.clock,
        partial(node.suppressions.find_active, ChannelName.EMAIL),
    )
    unsubscribe = UnsubscribeService.from_key_file(node.bus, node.keys)
    per_hour = read_settings(LettersSettings).per_hour
    return PageServices(open_signup(node), preferences, unsubscribe, per_hour)
