"""`loa login`, `loa logout`, `loa whoami`: the account under which this terminal acts."""

from datetime import datetime
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.cli import authorization, output
from consumers.cli.authorization import Staff, ask, read_token, remove_token
from consumers.cli.desk_login import sign_in_at_desk
from consumers.messages import field_error
from consumers.staff import totp
from consumers.staff.accounts import Account
from consumers.staff.authorization import Actor
from consumers.staff.passwords import password_rules
from consumers.staff.sessions import LivingSession, SignedIn, session_id
from consumers.staff.sign_in import check_password_of, require_app
from contracts import errors
from contracts.errors import Invalid, NotFound
from contracts.staff.sign_in import Activation, Attempt, setup_uri, text_secret
from producers.bus import Bus

Login = Annotated[
    str, typer.Argument(help="The account's sign-in name; without it you confirm at the desk.")
]
Invited = Annotated[
    bool, typer.Option("--invited", help="The first time: with the code from `loa staff add`.")
]
WithoutCodes = Annotated[
    bool, typer.Option("--without-codes", help="With --invited: no authenticator app.")
]
SessionId = Annotated[
    str, typer.Option("--session", metavar="ID", help="That session, as `loa sessions` shows it.")
]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="End every session of the account.")]


class AccountAnswer(BaseModel):
    """The account of this terminal, in the answers of `login` and `whoami`."""

    id: str
    login: str
    name: str
    unit: str
    roles: list[str]

    @classmethod
    def of(cls, account: Account) -> "AccountAnswer":
        facts = account.model_dump(include={"id", "login", "name", "unit"})
        return cls(**facts, roles=[grant.text for grant in account.grants])


class LogoutAnswer(BaseModel):
    """The answer of `logout`. *everywhere*: each session of the account ended."""

    signed_out: bool = True
    everywhere: bool


class ListedSession(BaseModel):
    """A session of the account. `network`: where it was begun; `here`: this terminal's."""

    id: str
    started: datetime
    used: datetime
    network: str
    here: bool


@output.page(AccountAnswer, examples=("loa login", "loa login nguyen-van-an --invited"))
def login(
    login: Login = "",
    invited: Invited = False,
    without_codes: WithoutCodes = False,
    as_json: output.Json = False,
) -> None:
    """Sign this terminal in: 15 minutes idle, 10 hours in all.

    With LOGIN by password and one-time code; without it, or for a person of the identity provider,
    by a code that you confirm at the desk, signed in there.
    """

    async def sign_in(bus: Bus) -> Account:
        staff = Staff.open(bus)
        if invited:
            activation = await _ask_activation(staff, login, with_codes=not without_codes)
            account = await (await staff.open_sign_in()).activate(activation, staff.policy)
            await staff.keep(await staff.sessions.start(account))
        else:
            await staff.keep(await _sign_in(staff, login))
        return (await staff.require_signed_in()).account

    account = output.act_on_bus(sign_in)
    text = field_error(account.login, "signed_in", value=account.name)
    answer = AccountAnswer.of(account)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


async def _sign_in(staff: Staff, login: str) -> str:
    """The token of a new session."""
    known = await staff.accounts.find_by_login(login) if login else None
    if known and known.oidc and not known.local:
        return await sign_in_at_desk(staff.sessions, known.id)
    if not login:
        if not authorization.has_terminal():
            raise Invalid(field_error("login", "terminal_required"))
        return await sign_in_at_desk(staff.sessions)
    door = await staff.open_sign_in()
    password = await ask("ask_password", is_hidden=True)
    code = await ask("ask_code", is_hidden=False, is_optional=True)
    attempt = Attempt(login, password, code)
    return await staff.sessions.start(await door.sign_in(attempt))


async def _ask_activation(staff: Staff, login: str, *, with_codes: bool) -> Activation:
    """Ask for the invitation and a new password; show the secret for the authenticator app.

    Each answer is checked before the next question: a secret is kept in the app only when all else
    is right. Raises Unauthorized, Invalid.
    """
    if not login:
        raise Invalid(errors.field_error("login", "missing"))
    door = await staff.open_sign_in()
    invitation = await ask("ask_invitation", is_hidden=True)
    account = await door.find_invited(login, invitation)
    require_app(account, staff.policy, has_app=with_codes)
    password = await _ask_new_password(account, with_codes=with_codes)
    if not with_codes:
        return Activation(login, invitation, password)
    secret = totp.new_secret()
    secret_text = field_error("code", "totp_secret", value=text_secret(secret))
    output.print_field_texts(secret_text, err=output.wants_json.get())
    typer.echo(setup_uri(secret, login), err=output.wants_json.get())
    return Activation(login, invitation, password, secret, await ask("ask_code", is_hidden=False))


async def _ask_new_password(account: Account, *, with_codes: bool) -> str:
    """A new password, typed twice, by the rules that are told before. Raises Invalid."""
    output.print_errors([password_rules(with_second_factor=with_codes)])
    password = await ask("ask_new_password", is_hidden=True)
    if await ask("ask_password_again", is_hidden=True) != password:
        raise Invalid(field_error("password", "passwords_differ"))
    check_password_of(account, password, with_totp=with_codes)
    return password


@output.page(LogoutAnswer)
def logout(
    everywhere: Everywhere = False, session: SessionId = "", as_json: output.Json = False
) -> None:
    """End this terminal's session; with --session another one, with --everywhere each."""
    if everywhere and session:
        output.fail(field_error("--session", "session_or_everywhere"))

    async def sign_out(bus: Bus) -> bool:
        staff = Staff.open(bus)
        if session:
            await _end_session(staff, session)
            return True
        if everywhere:
            await _end_all_sessions(staff)
        if token := read_token():
            await staff.sessions.end(token)
        remove_token()
        return bool(token)

    was_signed_in = output.act_on_bus(sign_out)
    text = field_error("session", "signed_out" if was_signed_in else "signed_out_before")
    answer = LogoutAnswer(everywhere=everywhere)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


async def _end_session(staff: Staff, id: str) -> None:
    """End one session of the account. Raises Unauthorized, NotFound for any other."""
    signed_in = await staff.require_signed_in()
    if not await staff.sessions.end_own(signed_in.account, id):
        raise NotFound(field_error("--session", "session_unknown"))
    await _record(staff, signed_in, "account.end-session")
    if id == session_id(read_token()):
        remove_token()


async def _end_all_sessions(staff: Staff) -> None:
    signed_in = await staff.require_signed_in()
    await staff.accounts.sign_out_everywhere(signed_in.account.id)
    await _record(staff, signed_in, "account.end-sessions")


async def _record(staff: Staff, signed_in: SignedIn, action: str) -> None:
    record = Actor.of(signed_in).record_of(action, signed_in.account.id)
    await staff.rules.audit_log.record(record)


@output.page(list[ListedSession], {2: "not signed in"})
def sessions(as_json: output.Json = False) -> None:
    """List the living sessions of your account, newest first."""
    own = session_id(read_token())
    rows = [
        ListedSession(
            id=one.id,
            started=one.session.started,
            used=one.session.used,
            network=one.session.network,
            here=one.id == own,
        )
        for one in output.run_on_bus(_sessions)
    ]
    output.print_records(ListedSession, rows, as_json)


async def _sessions(bus: Bus) -> list[LivingSession]:
    staff = Staff.open(bus)
    return await staff.sessions.of_account((await staff.require_signed_in()).account)


@output.page(AccountAnswer, {2: "not signed in"})
def whoami(as_json: output.Json = False) -> None:
    """Show the account of this terminal's session, and its roles."""
    answer = AccountAnswer.of(output.run_on_bus(_signed_in_account))
    row = dict(answer) | {"roles": ", ".join(answer.roles)}
    output.print_answer(answer, as_json, lambda: output.print_table([*row], [[*row.values()]]))


async def _signed_in_account(bus: Bus) -> Account:
    return (await Staff.open(bus).require_signed_in()).account
