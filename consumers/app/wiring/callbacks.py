"""Build what tells units of their items: on the bus, and by callbacks."""

from channels.fetch.errors import ForbiddenAddress
from channels.fetch.url_policy import parse_policy
from channels.fetch.webhook import WebhookClient
from consumers.app.node import Node
from consumers.app.settings import CallbackSettings, read_settings
from consumers.app.wiring.subscribers import open_mailer
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.attempt_log import AttemptLog
from consumers.callbacks.disabled_mail import DisabledMailer
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.follow import StatusFollower
from consumers.callbacks.sender import CallbackSender
from consumers.callbacks.service import CallbackService
from consumers.callbacks.sources import all_sources
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from consumers.messages import field_error
from contracts.base.times import Clock
from contracts.errors import Invalid
from producers.bus import Bus


async def add_callbacks(node: Node) -> None:
    """Positions, dead letters and facts → STATUS → units' systems."""
    await node.open_proven_key()
    follower = StatusFollower(StatusStore(node.bus), all_sources(node.bus), node.clock)
    node.tasks.append(follower.run)
    service = CallbackService(
        StatusStore(node.bus),
        EndpointStore(node.bus),
        CallbackSender(_open_client(), EndpointCipher(node.keys.derive), node.clock),
        AttemptLog(node.bus),
        node.clock,
    )
    node.tasks.append(service.run)


async def add_disabled_mail(node: Node) -> None:
    """Mail units whose endpoints are called no more."""
    await node.open_proven_key()
    cipher = EndpointCipher(node.keys.derive)
    mailer = DisabledMailer(open_mailer(node), EndpointStore(node.bus), cipher, node.clock)
    node.tasks.append(mailer.run)


def _open_client() -> WebhookClient:
    """The client: public addresses, and those that the operator allows."""
    settings = read_settings(CallbackSettings)
    return WebhookClient(parse_policy(settings.allow), settings.ca_file)


def open_administration(bus: Bus, keys: KeyFile, clock: Clock) -> EndpointAdministration:
    client = _open_client()

    def check_url(url: str) -> None:
        """Raises Invalid for an address that is never called."""
        try:
            client.check(url)
        except (ForbiddenAddress, ValueError) as closed:
            raise Invalid(field_error("url", "callback_address", value=url)) from closed

    cipher = EndpointCipher(keys.derive)
    return EndpointAdministration(EndpointStore(bus), StatusStore(bus), cipher, check_url, clock)
