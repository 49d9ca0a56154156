"""Service interfaces that the pages call; implemented in consumers.subscribers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from contracts.base.retention import DEFAULT as DEFAULT_RETENTION
from contracts.errors import FieldError
from contracts.subscriptions.signup import SignupApplication
from contracts.subscriptions.subscriber import RetainedData, Subscriber
from contracts.subscriptions.transactional import TransactionalKind, UnsubscribeResult


@dataclass(frozen=True)
class PageFacts:
    """Facts on pages about the mails that follow, and about how long data are kept."""

    sender: str = ""
    """Sender of the mails; without one the pages do not describe them."""
    subjects: Mapping[TransactionalKind, str] = field(default_factory=dict)
    kept_days: int = DEFAULT_RETENTION.former_readers
    """How long the proof of a consent is kept after unsubscribing."""
    returned_days: int = DEFAULT_RETENTION.failed_addresses
    """How long the hash of an address is kept from which mail came back."""


class AddressChange(Protocol):
    """An address change that awaits confirmation."""

    @property
    def new(self) -> str: ...


class SignupService(Protocol):
    """Sign-up and access links. Raises LinkRefused for a bad link, BusError, and
    MailQuotaReached instead of sending a mail.
    """

    def validate(self, application: SignupApplication) -> Sequence[FieldError]: ...
    async def sign_up(self, application: SignupApplication) -> None: ...
    async def send_access_link(self, address: str) -> Sequence[FieldError]: ...
    def read_confirmation(self, token: str) -> SignupApplication: ...
    async def confirm(self, token: str) -> None: ...
    async def check_access_link(self, token: str, browser: str) -> None: ...
    async def open_session(self, token: str, browser: str) -> str: ...


class PreferencesService(Protocol):
    """Actions of a signed-in subscriber. Raises like `SignupService`."""

    async def find_by_session(self, session: str) -> Subscriber | None: ...
    async def sign_out(self, session: str) -> None: ...
    def validate(
        self, subscriber: Subscriber, application: SignupApplication
    ) -> Sequence[FieldError]: ...
    async def save(self, subscriber: Subscriber, application: SignupApplication) -> None: ...
    async def pause(self, subscriber: Subscriber, until: datetime | None) -> None: ...
    async def resume(self, subscriber: Subscriber) -> None: ...
    async def request_address_change(
        self, subscriber: Subscriber, address: str
    ) -> Sequence[FieldError]: ...
    def read_address_change(self, token: str) -> AddressChange: ...
    async def confirm_address_change(self, token: str) -> None: ...
    async def unsubscribe(self, subscriber: Subscriber) -> UnsubscribeResult: ...
    async def erase(self, subscriber: Subscriber) -> UnsubscribeResult: ...
    async def export(self, subscriber: Subscriber) -> Mapping[str, Any]: ...


class UnsubscribeService(Protocol):
    """Actions of the unsubscribe link in every mail. Raises BusError, LinkRefused if forged."""

    async def subscribed_address(self, token: str) -> str:
        """The subscriber's address, masked; empty after unsubscribing."""

    async def retained_data(self, token: str) -> RetainedData:
        """Data kept after unsubscribing by this link."""

    async def unsubscribe_by_token(self, token: str) -> bool:
        """End the subscription; returns False for a forged link."""

    async def erase_by_token(self, token: str) -> bool:
        """Delete the data of a former subscriber; False while subscribed."""


@dataclass(frozen=True)
class PageServices:
    """The services of the pages."""

    signup: SignupService
    preferences: PreferencesService
    unsubscribe: UnsubscribeService
    mails_per_hour: int = 0
    """Limit of mails per hour caused by anonymous requests; 0 means no limit."""
