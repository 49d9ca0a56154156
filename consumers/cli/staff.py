"""`loa staff`: accounts of the people who work with Loa, and their roles."""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.cli import output
from consumers.cli.authorization import Act, Staff
from consumers.cli.stores import open_keys
from consumers.messages import field_error
from consumers.staff.accounts import Account, AccountState, NewAccount, OidcSubject
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.oidc.people import PendingPeople
from consumers.staff.oidc.settings import OidcSettings
from consumers.staff.policy import Grant, ObjectFacts, Verdict
from contracts import errors, events
from contracts.base.times import format_utc
from contracts.errors import Forbidden, Invalid
from contracts.vocabulary import Vocabulary
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="Accounts of staff, and their roles.")
log = structlog.get_logger()
T = TypeVar("T")
_MANAGE, _DISABLE = "manage-people", "disable-account"
_MANAGERS_WANTED = 2
_BOOTSTRAP = "bootstrap"
Login = Annotated[str, typer.Argument(help="The account's sign-in name, e.g. nguyen-van-an.")]
Subject = Annotated[
    str, typer.Argument(help="The person at the provider, as `loa staff identities` shows it.")
]
Name = Annotated[str, typer.Option(help="The person's name.")]
Unit = Annotated[str, typer.Option(help="The person's unit.")]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        help="ROLE, or ROLE/units=A,B or ROLE/topics=A,B for some units or topics; repeatable.",
    ),
]
BreakGlass = Annotated[
    bool,
    typer.Option("--break-glass", help="By the owner of the data folder, where no manager can."),
]


@app.command()
def add(login: Login, name: Name, unit: Unit, role: Roles, as_json: output.Json = False) -> None:
    """Add an account; prints a one-use code, with which the person signs in first, within 72 h."""

    async def work(staff: Staff) -> tuple[Account, str]:
        grants = _checked_grants(staff, role, unit)
        by = await _authorize(staff, Act(_MANAGE, arguments=["add", login, name, unit, role]))
        return await staff.accounts.add(
            NewAccount(login=login, name=name, unit=unit, grants=grants), by
        )

    account, code = _run(work)
    _print_invitation(account, code, as_json)


@app.command("list")
def list_accounts(as_json: output.Json = False) -> None:
    """Every account: id, state, unit, roles."""
    accounts = _run(lambda staff: staff.accounts.all())
    columns = ("login", "name", "unit", "state", "roles", "id")
    rows = [_cells(account) for account in accounts]
    answer = [dict(zip(columns, row, strict=True)) for row in rows]
    output.print_answer(answer, as_json, lambda: output.print_table(columns, rows))


def _cells(account: Account) -> tuple[str, ...]:
    roles = ", ".join(grant.text for grant in account.grants)
    return (account.login, account.name, account.unit, account.state, roles, account.id)


@app.command()
def disable(login: Login) -> None:
    """Disable an account: its sessions end at once, everywhere."""
    _print_state(_run(lambda staff: _set_state(staff, login, "disabled")))


@app.command()
def enable(login: Login) -> None:
    """Enable an account again."""
    _print_state(_run(lambda staff: _set_state(staff, login, "active")))


async def _set_state(staff: Staff, login: str, state: AccountState) -> Account:
    account = await staff.accounts.require(login)
    action = _DISABLE if state == "disabled" else _MANAGE
    await _authorize(staff, Act(action, arguments=[state, account.id]))
    return await staff.accounts.set_state(account.id, state)


@app.command()
def roles(login: Login, role: Roles) -> None:
    """Replace an account's roles; its sessions end."""

    async def work(staff: Staff) -> Account:
        account = await staff.accounts.require(login)
        grants = _checked_grants(staff, role, account.unit)
        await _authorize(staff, Act(_MANAGE, arguments=["roles", account.id, role]))
        return await staff.accounts.set_grants(account.id, grants)

    _print_state(_run(work))


@app.command()
def reset(login: Login, break_glass: BreakGlass = False, as_json: output.Json = False) -> None:
    """Take password and authenticator away, after a loss; prints a one-use code for new ones."""

    async def work(staff: Staff) -> tuple[Account, str]:
        account = await staff.accounts.require(login)
        act = Act(_MANAGE, arguments=["reset", account.id])
        await (_break_glass(staff.bus) if break_glass else _authorize(staff, act))
        return account, await staff.accounts.reset(account.id)

    account, code = _run(work)
    _print_invitation(account, code, as_json)


@app.command()
def identities(as_json: output.Json = False) -> None:
    """People of the identity provider: linked to an account, or waiting for one."""
    rows = _run(_identity_rows)
    columns = ("login", "subject", "name", "provider_login", "last_seen")
    answer = [dict(zip(columns, row, strict=True)) for row in rows]
    output.print_answer(answer, as_json, lambda: output.print_table(columns, rows))


async def _identity_rows(staff: Staff) -> list[tuple[str, ...]]:
    issuer = _issuer()
    linked = [
        (account.login, account.oidc.subject, account.name, "", "")
        for account in await staff.accounts.all()
        if account.oidc and account.oidc.issuer == issuer
    ]
    waiting = [
        ("", person.subject, person.name, person.login, format_utc(person.last_seen))
        for person in await PendingPeople(staff.bus, staff.accounts.clock).all()
        if person.issuer == issuer
    ]
    return [*waiting, *linked]


@app.command()
def link(login: Login, subject: Subject) -> None:
    """Let a person of the identity provider sign in to an account; its sessions end."""

    async def work(staff: Staff) -> Account:
        identity = OidcSubject(issuer=_issuer(), subject=subject)
        account = await staff.accounts.require(login)
        await _authorize(staff, Act(_MANAGE, arguments=["link", account.id, identity.digest]))
        linked = await IdentityLinks(staff.accounts).link(account.id, identity)
        await PendingPeople(staff.bus, staff.accounts.clock).remove(identity)
        return linked

    _print_state(_run(work))


@app.command()
def unlink(login: Login) -> None:
    """Take the identity at the provider away from an account; its sessions end."""

    async def work(staff: Staff) -> Account:
        account = await staff.accounts.require(login)
        await _authorize(staff, Act(_MANAGE, arguments=["unlink", account.id]))
        return await IdentityLinks(staff.accounts).unlink(account.id)

    _print_state(_run(work))


def _issuer() -> str:
    """The identity provider. Raises Invalid when none is set."""
    if issuer := read_settings(OidcSettings).issuer:
        return issuer
    raise Invalid(field_error("LOA_OIDC_ISSUER", "oidc_not_set"))


def _run(work: Callable[[Staff], Awaitable[T]]) -> T:
    async def on_bus(bus: Bus) -> T:
        return await work(Staff.open(bus))

    return output.run_on_bus(on_bus)


async def _authorize(staff: Staff, act: Act) -> str:
    """The id of the account that may do *act*; the owner of the data folder while managers lack.

    The owner has the key file of the data, too. Raises Unauthorized, Forbidden, or Invalid for the
    key file of other data.
    """
    signed_in = await staff.signed_in()
    if signed_in is None and await _managers(staff) < _MANAGERS_WANTED and _owns_data_folder():
        await open_keys(staff.bus)
        log.warning("staff_bootstrap_used", action=act.action)
        return _BOOTSTRAP
    return (await staff.authorize(act)).id


async def _managers(staff: Staff) -> int:
    """How many active accounts may manage people."""
    rulings = [
        staff.policy.is_allowed(account, _MANAGE, ObjectFacts())
        for account in await staff.accounts.all()
    ]
    return sum(ruling.verdict is not Verdict.REFUSED for ruling in rulings)


async def _break_glass(bus: Bus) -> None:
    """Let the owner of data folder and key file act without an account.

    Raises Forbidden, or Invalid for the key file of other data.
    """
    folder = read_settings(LoaSettings).data_dir.resolve()
    if not _owns_data_folder():
        raise Forbidden(field_error("data", "not_owner", folder=folder))
    await open_keys(bus)
    log.warning("break_glass_used", action=_MANAGE)
    output.print_errors([field_error("data", "break_glass", folder=folder)])


def _owns_data_folder() -> bool:
    folder: Path = read_settings(LoaSettings).data_dir
    return folder.is_dir() and os.geteuid() in (0, folder.stat().st_uid)


def _checked_grants(staff: Staff, written: Sequence[str], unit: str) -> tuple[Grant, ...]:
    """The roles of options. Raises Invalid for an unknown unit, topic or role, or a conflict."""
    vocabulary = load_vocabulary(read_settings(LoaSettings))
    grants = tuple(map(_parse_grant, written))
    units = [unit, *(one for grant in grants for one in grant.units)]
    wrong = [events.unit_error("unit", one, vocabulary) for one in units]
    if found := [error for error in wrong if error]:
        raise Invalid(*found)
    _check_topics(vocabulary, [one for grant in grants for one in grant.topics])
    staff.policy.check_grants(grants)
    return grants


def _check_topics(vocabulary: Vocabulary, topics: Sequence[str]) -> None:
    for topic in topics:
        if not vocabulary.knows("topic", topic):
            raise Invalid(errors.field_error("topic", "unknown_topic", value=topic))


def _parse_grant(written: str) -> Grant:
    """`ROLE`, `ROLE/units=A,B` or `ROLE/topics=A,B`. Raises Invalid."""
    role, *scopes = written.split("/")
    parts: dict[str, Any] = {}
    for scope in scopes:
        kind, mark, ids = scope.partition("=")
        if kind not in ("units", "topics") or not mark or not ids:
            raise Invalid(field_error("role", "scope_unreadable", value=written))
        parts[kind] = tuple(ids.split(","))
    return Grant(role=role, **parts)


def _print_state(account: Account) -> None:
    roles = ", ".join(grant.text for grant in account.grants)
    typer.echo(f"{account.login}: {account.state}; {roles}")


def _print_invitation(account: Account, code: str, as_json: bool) -> None:
    if as_json:
        output.print_json({"id": account.id, "login": account.login, "invitation": code})
        return
    typer.echo(f"{account.login}\n{code}")
    output.print_field_texts(field_error(account.login, "invitation_shown", value=account.login))
