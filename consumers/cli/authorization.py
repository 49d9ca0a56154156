"""The person at this terminal, who acts or looks: a signed-in account, or a name as break-glass."""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog
import typer

from consumers.app.environment import environment
from consumers.app.settings import LoaSettings, load_retention, read_settings
from consumers.cli import output
from consumers.cli.stores import open_keys
from consumers.intake.approval import reviewer_name
from consumers.messages import field_error
from consumers.runtime import stdio
from consumers.staff.accounts import AccountStore
from consumers.staff.authorization import Act, Actor, Authorizer, ReadingRight
from consumers.staff.policy import Policy, Verdict, load_policy
from consumers.staff.sessions import SessionStore, SignedIn
from contracts.base.times import Clock
from contracts.errors import Forbidden, Invalid, Unauthorized
from producers.bus import Bus

if TYPE_CHECKING:
    from consumers.staff.sign_in import SignIn

log = structlog.get_logger()
_FIELD = "by"
_CLOCK: Clock = time.time
BREAK_GLASS = "break-glass"


async def names_by_id(bus: Bus) -> Mapping[str, str]:
    """The names of all accounts by id; a name as break-glass is no id."""
    return {one.id: one.name for one in await AccountStore(bus, _CLOCK).all()}


@dataclass(frozen=True)
class Staff:
    """Accounts, sessions and roles on one bus."""

    bus: Bus
    accounts: AccountStore
    sessions: SessionStore
    policy: Policy

    @property
    def rules(self) -> Authorizer:
        span = load_retention(read_settings(LoaSettings)).span("proposals")
        return Authorizer(self.accounts, self.policy, _CLOCK, span)

    @classmethod
    def open(cls, bus: Bus) -> "Staff":
        accounts = AccountStore(bus, _CLOCK)
        policy = load_policy(read_settings(LoaSettings).data_dir)
        return cls(bus, accounts, SessionStore(bus, accounts, _CLOCK), policy)

    async def open_sign_in(self) -> "SignIn":
        """Raises Invalid for the key file of other data."""
        from consumers.staff.passwords import Passwords  # commands that only look ask for none
        from consumers.staff.sign_in import SignIn

        keys = await open_keys(self.bus)
        return SignIn(self.accounts, keys.derive, Passwords())

    async def signed_in(self) -> SignedIn | None:
        """The living session of this terminal, if it has one."""
        token = read_token()
        return await self.sessions.find(token) if token else None

    async def require_signed_in(self) -> SignedIn:
        """Raises Unauthorized when this terminal is not signed in."""
        if signed_in := await self.signed_in():
            return signed_in
        raise Unauthorized(field_error(_FIELD, "sign_in_first"))

    async def authorize(self, act: Act) -> Actor:
        """The signed-in account, which may do *act* now. Raises Unauthorized or Forbidden."""
        signed_in = await self.require_stepped_up(act.action)
        ruling = await self.rules.decide(signed_in, act)
        if ruling.verdict is not Verdict.ALLOWED:
            raise Forbidden(self.rules.policy.refusal(ruling, act.action))
        return Actor.of(signed_in, ruling)

    async def require_stepped_up(self, action: str) -> SignedIn:
        """The session, with a second factor as fresh as *action* asks for. Raises Unauthorized."""
        signed_in = await self.require_signed_in()
        self.rules.require_second_factor(signed_in)
        if self.rules.needs_step_up(signed_in, action):
            signed_in = await self._step_up(signed_in)
            if self.rules.needs_step_up(signed_in, action):
                raise Unauthorized(field_error("code", "second_factor_required"))
        return signed_in

    async def require_role(self, action: str) -> SignedIn:
        """The session, whose account has a role for *action*. Raises Unauthorized, Forbidden."""
        signed_in = await self.require_signed_in()
        self.rules.require_second_factor(signed_in)
        if not self.policy.has_action(signed_in.account, action):
            raise Forbidden(field_error(action, "staff_no_role"))
        return signed_in

    async def anyone_may(self, action: str) -> bool:
        """Whether an active account has a role for *action*."""
        people = await self.accounts.all()
        return any(self.policy.has_action(person, action) for person in people)

    async def _step_up(self, signed_in: SignedIn) -> SignedIn:
        """Ask for a one-time code; a person of the identity provider confirms at the desk."""
        account = signed_in.account
        if account.oidc and not account.has_totp:
            from consumers.cli.desk_login import sign_in_at_desk  # only for a step up

            await self.keep(await sign_in_at_desk(self.sessions, account.id))
            return await self.require_signed_in()
        code = await ask("ask_code", is_hidden=False)
        await (await self.open_sign_in()).step_up(account, code)
        if token := await self.sessions.renew(read_token(), stepped_up=True):
            _write_token(token)
        return await self.require_signed_in()

    async def keep(self, token: str) -> None:
        """Keep a new session as this terminal's; the one before ends."""
        before = read_token()
        _write_token(token)
        if before:
            await self.sessions.end(before)


class Exceptions(NamedTuple):
    """An act that takes an account even where none exists, or that timers may do without one."""

    needs_account: bool = False
    is_for_timers: bool = False


async def acting_person(bus: Bus, act: Act, by: str, exceptions: Exceptions) -> Actor:
    """The person who acts: *by* as break-glass, else the account that is signed in here.

    Before the first account it is the user of the operating system. Raises Unauthorized, Forbidden.
    """
    staff = Staff.open(bus)
    has_accounts = await staff.accounts.is_in_use()
    if by:
        name = reviewer_name(_FIELD, by)
        return break_glass(act.action, name) if has_accounts else Actor(name)
    is_timer = exceptions.is_for_timers and not read_token() and owns_data_folder()
    if is_timer or not (has_accounts or exceptions.needs_account):
        return Actor((environment().get("USER") or "").strip())
    try:
        return await staff.authorize(act)
    except (Unauthorized, Forbidden) as refused:
        if await staff.anyone_may(act.action):
            raise
        folder = read_settings(LoaSettings).data_dir.resolve()
        way_out = field_error(_FIELD, "no_account_may", folder=folder)
        raise type(refused)(*refused.errors, way_out) from refused


def break_glass(action: str, name: str = BREAK_GLASS) -> Actor:
    """The owner of the data folder in place of an account, told on stderr and in the log.

    Raises Forbidden for another user.
    """
    folder = read_settings(LoaSettings).data_dir.resolve()
    if not owns_data_folder():
        raise Forbidden(field_error(_FIELD, "not_owner", folder=folder))
    log.warning("break_glass_used", action=action)
    output.tell_afterwards(field_error(_FIELD, "break_glass", folder=folder))
    return Actor(name, role=BREAK_GLASS)


async def reading_right(bus: Bus, actions: Sequence[str], by: str) -> ReadingRight:
    """The right of the person at this terminal; *by*: a name as break-glass.

    Raises Unauthorized, and Forbidden where no role has any of *actions*.
    """
    staff = Staff.open(bus)
    if not await staff.accounts.is_in_use():
        return ReadingRight(staff.policy, actions)
    if by:
        actor = break_glass(actions[0], reviewer_name(_FIELD, by))
        return ReadingRight(staff.policy, actions, by=actor.by)
    signed_in = await staff.require_signed_in()
    staff.rules.require_second_factor(signed_in)
    if not any(staff.policy.has_action(signed_in.account, action) for action in actions):
        raise Forbidden(field_error(actions[0], "staff_no_role"))
    return ReadingRight(staff.policy, actions, signed_in.account)


def owns_data_folder() -> bool:
    folder: Path = read_settings(LoaSettings).data_dir
    return folder.is_dir() and os.geteuid() in (0, folder.stat().st_uid)


async def ask(question_code: str, *, is_hidden: bool, is_optional: bool = False) -> str:
    """Ask on the terminal for a password or a code.

    Where the input has ended, an optional answer is empty, and for others it raises Invalid.
    """
    question = field_error(question_code.removeprefix("ask_"), question_code)
    prompt = output.in_one_line(question.message, question.message_vi)
    try:
        return await asyncio.to_thread(partial(_prompt, prompt, is_hidden=is_hidden))
    except typer.Abort:
        if is_optional:
            return ""
        raise Invalid(field_error(question.field, "no_answer")) from None


def _prompt(text: str, *, is_hidden: bool) -> str:
    is_hidden = is_hidden and has_terminal()
    try:
        return str(typer.prompt(text, "", hide_input=is_hidden, show_default=False, err=True))
    finally:
        if not is_hidden and not sys.stdin.isatty():  # no person has ended the line
            typer.echo(err=True)


def has_terminal() -> bool:
    """Whether a person can type unseen; what comes through a pipe is not shown anyway."""
    return stdio.has_terminal() or sys.stdin.isatty()


def _session_file() -> Path:
    """The file of this terminal's session, one for each data folder or bus."""
    settings, variables = read_settings(LoaSettings), environment()
    folder = variables.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    place = settings.nats_url or str(settings.data_dir.resolve())
    return Path(folder) / "loa" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.session"


def read_token() -> str:
    """This terminal's session token; empty without one. Raises Invalid if others can read it."""
    path = _session_file()
    try:
        with path.open() as file:
            status = os.fstat(file.fileno())
            if status.st_mode & 0o077 or status.st_uid != os.geteuid():
                raise Invalid(field_error(str(path), "session_file_open"))
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _write_token(token: str) -> None:
    """Keep the session token in a file that its owner alone can read."""
    path = _session_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as opened:
        opened.write(token)
    draft.replace(path)


def remove_token() -> None:
    _session_file().unlink(missing_ok=True)
