"""Build the services behind the subscriber pages."""

from functools import partial

from consumers.app.node import Node
from consumers.app.settings import LettersSettings, read_settings
from consumers.key_file import KeyFile
from consumers.subscribers.closing_mail import ClosingMailer
from consumers.subscribers.preferences import PreferencesService
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.signup import SignupService
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.tokens import LinkTokens, TokenUses
from consumers.subscribers.transactional import TransactionalMailer
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.pages.services import PageServices

PATH_HEADS = ("dang-ky", "huy")


def open_unsubscribe(bus: Bus, keys: KeyFile) -> UnsubscribeService:
    """The unsubscribe service behind every door."""
    return UnsubscribeService.from_key_file(bus, keys)


def _open_mailer(node: Node) -> TransactionalMailer:
    """Who sends letters; all processes share what strangers may cause in an hour."""
    people = SubscriberStore.from_key_file(node.bus, node.keys)
    cap = HourlyMailQuota(node.bus, read_settings(LettersSettings).per_hour, node.clock)
    return TransactionalMailer(node.bus, node.notices, people, node.clock, cap)


def open_signup(node: Node) -> SignupService:
    """The signup service behind every door."""
    people, letters = SubscriberStore.from_key_file(node.bus, node.keys), _open_mailer(node)
    links, uses = LinkTokens(node.keys.derive, node.clock), TokenUses(node.bus)
    lift = partial(open_suppressions(node.bus, node.keys).lift, ChannelName.EMAIL)
    return SignupService(people, letters, links, uses, lift, node.vocabulary, node.clock)


def open_page_services(node: Node) -> PageServices:
    """What the pages may ask for; farewells that a crash cut short are finished, too."""
    people, mailer = SubscriberStore.from_key_file(node.bus, node.keys), _open_mailer(node)
    suppressed = open_suppressions(node.bus, node.keys)
    farewells = ClosingMailer(people, mailer, node.clock)
    node.tasks.append(farewells.run)
    preferences = PreferencesService(
        people,
        mailer,
        LinkTokens(node.keys.derive, node.clock),
        TokenUses(node.bus),
        partial(suppressed.lift, ChannelName.EMAIL),
        farewells,
        node.vocabulary,
        node.clock,
        partial(suppressed.find_active, ChannelName.EMAIL),
    )
    leave, per_hour = open_unsubscribe(node.bus, node.keys), read_settings(LettersSettings).per_hour
    return PageServices(open_signup(node), preferences, leave, per_hour)


def open_suppressions(bus: Bus, keys: KeyFile) -> SuppressionStore:
    return SuppressionStore(bus, keys.derive("suppressions"))
