"""Sign-up with double opt-in, and access links to an existing subscription.

Every request is answered by one mail, and the page says the same for known and unknown addresses,
so it reveals nothing. A subscriber's mail goes to the stored spelling of the address."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from pydantic_core import PydanticCustomError

from consumers.subscribers.store import UNKNOWN_ID, SubscriberStore, new_subscriber_id
from consumers.subscribers.tokens import (
    IssuedToken,
    LinkOwner,
    LinkTokens,
    TokenPurpose,
    TokenUses,
    token_digest,
)
from consumers.subscribers.transactional import TransactionalMailer, to_datetime
from consumers.subscribers.validation import (
    LIST_FIELDS,
    check_email,
    check_frequency,
    unknown_values,
)
from contracts import errors, text
from contracts.errors import FieldError
from contracts.subscriptions.signup import LinkProblem, LinkRefused, SignupApplication
from contracts.subscriptions.subscriber import Consent, Subscriber
from contracts.subscriptions.transactional import (
    MailQuotaReached,
    TransactionalKind,
    TransactionalMail,
)
from contracts.vocabulary import Vocabulary

log = structlog.get_logger()
NAME_MAX = 150
CONFIRM_PATH, MANAGE_PATH, SIGNUP_PATH = "/dang-ky/xac-nhan/", "/dang-ky/quan-ly/", "/dang-ky"


def normalize_application(
    application: SignupApplication, vocabulary: Vocabulary
) -> tuple[SignupApplication, list[FieldError]]:
    """Return the application as it is stored, and all its errors."""
    address, wrong = check_email(application.email)
    rhythm, strange = check_frequency(application.frequency)
    wishes = {name: tuple(sorted(set(getattr(application, name)))) for name in LIST_FIELDS}
    name, odd = normalize_line("name", application.name)
    wrong += [*odd, *unknown_values(wishes, vocabulary), *strange]
    clean = {"email": address, "name": name, "frequency": rhythm, **wishes}
    return application.model_copy(update=clean), wrong


def normalize_line(field: str, written: str) -> tuple[str, list[FieldError]]:
    """Return one line of text as it is stored; an invalid one is empty, with its error."""
    try:
        found = text.line(written)
    except PydanticCustomError as error:
        return "", [errors.field_error(field, error.type, **(error.context or {}))]
    if len(found) > NAME_MAX:
        return "", [errors.field_error(field, "string_too_long", max_length=NAME_MAX)]
    return found, []


LiftSuppression = Callable[[str], Awaitable[object]]
"""Lifts the suppression of an address whose owner has opened a mail there."""


@dataclass
class SignupService:
    """Requests of strangers. Raises BusError, and NoLetterNow where a mail would answer."""

    store: SubscriberStore
    mailer: TransactionalMailer
    tokens: LinkTokens
    token_uses: TokenUses
    lift_suppression: LiftSuppression
    vocabulary: Vocabulary
    clock: Callable[[], float]

    def validate(self, application: SignupApplication) -> Sequence[FieldError]:
        return normalize_application(application, self.vocabulary)[1]

    async def sign_up(self, application: SignupApplication) -> None:
        """Answer a valid application by one mail, whether the address is known or not."""
        clean, _ = normalize_application(application, self.vocabulary)
        person = await self.store.find_by_address(clean.email)
        clean = clean.model_copy(update={"ip": self.store.keyed_hash(application.ip)})
        confirm, way_in = (
            self.tokens.issue(TokenPurpose.CONFIRM, clean),
            self.access_link(clean.email, person),
        )
        if person is not None and person.active:
            await self.send_mail(TransactionalKind.MANAGE, person.email, MANAGE_PATH, way_in)
        else:
            await self.send_mail(TransactionalKind.CONFIRM, clean.email, CONFIRM_PATH, confirm)

    async def send_access_link(self, address: str) -> Sequence[FieldError]:
        """Send the access link to an address, or that it has no subscription."""
        clean, wrong = check_email(address)
        if wrong:
            return wrong
        person = await self.store.find_by_address(clean)
        link = self.access_link(clean, person)
        if person is not None and person.active:
            await self.send_mail(TransactionalKind.MANAGE, person.email, MANAGE_PATH, link)
        else:
            await self.send_mail(
                TransactionalKind.ABSENT, clean, SIGNUP_PATH, link._replace(token="")
            )
        return []

    async def send_reminder(self, address: str) -> None:
        """Send the access link to a subscriber who has written to us.

        Other senders get nothing, because the sender address may be forged. When the hourly quota
        is used up, the mail is skipped.
        """
        clean, wrong = check_email(address)
        person = None if wrong else await self.store.find_by_address(clean)
        if person is not None and person.active:
            with suppress(MailQuotaReached):
                await self.send_mail(
                    TransactionalKind.MANAGE,
                    person.email,
                    MANAGE_PATH,
                    self.access_link(clean, person),
                )

    def access_link(self, address: str, subscriber: Subscriber | None) -> IssuedToken:
        """Build the access link, also for an unknown address, so that both take equally long."""
        whose = LinkOwner(
            id=subscriber.id if subscriber else UNKNOWN_ID,
            address=self.store.key_of_address(address),
        )
        return self.tokens.issue(TokenPurpose.MANAGE, whose)

    async def send_mail(
        self, kind: TransactionalKind, address: str, path: str, link: IssuedToken
    ) -> None:
        now = to_datetime(self.clock())
        await self.mailer.send(
            TransactionalMail(
                kind=kind,
                address=address,
                path=path + link.token,
                at=now,
                expires_at=link.expires_at,
            )
        )

    def read_confirmation(self, token: str) -> SignupApplication:
        """Read the application that a link confirms. Raises LinkRefused."""
        return self.tokens.read(TokenPurpose.CONFIRM, token, SignupApplication)

    async def confirm(self, token: str) -> None:
        """Make the applicant a subscriber; idempotent. Raises LinkRefused."""
        asked = self.read_confirmation(token)
        person = await self.store.find_by_address(asked.email)
        proven = person and person.consent and person.consent.link == token_digest(token)
        if proven or await self.token_uses.used_by(token) is not None:
            if person is None or not person.active:
                raise LinkRefused(LinkProblem.USED)
            await self.token_uses.record(token)
            return
        now = to_datetime(self.clock())
        consent = Consent(version=asked.version, at=now, ip=asked.ip, link=token_digest(token))
        id = new_subscriber_id()
        await self.store.upsert(
            asked.email, lambda found: merge_application(found, id, asked, consent)
        )
        await self.token_uses.record(token)
        await self.lift_suppression(asked.email)
        log.info("reader_confirmed", consent=asked.version)

    async def open_session(self, token: str, browser: str) -> str:
        """Open a session for the first *browser* that follows a link. Raises LinkRefused."""
        whose = self.tokens.read(TokenPurpose.MANAGE, token, LinkOwner)
        await self.token_uses.claim(token, browser)
        person = await self.store.find_active(whose.id, whose.address)
        if person is None:
            raise LinkRefused(LinkProblem.USED)
        await self.lift_suppression(person.email)
        return self.tokens.issue(TokenPurpose.SESSION, whose).token

    async def check_access_link(self, token: str, browser: str) -> None:
        """Check an access link for *browser* without using it. Raises LinkRefused."""
        self.tokens.read(TokenPurpose.MANAGE, token, LinkOwner)
        await self.token_uses.check(token, browser)


def merge_application(
    found: Subscriber | None, id: str, application: SignupApplication, consent: Consent
) -> Subscriber:
    """Build the subscriber, new or known, with the confirmed preferences."""
    wishes = {name: getattr(application, name) for name in ("email", "name", *LIST_FIELDS)}
    rhythm = check_frequency(application.frequency)[0]
    own = {"consent": consent, "active": True, "left_at": None, "paused_until": None}
    if found is not None and found.active:
        return found.with_frequency(rhythm, consent.at).model_copy(update=wishes | own)
    return Subscriber(
        id=found.id if found else id,
        **wishes,
        frequency=rhythm,
        frequency_since=consent.at,
        consent=consent,
    )
