"""Preferences of a signed-in subscriber: change, pause, new address, leave, erase, export."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from consumers.messages import field_error
from consumers.subscribers.closing_mail import BY_SUBSCRIBER, ClosingMailer
from consumers.subscribers.errors import AddressTaken
from consumers.subscribers.signup import LiftSuppression, normalize_application
from consumers.subscribers.store import SubscriberStore, same_address
from consumers.subscribers.tokens import (
    AddressChange,
    LinkOwner,
    LinkTokens,
    TokenPurpose,
    TokenUses,
    token_digest,
)
from consumers.subscribers.transactional import TransactionalMailer
from consumers.subscribers.validation import LIST_FIELDS, check_email, check_frequency
from consumers.suppression.store import Suppression
from contracts.base.times import Clock, utc_now
from contracts.errors import FieldError
from contracts.subscriptions.errors import LinkProblem, LinkRefused
from contracts.subscriptions.signup import SUPPRESSION_FIELD, SignupApplication
from contracts.subscriptions.subscriber import UNTIL_RESUMED, Subscriber
from contracts.subscriptions.transactional import (
    TransactionalKind,
    TransactionalMail,
    UnsubscribeResult,
    mask_address,
)
from contracts.vocabulary import Vocabulary

log = structlog.get_logger()
_CHANGE_ADDRESS_PATH = "/dang-ky/doi-dia-chi/"
FindSuppression = Callable[[str], Awaitable[Suppression | None]]
"""Returns the suppression of an address, if there is one."""


@dataclass
class PreferencesService:
    """Changes to one's own subscription. Raises BusError."""

    store: SubscriberStore
    mailer: TransactionalMailer
    tokens: LinkTokens
    token_uses: TokenUses
    lift_suppression: LiftSuppression
    closing_mailer: ClosingMailer
    vocabulary: Vocabulary
    clock: Clock
    find_suppression: FindSuppression

    async def find_by_session(self, session: str) -> Subscriber | None:
        """Find the subscriber of a session, until sign-out or a change of address."""
        owner = self.read_session(session)
        if owner is None or await self.token_uses.used_by(session) is not None:
            return None
        return await self.store.find_active(owner.id, owner.address)

    async def sign_out(self, session: str) -> None:
        """End a session for every copy of its cookie."""
        # A forged session is not stored: strangers could fill the bucket.
        if self.read_session(session) is not None:
            await self.token_uses.record(session)

    def read_session(self, session: str) -> LinkOwner | None:
        try:
            return self.tokens.read(TokenPurpose.SESSION, session, LinkOwner)
        except LinkRefused:
            return None

    def validate(self, subscriber: Subscriber, wanted: SignupApplication) -> Sequence[FieldError]:
        return self.normalize(subscriber, wanted)[1]

    def normalize(
        self, subscriber: Subscriber, application: SignupApplication
    ) -> tuple[SignupApplication, list[FieldError]]:
        own = application.model_copy(update={"email": subscriber.email})
        return normalize_application(own, self.vocabulary)

    async def save(self, subscriber: Subscriber, application: SignupApplication) -> None:
        """Store preferences that `validate` accepts."""
        clean, _ = self.normalize(subscriber, application)
        chosen = {name: getattr(clean, name) for name in ("name", *LIST_FIELDS)}
        frequency, now = check_frequency(clean.frequency)[0], utc_now(self.clock)

        def save(old: Subscriber) -> Subscriber:
            new = old.with_frequency(frequency, now).model_copy(update=chosen)
            return new if new == old else new.with_consent_event("changed", "page", now)

        await self.update_active(subscriber, save)

    async def pause(self, subscriber: Subscriber, until: datetime | None) -> None:
        """Send nothing before *until*, or until the subscriber resumes."""
        await self.set_pause(subscriber, until or UNTIL_RESUMED)

    async def resume(self, subscriber: Subscriber) -> None:
        await self.set_pause(subscriber, None)

    async def set_pause(self, subscriber: Subscriber, until: datetime | None) -> None:
        changed = {"paused_until": until}
        await self.update_active(subscriber, lambda stored: stored.model_copy(update=changed))

    async def update_active(
        self, subscriber: Subscriber, transition: Callable[[Subscriber], Subscriber]
    ) -> None:
        """Update a subscriber, unless they have left meanwhile."""
        await self.store.update(
            subscriber.id, lambda stored: transition(stored) if stored.active else stored
        )

    async def request_address_change(
        self, subscriber: Subscriber, address: str
    ) -> Sequence[FieldError]:
        """Mail the new address a link that makes the change. Raises MailQuotaReached."""
        new, errors = check_email(address)
        if not errors and same_address(new, subscriber.email):
            errors = [field_error("email", "same_address")]
        if errors:
            return errors
        change = AddressChange(id=subscriber.id, old=subscriber.email, new=new)
        link = self.tokens.issue(TokenPurpose.CHANGE, change)
        await self.mailer.send(
            TransactionalMail(
                kind=TransactionalKind.CHANGE,
                address=new,
                path=_CHANGE_ADDRESS_PATH + link.token,
                other=mask_address(subscriber.email),
                at=utc_now(self.clock),
                expires_at=link.expires_at,
            )
        )
        return []

    def read_address_change(self, token: str) -> AddressChange:
        """Read the address change that a link confirms. Raises LinkRefused."""
        return self.tokens.read(TokenPurpose.CHANGE, token, AddressChange)

    async def confirm_address_change(self, token: str) -> None:
        """Change the address and inform the old one. Raises LinkRefused."""
        change = self.read_address_change(token)
        if await self.token_uses.used_by(token) is not None:
            subscriber = await self.store.find_by_id(change.id)
            if subscriber is None or subscriber.email != change.new:
                raise LinkRefused(LinkProblem.USED)
            return
        try:
            is_changed = await self.closing_mailer.change_address(change, token_digest(token))
        except AddressTaken:
            raise LinkRefused(LinkProblem.TAKEN) from None
        if not is_changed:
            raise LinkRefused(LinkProblem.USED)
        await self.lift_suppression(change.new)
        await self.token_uses.record(token)
        log.info("reader_moved", recipient=change.id)

    async def unsubscribe(self, subscriber: Subscriber) -> UnsubscribeResult:
        result = await self.closing_mailer.deactivate(subscriber, erase=False)
        if result is not UnsubscribeResult.ALREADY_DONE:
            log.info("reader_left", recipient=subscriber.id)
        return result

    async def erase(self, subscriber: Subscriber) -> UnsubscribeResult:
        """Delete all data of a subscriber, also of one who has left meanwhile."""
        result = await self.closing_mailer.deactivate(subscriber, erase=True)
        if result is not UnsubscribeResult.ALREADY_DONE:
            log.info("reader_erased", recipient=subscriber.id, reason=BY_SUBSCRIBER)
        return result

    async def export(self, subscriber: Subscriber) -> Mapping[str, Any]:
        """Return all data of a subscriber: the record, and the suppression of the address."""
        suppression = await self.find_suppression(subscriber.email)
        stored = suppression.model_dump(mode="json") if suppression else None
        return {**subscriber.model_dump(mode="json"), SUPPRESSION_FIELD: stored}
