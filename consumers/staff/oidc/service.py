"""Sign-in of staff through the identity provider: begin, finish, step-up, and the way out."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import structlog

from consumers.staff.accounts import Account, AccountStore, OidcSubject
from consumers.staff.errors import ProviderSessionEnded
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.oidc import authorization, id_token, logout_token
from consumers.staff.oidc.authorization import Transaction, Transactions
from consumers.staff.oidc.errors import OidcRefused, PersonUnknown, ProviderUnavailable, Reason
from consumers.staff.oidc.id_token import Expected, Identity
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.oidc.logouts import ProviderLogouts
from consumers.staff.oidc.people import PendingPeople, PendingPerson
from consumers.staff.oidc.provider import CodeExchange, Provider
from consumers.staff.provider_sessions import ProviderSession
from consumers.staff.sessions import SessionStore
from consumers.staff.throttle import network_of
from contracts.staff.oidc import Beginning, Finished, OidcArrival
from contracts.staff.sign_in import local_path
from producers.bus import RevisionConflict

log = structlog.get_logger()
_CALLBACK_PATH = "/oidc/ve"
_LONGEST_S = "36000"
"""A sign-in at the provider may be as old as a session of the desk."""
KEY_PURPOSE = "staff oidc"


@dataclass(frozen=True)
class OidcStores:
    """The stores of accounts, sessions and waiting people."""

    accounts: AccountStore
    sessions: SessionStore
    addresses: StaffAddresses

    @property
    def links(self) -> IdentityLinks:
        return IdentityLinks(self.accounts)

    @property
    def people(self) -> PendingPeople:
        return PendingPeople(self.accounts.bus, self.accounts.clock)

    @property
    def logouts(self) -> ProviderLogouts:
        return ProviderLogouts(self.sessions)


@dataclass(frozen=True)
class OidcClient:
    """This desk at the provider. `levels`: values of `acr` that mean two factors."""

    client_id: str
    desk_url: str
    levels: frozenset[str] = frozenset()

    @property
    def redirect_uri(self) -> str:
        return f"{self.desk_url}{_CALLBACK_PATH}"

    @property
    def request(self) -> dict[str, str]:
        """The client's part of an authorisation request.

        `max_age` makes the provider say when it saw the person, without which no level counts.
        """
        request = {"client_id": self.client_id, "redirect_uri": self.redirect_uri}
        if not self.levels:
            return request
        return request | {"acr_values": " ".join(sorted(self.levels)), "max_age": _LONGEST_S}


@dataclass
class OidcSignIn:
    """The flow. Raises OidcRefused with the reason, ProviderUnavailable, BusError."""

    provider: Provider
    client: OidcClient
    stores: OidcStores
    transactions: Transactions

    @property
    def can_step_up(self) -> bool:
        """Whether the provider can vouch for a second factor."""
        return bool(self.client.levels)

    async def begin(self, return_to: str = "/", step_up_of: str = "") -> Beginning:
        """Start a sign-in; *step_up_of*: the account that is signed in and proves itself anew."""
        if step_up_of and not self.can_step_up:
            raise OidcRefused(Reason.AUTH_LEVEL)
        provider = (await self.provider.current()).metadata
        transaction = Transaction(
            started=self.provider.clock(),
            return_to=local_path(return_to),
            step_up_of=step_up_of,
        )
        url = authorization.authorization_url(transaction, provider, self.client.request)
        return Beginning(url, self.transactions.seal(transaction))

    async def finish(self, arrival: OidcArrival) -> Finished:
        """End a sign-in: the provider's answer becomes a session; the browser's other one ends.

        Raises PersonUnknown for a person without an account, who waits for a manager then.
        """
        with _logged_refusal():
            transaction = self.transactions.read(arrival.cookie, self.provider.clock())
            identity = await self._identify(arrival.response, transaction)
            account = await self._find_account(identity)
            if transaction.step_up_of:
                await self._check_same_person(account, transaction, arrival.token)
            await self._use_up(transaction)
            started = await self._start_session(account, identity, arrival.network)
            await self._take_address(account, identity.email)
        if arrival.token:
            await self.stores.sessions.end(arrival.token)
        return Finished(started, transaction.return_to)

    async def end_sessions(self, token: str) -> None:
        """Obey a logout token of the provider."""
        with _logged_refusal():
            claims = await self.provider.verify(token, logout_token.TYPES)
            ended = logout_token.read_ended_session(claims, self._expected())
            count = await self.stores.logouts.obey(ended)
        log.info("oidc_sessions_ended", sessions=count)

    async def sign_out_url(self) -> str | None:
        """The address that ends the session at the provider, too; None where it offers none."""
        try:
            provider = (await self.provider.current()).metadata
        except ProviderUnavailable:  # the provider has logged it; the person is signed out of Loa
            return None
        if not provider.end_session_endpoint:
            return None
        back = {
            "client_id": self.client.client_id,
            "post_logout_redirect_uri": f"{self.client.desk_url}/",
        }
        separator = "&" if "?" in provider.end_session_endpoint else "?"
        return f"{provider.end_session_endpoint}{separator}{urlencode(back)}"

    async def waiting_people(self) -> list[PendingPerson]:
        """The people of this provider who wait for an account."""
        people = await self.stores.people.all()
        return [person for person in people if person.issuer == self.provider.issuer]

    async def _identify(self, response: Mapping[str, str], transaction: Transaction) -> Identity:
        """The person whom the provider vouches for in its answer."""
        provider = (await self.provider.current()).metadata
        code = authorization.read_code(response, transaction, provider)
        exchange = CodeExchange(code, transaction.verifier, self.client.redirect_uri)
        tokens = await self.provider.exchange(exchange)
        claims = await self.provider.verify(tokens.id_token, id_token.TYPES)
        expected = self._expected(
            nonce=transaction.nonce,
            access_token=tokens.access_token,
            fresh_since=transaction.started if transaction.step_up_of else None,
        )
        return id_token.read_identity(claims, expected)

    def _expected(
        self, nonce: str = "", access_token: str = "", fresh_since: float | None = None
    ) -> Expected:
        return Expected(
            issuer=self.provider.issuer,
            client_id=self.client.client_id,
            now=self.provider.clock(),
            nonce=nonce,
            access_token=access_token,
            levels=self.client.levels,
            fresh_since=fresh_since,
        )

    async def _find_account(self, identity: Identity) -> Account:
        """The linked account, if it is active. Raises PersonUnknown, OidcRefused."""
        subject = OidcSubject(issuer=identity.issuer, subject=identity.subject)
        account = await self.stores.links.find(subject)
        if account is None:
            await self.stores.people.add(identity)
            raise PersonUnknown
        if not account.is_active:
            raise OidcRefused(Reason.ACCOUNT)
        return account

    async def _check_same_person(
        self, account: Account, transaction: Transaction, token: str
    ) -> None:
        """A step-up is of the person whose session this browser has, still."""
        signed_in = await self.stores.sessions.find(token)
        if signed_in is None or not signed_in.account.id == account.id == transaction.step_up_of:
            raise OidcRefused(Reason.OTHER_PERSON)

    async def _use_up(self, transaction: Transaction) -> None:
        """Let one session come of a transaction, also if two requests finish it at once."""
        digest = hashlib.sha256(transaction.state.encode()).hexdigest()
        try:
            await self.stores.sessions.bucket.create(f"oidc_used.{digest}", b"")
        except RevisionConflict as lost:
            raise OidcRefused(Reason.REPLAYED) from lost

    async def _take_address(self, account: Account, email: str) -> None:
        """Let the provider's mail address be the account's, if that has none and may have one."""
        if account.address or account.mail.has_no_address or not email:
            return
        address = self.stores.addresses.encrypt(account.id, email)
        await self.stores.accounts.set_mail(account.id, address=address)

    async def _start_session(self, account: Account, identity: Identity, network: str) -> str:
        session = ProviderSession(
            issuer=identity.issuer,
            subject=identity.subject,
            session_id=identity.session_id,
            issued_at=identity.issued_at,
        )
        try:
            token = await self.stores.sessions.start(
                account, provider=session, second_factor=identity.second_factor, network=network
            )
        except ProviderSessionEnded as ended:
            raise OidcRefused(Reason.SIGNED_OUT) from ended
        factors, where = 2 if identity.second_factor else 1, network_of(network)
        log.info("staff_signed_in", account=account.id, network=where, factors=factors)
        return token


@contextmanager
def _logged_refusal() -> Iterator[None]:
    """Log the reason of a refusal."""
    try:
        yield
    except OidcRefused as refused:
        log.warning("oidc_refused", reason=refused.reason.value)
        raise
