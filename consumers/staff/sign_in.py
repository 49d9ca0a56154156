"""Sign-in with password and one-time code, the first one with an invitation, and the step-up."""

from collections.abc import Callable

import structlog

from consumers.audit import log as audit
from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from consumers.staff import totp
from consumers.staff.accounts import Account, AccountStore, LocalSignIn
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.passwords import Passwords, check_new_password
from consumers.staff.policy import Policy
from consumers.staff.throttle import Origin, Throttle, network_of
from contracts.base.times import Clock, utc_now
from contracts.errors import Invalid, Unauthorized
from contracts.staff.sign_in import TERMINAL, Activation, Attempt
from producers.bus import Bus

log = structlog.get_logger()
_ABSENT_SECRET = bytes(20)


def _refusal() -> Unauthorized:
    """One answer for an unknown name, a wrong password, a wrong code and a disabled account."""
    return Unauthorized(field_error("login", "sign_in_refused"))


def require_app(account: Account, policy: Policy, *, has_app: bool) -> None:
    """Raises Invalid where the account's roles ask for an authenticator app and there is none."""
    if policy.needs_second_factor(account.grants) and not has_app:
        raise Invalid(field_error("new_code", "second_factor_required"))


def check_password_of(account: Account, password: str, *, with_totp: bool) -> None:
    """Check a new password of *account*. Raises Invalid."""
    own_words = (account.login, account.unit, account.name, *account.name.split())
    check_new_password(password, own_words, with_second_factor=with_totp)


class SignIn:
    """Checks who a person is. *derive* returns the key of a purpose."""

    def __init__(
        self, accounts: AccountStore, derive: Callable[[str], bytes], passwords: Passwords
    ) -> None:
        bus: Bus = accounts.bus
        self.accounts, self.passwords = accounts, passwords
        self.clock: Clock = accounts.clock
        self.secrets = totp.TotpSecrets(derive("staff totp"))
        self.addresses = StaffAddresses(derive)
        self.throttle = Throttle(bus, self.clock, derive("staff attempts"))

    async def sign_in(self, attempt: Attempt) -> Account:
        """The account, after password and one-time code.

        Raises Unauthorized, always the same; RateLimited after failures.
        """
        account = await self.accounts.find_by_login(attempt.login)
        origin = self._origin(attempt.login, attempt.network, account)
        await self.throttle.admit(origin)
        local = account.local if account else None
        is_right = await self.passwords.verify(local.password if local else None, attempt.password)
        step = self._matching_step(account, attempt.code)
        if not (is_right and account and account.is_active and step is not None):
            raise _refusal()
        signed_in = await self.accounts.change(account.id, self._use(account, step, origin))
        await self.throttle.succeeded(origin)
        return signed_in

    async def activate(self, activation: Activation, policy: Policy) -> Account:
        """Set password and second factor with an invitation. Raises like `sign_in`, Invalid."""
        login, network = activation.login, activation.network
        account = await self.find_invited(login, activation.invitation, network)
        origin, invitation = self._origin(login, network, account), account.invitation
        local = await self._new_local(account, activation, policy)

        def activate(known: Account) -> Account:
            if known.local == local:
                return known
            if known.state != "invited" or known.invitation != invitation:
                raise _refusal()
            return known.ended_sessions(state="active", local=local, invitation=None)

        record = audit.Act("account.activate", account.id, account.id)
        active = await audit.AuditLog(self.accounts.bus, self.clock).perform(
            record, lambda: self.accounts.change(account.id, activate)
        )
        await self.throttle.succeeded(origin)
        return active

    async def find_invited(self, login: str, code: str, network: str = TERMINAL) -> Account:
        """The account that the one-use *code* opens. Raises like `sign_in`."""
        account = await self.accounts.find_by_login(login)
        await self.throttle.admit(self._origin(login, network, account))
        invitation = account.invitation if account and account.state == "invited" else None
        if account is None or not (invitation and invitation.accepts(code, utc_now(self.clock))):
            raise Unauthorized(field_error("login", "invitation_refused"))
        return account

    async def step_up(self, account: Account, code: str, network: str = TERMINAL) -> None:
        """Check a one-time code of a person who is signed in. Raises like `sign_in`."""
        origin = self._origin(account.login, network, account)
        await self.throttle.admit(origin)
        step = self._matching_step(account, code)
        if not step or not account.is_active:
            raise Unauthorized(field_error("code", "code_refused"))
        await self.accounts.change(account.id, self._use(account, step, origin))
        await self.throttle.succeeded(origin)

    async def confirm_password(self, account: Account, password: str, network: str) -> None:
        """Check the password of a person who is signed in. Raises Unauthorized, RateLimited."""
        origin = self._origin(account.login, network, account)
        await self.throttle.admit(origin)
        stored = account.local.password if account.local else None
        if not await self.passwords.verify(stored, password):
            raise Unauthorized(field_error("password", "password_refused"))
        await self.throttle.succeeded(origin)

    async def new_password(self, account: Account, password: str, *, with_totp: bool) -> str:
        """The stored form of a new password. Raises Invalid."""
        check_password_of(account, password, with_totp=with_totp)
        return await self.passwords.hash(password)

    def new_app(self, account: Account, secret: bytes, code: str) -> tuple[str, int]:
        """The stored form of an app's secret, and the step of the code that proves the app has it.

        Raises Invalid for another code.
        """
        step = totp.matching_step(secret, code, self.clock(), 0)
        if step is None:
            raise Invalid(field_error("new_code", "code_refused"))
        return self.secrets.encrypt(account.id, secret), step

    async def _new_local(
        self, account: Account, activation: Activation, policy: Policy
    ) -> LocalSignIn:
        """The stored form of a new password and second factor. Raises Invalid."""
        secret = activation.totp
        require_app(account, policy, has_app=secret is not None)
        stored, step = self.new_app(account, secret, activation.code) if secret else (None, 0)
        hashed = await self.new_password(account, activation.password, with_totp=secret is not None)
        return LocalSignIn(password=hashed, totp=stored, used_step=step)

    def _matching_step(self, account: Account | None, code: str) -> int | None:
        """The time step of *code*; 0 for an account without a second factor, None for a refusal."""
        local = account.local if account else None
        stored = local.totp if local else None
        id = account.id if account else ""
        try:
            secret = self.secrets.decrypt(id, stored) if stored else _ABSENT_SECRET
        except KeyFileBroken:
            log.error("staff_app_unreadable", account=id)
            return None
        step = totp.matching_step(secret, code, self.clock(), local.used_step if local else 0)
        if stored is None:
            return 0 if local else None
        return step

    def _origin(self, login: str, network: str, account: Account | None) -> Origin:
        near = network_of(network)
        digest = self.throttle.digest("familiar", login, near)
        return Origin(login, near, bool(account and digest in account.networks))

    def _use(self, checked: Account, step: int, origin: Origin) -> Callable[[Account], Account]:
        """Record a used step and the network; of two attempts with one code, one is refused.

        So is an attempt whose password was changed since it was checked.
        """
        digest = self.throttle.digest("familiar", origin.login, origin.network)

        def use(known: Account) -> Account:
            stored, was = known.local, checked.local
            if stored is None or was is None or stored.password != was.password:
                raise _refusal()
            if not known.is_active or (step and stored.used_step >= step):
                raise _refusal()
            local = stored.model_copy(update={"used_step": max(step, stored.used_step)})
            return known.seen_from(digest).model_copy(update={"local": local})

        return use
