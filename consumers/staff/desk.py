"""Sign-in, own account and administration, as the web desk asks for them."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import structlog
from pydantic import ValidationError

from consumers.audit import log as audit
from consumers.messages import field_error
from consumers.staff.accounts import Account
from consumers.staff.administration import (
    ACTS,
    MANAGE,
    Administration,
    Done,
    SetAddress,
    StaffAct,
    WaitingAct,
    WaitingActs,
)
from consumers.staff.authorization import ACTIONS, READS, Act, Actor, Authorizer, ReadingRight
from consumers.staff.own_account import OwnAccount
from consumers.staff.policy import Ability, ObjectFacts, Verdict
from consumers.staff.sessions import LivingSession, Session, SessionStore, SignedIn
from consumers.staff.sign_in import SignIn
from consumers.staff.terminals import TerminalRequest, Terminals, unknown_code
from consumers.staff.throttle import Origin, network_of
from contracts import errors
from contracts.desk.person import DeskAct
from contracts.desk.roles import RoleTable
from contracts.desk.staff_mail import MailSettings
from contracts.errors import Forbidden, Invalid, NotFound, Unauthorized
from contracts.staff.sign_in import Activation, AppChange, Attempt, PasswordChange

log = structlog.get_logger()
T = TypeVar("T")
_APP_SECRET_BYTES = 20


class Submitted(NamedTuple):
    """An act, and what it has done; None while it waits for a second person."""

    act: StaffAct
    done: Done | None


@dataclass(frozen=True)
class StaffDesk:
    """The desk's services. *app_key* makes the secrets that are offered to authenticator apps."""

    door: SignIn
    sessions: SessionStore
    rules: Authorizer
    administration: Administration
    app_key: bytes

    async def find(self, token: str, *, has_arrived: bool = True) -> "Visitor | None":
        """The person whose session *token* opens; *has_arrived*: a browser has shown it."""
        signed_in = await self.sessions.find(token, has_arrived=has_arrived)
        return Visitor(self, signed_in) if signed_in else None

    async def sign_in(self, attempt: Attempt) -> str:
        """The token of a new session. Raises Unauthorized, RateLimited."""
        account = await _logged(self.door.sign_in(attempt), "sign_in", attempt.network)
        return await self.open_session(account, attempt.network)

    async def activate(self, activation: Activation) -> str:
        """Like `sign_in`, with an invitation. Raises Invalid, too."""
        work = self.door.activate(activation, self.rules.policy)
        account = await _logged(work, "activate", activation.network)
        return await self.open_session(account, activation.network)

    async def open_session(self, account: Account, network: str) -> str:
        """The token of a new session for an account that has signed in."""
        factors = 2 if account.has_totp else 1
        log.info(
            "staff_signed_in", account=account.id, network=network_of(network), factors=factors
        )
        return await self.sessions.start(account, network=network)

    async def sign_out(self, token: str) -> None:
        await self.sessions.end(token)

    async def step_up(self, token: str, code: str, network: str) -> str:
        """The session's new token, after a second factor. Raises Unauthorized, RateLimited."""
        signed_in = await self.sessions.find(token)
        if signed_in is None:
            raise _sign_in_first()
        await _logged(self.door.step_up(signed_in.account, code, network), "step_up", network)
        if renewed := await self.sessions.renew(token, stepped_up=True):
            return renewed
        raise _sign_in_first()

    def role_names(self) -> Mapping[str, str]:
        """The roles in Vietnamese, by id."""
        return self.rules.policy.role_names()

    def role_table(self) -> RoleTable:
        """Every role and every action."""
        return self.rules.policy.role_table

    def app_secret(self, token: str) -> bytes:
        """The secret that an authenticator app may be set up with in the browser of *token*."""
        return hmac.digest(self.app_key, token.encode(), hashlib.sha256)[:_APP_SECRET_BYTES]


def _sign_in_first() -> Unauthorized:
    return Unauthorized(field_error("login", "sign_in_first"))


async def _logged(work: Awaitable[T], step: str, network: str) -> T:
    """The result of *work*; a refusal is logged without saying whose name was given."""
    try:
        return await work
    except errors.ContractError as refused:
        where = network_of(network)
        log.warning("staff_sign_in_refused", step=step, error=refused.code, network=where)
        raise


@dataclass(frozen=True)
class Visitor:
    """A person who is signed in, and what that person does at the desk."""

    desk: StaffDesk
    signed_in: SignedIn

    @property
    def account(self) -> Account:
        return self.signed_in.account

    @property
    def session(self) -> Session:
        return self.signed_in.session

    @property
    def lacks_second_factor(self) -> bool:
        """Whether the account's roles need a second factor, and the sign-in gave none."""
        return self.desk.rules.lacks_second_factor(self.signed_in)

    @property
    def is_stepped_up(self) -> bool:
        """Whether a second factor was given within the last 5 minutes."""
        return self.desk.rules.is_stepped_up(self.signed_in)

    @property
    def needs_step_up_to_sign_in(self) -> bool:
        """Whether another sign-in takes a second factor anew: this one had one, long ago."""
        return self.session.second_factor is not None and not self.is_stepped_up

    def may(self, action: str) -> bool:
        """Whether the account may do *action* at all, on some object."""
        return self.desk.rules.policy.has_action(self.account, action)

    def needs_step_up(self, action: str) -> bool:
        return self.desk.rules.needs_step_up(self.signed_in, action)

    def may_read(self, name: str, unit: str = "") -> bool:
        """Whether the account may see what the reading act *name* shows of a unit."""
        return self._reading_right(name).covers(ObjectFacts(unit=unit))

    def require_read(self, name: str, unit: str = "") -> None:
        """Raises Forbidden, with the reason, where `may_read` says no."""
        self._reading_right(name).require(ObjectFacts(unit=unit))

    def _reading_right(self, name: str) -> ReadingRight:
        return ReadingRight(self.desk.rules.policy, READS[name], self.account)

    def may_do(self, name: str, unit: str = "") -> bool:
        """Whether the account may do the act *name* on an object of a unit."""
        policy, facts = self.desk.rules.policy, ObjectFacts(unit=unit)
        ruling = policy.is_allowed(self.account, ACTIONS[name], facts)
        return ruling.verdict is Verdict.ALLOWED

    async def record(self, act: DeskAct) -> None:
        """Record an act that only reads, before its answer. Raises as `perform`."""
        await self.desk.rules.audit_log.record(await self._authorized(act))

    async def perform(self, act: DeskAct, work: Callable[[], Awaitable[T]]) -> T:
        """Do *work* with its intent and outcome in the audit log.

        Raises Unauthorized, Forbidden, BusError, and what *work* raises.
        """
        return await self.desk.rules.audit_log.perform(await self._authorized(act), work)

    async def _authorized(self, act: DeskAct) -> audit.Act:
        """The act as the audit log has it. Raises Unauthorized, Forbidden."""
        action, facts = ACTIONS[act.name], ObjectFacts(unit=act.unit)
        self._require(action)
        asked = Act(action, facts, [act.name, act.object, act.after])
        ruling = await self.desk.rules.decide(self.signed_in, asked)
        if ruling.verdict is not Verdict.ALLOWED:
            raise Forbidden(self.desk.rules.policy.refusal(ruling, action))
        record = Actor.of(self.signed_in, ruling).record_of(act.name, act.object, act.after)
        return replace(record, reason=act.reason or record.reason)

    def abilities(self) -> list[Ability]:
        return self.desk.rules.policy.abilities(self.account.grants)

    async def change_password(self, change: PasswordChange) -> str:
        """The token of a new session; the account's others end.

        Raises Unauthorized, RateLimited, Invalid, Conflict.
        """
        changed = await self._own_account().change_password(self.signed_in, change)
        return await self.desk.sessions.reopen(changed, self.session)

    async def change_app(self, change: AppChange) -> str:
        """Like `change_password`, for another authenticator app."""
        changed = await self._own_account().change_app(self.signed_in, change)
        return await self.desk.open_session(changed, change.network)

    def mail_settings(self) -> MailSettings:
        """The account's mail address and wishes."""
        return self._own_account().mail_settings(self.signed_in)

    async def set_mail(self, wanted: MailSettings) -> None:
        """Change the account's mail address and wishes. Raises Invalid for no mail address."""
        await self._own_account().set_mail(self.signed_in, wanted)

    def _own_account(self) -> OwnAccount:
        return OwnAccount(self.desk.door, self.desk.rules)

    async def sessions(self) -> list[LivingSession]:
        """The account's living sessions, newest first."""
        return await self.desk.sessions.of_account(self.account)

    async def end_session(self, id: str) -> bool:
        """End one of the account's own sessions; False for any other id."""
        if not await self.desk.sessions.end_own(self.account, id):
            return False
        await self._record_own("account.end-session")
        return True

    async def end_all_sessions(self) -> None:
        await self.desk.door.accounts.sign_out_everywhere(self.account.id)
        await self._record_own("account.end-sessions")

    async def find_terminal(self, code: str, network: str) -> TerminalRequest:
        """The terminal that waits under a code. Raises Invalid, RateLimited after wrong codes."""
        throttle = self.desk.door.throttle
        origin = Origin(f"terminal {self.account.id}", network_of(network), is_familiar=True)
        await throttle.admit(origin)
        waiting = await Terminals(self.desk.sessions).find(code)
        if waiting is None or waiting.account not in ("", self.account.id):
            raise unknown_code()
        await throttle.succeeded(origin)
        return waiting

    async def confirm_terminal(self, code: str, network: str) -> None:
        """Let the terminal of a code in, under this account. Raises like `find_terminal`."""
        waiting = await self.find_terminal(code, network)
        await Terminals(self.desk.sessions).confirm(code, self.session)
        await self._record_own("account.confirm-terminal", after=waiting.host)

    async def _record_own(self, action: str, after: str = "") -> None:
        record = Actor.of(self.signed_in).record_of(action, self.account.id, after)
        await self.desk.rules.audit_log.record(record)

    async def accounts(self) -> list[Account]:
        """Every account, by sign-in name."""
        return await self.desk.administration.accounts.all()

    async def find_account(self, id: str) -> Account:
        """Raises NotFound for an unknown account."""
        return await self.desk.administration.require(id)

    async def submit(self, fields: Mapping[str, object]) -> Submitted:
        """Do the act in *fields*, or propose it to a second account manager.

        Raises Unauthorized, Forbidden, Invalid, Conflict, NotFound for an unknown account.
        """
        try:
            act = ACTS.validate_python(fields)
        except ValidationError as wrong:
            raise Invalid(*errors.explain(wrong)) from wrong
        return await self._submit(act)

    async def _submit(self, act: StaffAct, *, may_propose: bool = True) -> Submitted:
        self._require(act.action)
        await self.desk.administration.check(act)
        asked = Act(act.action, arguments=act.arguments, may_propose=may_propose)
        ruling = await self.desk.rules.decide(self.signed_in, asked)
        if ruling.verdict is not Verdict.ALLOWED:
            return Submitted(act, None)
        actor = Actor.of(self.signed_in, ruling)
        return Submitted(act, await self.desk.administration.perform(act, actor))

    def _require(self, action: str) -> None:
        """Raises Forbidden without the action, Unauthorized without a fresh second factor."""
        if not self.may(action):
            raise Forbidden(field_error(action, "staff_no_role"))
        self.desk.rules.require_second_factor(self.signed_in)
        if self.needs_step_up(action):
            raise Unauthorized(field_error("code", "code_refused"))

    async def set_address(self, account_id: str, address: str) -> Submitted:
        """Like `submit`, for the mail address of an account."""
        stored = self.desk.door.addresses.encrypt(account_id, address)
        return await self._submit(SetAddress.of(account_id, address, stored))

    async def waiting_acts(self) -> list[WaitingAct]:
        """Proposals that wait for a second account manager, oldest first."""
        return await WaitingActs(self.desk.rules).all()

    async def confirm(self, id: str) -> Submitted:
        """Do what waits under *id*. Raises like `submit`, NotFound when it waits no more."""
        for one in await self.waiting_acts():
            if one.id == id:
                return await self._submit(one.act, may_propose=False)
        raise NotFound(field_error("proposal", "proposal_gone"))

    async def refuse(self, id: str) -> None:
        """Remove what waits under *id*. Raises NotFound, Unauthorized, Forbidden."""
        self._require(MANAGE)
        await WaitingActs(self.desk.rules).refuse(self.signed_in, id)
