"""Sign-up with double opt-in, and access links to an existing subscription.

Every request is answered by one mail, and the page says the same for known and unknown addresses,
so it reveals nothing. A subscriber's mail goes to the stored spelling of the address."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from consumers.subscribers.store import UNKNOWN_ID, SubscriberStore, new_subscriber_id
from consumers.subscribers.tokens import (
    IssuedToken,
    LinkOwner,
    LinkTokens,
    TokenPurpose,
    TokenUses,
    token_digest,
)
from consumers.subscribers.transactional import TransactionalMailer
from consumers.subscribers.validation import (
    LIST_FIELDS,
    check_email,
    check_frequency,
    unknown_values,
)
from contracts import errors
from contracts.base.times import Clock, utc_now
from contracts.errors import FieldError, Invalid
from contracts.subscriptions.errors import LinkProblem, LinkRefused, MailQuotaReached
from contracts.subscriptions.signup import SignupApplication
from contracts.subscriptions.subscriber import Consent, Subscriber
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import Vocabulary

log = structlog.get_logger()
_NAME_MAX = 150
_CONFIRM_PATH, _MANAGE_PATH, _SIGNUP_PATH = "/dang-ky/xac-nhan/", "/dang-ky/quan-ly/", "/dang-ky"


def normalize_application(
    application: SignupApplication, vocabulary: Vocabulary
) -> tuple[SignupApplication, list[FieldError]]:
    """Return the application as it is stored, and all its errors."""
    address, problems = check_email(application.email)
    chosen, frequency_errors = check_frequency(application.frequency)
    lists = {name: tuple(sorted(set(getattr(application, name)))) for name in LIST_FIELDS}
    name = ""
    try:
        name = errors.check_line("name", application.name, _NAME_MAX)
    except Invalid as error:
        problems += error.errors
    problems += [*unknown_values(lists, vocabulary), *frequency_errors]
    clean = {"email": address, "name": name, "frequency": chosen, **lists}
    return application.model_copy(update=clean), problems


LiftSuppression = Callable[[str], Awaitable[object]]
"""Lifts the suppression of an address whose owner has opened a mail there."""


@dataclass
class SignupService:
    """Requests of strangers. Raises BusError, and MailQuotaReached where a mail would answer."""

    store: SubscriberStore
    mailer: TransactionalMailer
    tokens: LinkTokens
    token_uses: TokenUses
    lift_suppression: LiftSuppression
    vocabulary: Vocabulary
    clock: Clock

    def validate(self, application: SignupApplication) -> Sequence[FieldError]:
        return normalize_application(application, self.vocabulary)[1]

    async def sign_up(self, application: SignupApplication) -> None:
        """Answer a valid application by one mail, whether the address is known or not."""
        clean, _ = normalize_application(application, self.vocabulary)
        subscriber = await self.store.find_by_address(clean.email)
        clean = clean.model_copy(update={"ip": self.store.keyed_hash(application.ip)})
        # Both links are made in any case, so that both answers take equally long.
        confirm = self.tokens.issue(TokenPurpose.CONFIRM, clean)
        access = self.access_link(clean.email, subscriber)
        if subscriber is not None and subscriber.active:
            await self.send_mail(TransactionalKind.MANAGE, subscriber.email, _MANAGE_PATH, access)
        else:
            await self.send_mail(TransactionalKind.CONFIRM, clean.email, _CONFIRM_PATH, confirm)

    async def send_access_link(self, address: str) -> Sequence[FieldError]:
        """Send the access link to an address, or that it has no subscription."""
        clean, problems = check_email(address)
        if problems:
            return problems
        subscriber = await self.store.find_by_address(clean)
        link = self.access_link(clean, subscriber)
        if subscriber is not None and subscriber.active:
            mail = self.mail(TransactionalKind.MANAGE, subscriber.email, _MANAGE_PATH, link)
            await self.mailer.send_access(mail, is_reader=True)
        else:
            no_link = link._replace(token="")
            mail = self.mail(TransactionalKind.ABSENT, clean, _SIGNUP_PATH, no_link)
            await self.mailer.send_access(mail, is_reader=False)
        return []

    async def send_reminder(self, address: str) -> None:
        """Send the access link to a subscriber who has written to us.

        Other senders get nothing, because the sender address may be forged. When the hourly quota
        is used up, the mail is skipped.
        """
        clean, problems = check_email(address)
        subscriber = None if problems else await self.store.find_by_address(clean)
        if subscriber is not None and subscriber.active:
            link = self.access_link(clean, subscriber)
            mail = self.mail(TransactionalKind.MANAGE, subscriber.email, _MANAGE_PATH, link)
            with suppress(MailQuotaReached):
                await self.mailer.send_access(mail, is_reader=True)

    def access_link(self, address: str, subscriber: Subscriber | None) -> IssuedToken:
        """Build the access link, also for an unknown address, so that both take equally long."""
        id = subscriber.id if subscriber else UNKNOWN_ID
        owner = LinkOwner(id=id, address=self.store.key_of_address(address))
        return self.tokens.issue(TokenPurpose.MANAGE, owner)

    async def send_mail(
        self, kind: TransactionalKind, address: str, path: str, link: IssuedToken
    ) -> None:
        await self.mailer.send(self.mail(kind, address, path, link))

    def mail(
        self, kind: TransactionalKind, address: str, path: str, link: IssuedToken
    ) -> TransactionalMail:
        return TransactionalMail(
            kind=kind,
            address=address,
            path=path + link.token,
            at=utc_now(self.clock),
            expires_at=link.expires_at,
        )

    def read_confirmation(self, token: str) -> SignupApplication:
        """Read the application that a link confirms. Raises LinkRefused."""
        return self.tokens.read(TokenPurpose.CONFIRM, token, SignupApplication)

    async def confirm(self, token: str) -> None:
        """Make the applicant a subscriber; idempotent. Raises LinkRefused."""
        application = self.read_confirmation(token)
        subscriber = await self.store.find_by_address(application.email)
        link = token_digest(token)
        is_repeat = subscriber and subscriber.consent and subscriber.consent.link == link
        if is_repeat or await self.token_uses.used_by(token) is not None:
            if subscriber is None or not subscriber.active:
                raise LinkRefused(LinkProblem.USED)
            await self.token_uses.record(token)
            return
        now, version = utc_now(self.clock), application.version
        consent = Consent(version=version, at=now, ip=application.ip, link=link)
        id = new_subscriber_id()
        await self.store.upsert(
            application.email, lambda stored: merge_application(stored, id, application, consent)
        )
        await self.token_uses.record(token)
        await self.lift_suppression(application.email)
        log.info("reader_confirmed", consent=version)

    async def open_session(self, token: str, browser: str) -> str:
        """Open a session for the first *browser* that follows a link. Raises LinkRefused."""
        owner = self.tokens.read(TokenPurpose.MANAGE, token, LinkOwner)
        await self.token_uses.claim(token, browser)
        subscriber = await self.store.find_active(owner.id, owner.address)
        if subscriber is None:
            raise LinkRefused(LinkProblem.USED)
        await self.lift_suppression(subscriber.email)
        return self.tokens.issue(TokenPurpose.SESSION, owner).token

    async def check_access_link(self, token: str, browser: str) -> None:
        """Check an access link for *browser* without using it. Raises LinkRefused."""
        self.tokens.read(TokenPurpose.MANAGE, token, LinkOwner)
        await self.token_uses.check(token, browser)


def merge_application(
    stored: Subscriber | None, id: str, application: SignupApplication, consent: Consent
) -> Subscriber:
    """Build the subscriber, new or known, with the confirmed preferences."""
    preferences = {name: getattr(application, name) for name in ("email", "name", *LIST_FIELDS)}
    chosen = check_frequency(application.frequency)[0]
    own = {"active": True, "left_at": None, "paused_until": None}
    if stored is not None and stored.active:
        changed = stored.with_frequency(chosen, consent.at).model_copy(update=preferences | own)
        return changed.with_consent(consent, "page")
    facts = {"id": id, **preferences, "frequency": chosen, "frequency_since": consent.at}
    if stored is not None:
        before = {"consent": stored.consent, "consent_history": stored.consent_history}
        facts |= {"id": stored.id, **before}
    return Subscriber(**facts).with_consent(consent, "page")
