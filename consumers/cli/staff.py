"""`loa staff`: accounts of the people who work with Loa, and their roles."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import structlog
import typer
from pydantic import BaseModel, PlainSerializer, WithJsonSchema

from consumers.app.settings import read_settings
from consumers.cli import authorization, output
from consumers.cli.authorization import Staff
from consumers.cli.stores import open_keys, open_registry
from consumers.messages import field_error, translate
from consumers.staff.accounts import Account
from consumers.staff.administration import (
    MANAGE,
    AddAccount,
    Administration,
    DisableAccount,
    Done,
    EnableAccount,
    LinkIdentity,
    ResetAccount,
    SetAddress,
    SetRoles,
    StaffAct,
    UnlinkIdentity,
    WaitingAct,
    WaitingActs,
)
from consumers.staff.authorization import Act, Actor
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.oidc.people import PendingPeople
from consumers.staff.oidc.settings import OidcSettings
from consumers.staff.policy import ObjectFacts, Verdict
from contracts.base.times import format_utc
from contracts.desk.staff_mail import MailSettings, StaffMailKind
from contracts.errors import Forbidden, Invalid
from producers.bus import Bus, records
from producers.output import print_bilingual

app = typer.Typer(no_args_is_help=True, help="Manage accounts of staff, and their roles.")
log = structlog.get_logger()
T = TypeVar("T")
_MANAGERS_WANTED = 2
_BOOTSTRAP = "bootstrap"
_NAMED_APART = {"do", "account", "unit", "login", "address"}
"""Facts of an act that are said elsewhere, and an address, which is encrypted."""
Login = Annotated[str, typer.Argument(help="The account's sign-in name, e.g. nguyen-van-an.")]
Subject = Annotated[
    str, typer.Argument(help="The person at the provider, as `loa staff identities` shows it.")
]
ProposalId = Annotated[str, typer.Argument(help="What waits, as `loa staff proposals` shows it.")]
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


class InvitationAnswer(BaseModel):
    """The answer of `add` and `reset`: the one-use code."""

    id: str
    login: str
    invitation: str


class AccountState(BaseModel):
    """The account after a change."""

    id: str
    login: str
    state: str
    roles: list[str]


class ListedAccount(BaseModel):
    """One account in the answer of `list`."""

    login: str
    name: str
    unit: str
    state: str
    roles: str
    id: str


class ListedProposal(BaseModel):
    """An act that waits for a second account manager. `about`: a sign-in name, or a unit."""

    id: str
    at: datetime | None
    act: str
    about: str
    what: str
    proposed_by: str

    @classmethod
    def of(cls, waiting: WaitingAct) -> "ListedProposal":
        act, subject = waiting.act, waiting.subject
        facts = act.model_dump(mode="json", exclude=_NAMED_APART).items()
        return cls(
            id=waiting.id,
            at=waiting.at,
            act=act.do,
            about=subject.login if subject else act.object_id,
            what=", ".join(f"{name}={_in_words(value)}" for name, value in facts),
            proposed_by=", ".join(one.login for one in waiting.proposers),
        )


class RefusalAnswer(BaseModel):
    """The answer of `refuse`."""

    id: str
    refused: bool = True


class MailAnswer(BaseModel):
    """How a person gets mail: the address, and the kinds beyond those that ask for something."""

    address: str
    morning: bool
    kinds: list[StaffMailKind]


class IdentityAnswer(BaseModel):
    """One person of the identity provider; without a login they wait for an account."""

    login: str
    subject: str
    name: str
    provider_login: str
    last_seen: Annotated[
        datetime | None,
        PlainSerializer(lambda at: format_utc(at) if at else "", return_type=str),
        WithJsonSchema({"type": "string"}),
    ]


@app.command()
@output.page(
    InvitationAnswer,
    examples=('loa staff add le-an --name "Lê An" --unit van-phong-bo --role bien-tap-vien',),
)
def add(login: Login, name: Name, unit: Unit, role: Roles, as_json: output.Json = False) -> None:
    """Add an account; prints a one-use code, with which the person signs in first, within 72 h."""
    act = AddAccount(login=login, name=name, unit=unit, roles=tuple(role))

    async def work(staff: Staff) -> tuple[Done, int]:
        return await _carry_out(staff, act), await _managers(staff)

    done, managers = _run(work)
    _print_invitation(done, as_json)
    if managers < _MANAGERS_WANTED:
        counts = {"count": managers, "wanted": _MANAGERS_WANTED}
        output.print_errors([field_error("managers", "managers_missing", **counts)])


@app.command()
@output.page(list[ListedProposal])
def proposals(as_json: output.Json = False) -> None:
    """List what waits for a second account manager, who agrees by giving the same command."""

    async def find(bus: Bus) -> list[WaitingAct]:
        staff = Staff.open(bus)
        await staff.require_role(MANAGE)
        return await WaitingActs(staff.rules).all()

    rows = [ListedProposal.of(one) for one in output.run_on_bus(find)]
    output.print_records(ListedProposal, rows, as_json)


@app.command()
@output.page(RefusalAnswer, examples=("loa staff refuse ID",))
def refuse(id: ProposalId, as_json: output.Json = False) -> None:
    """Remove what waits for a second account manager, also of your own."""

    async def work(staff: Staff) -> None:
        await staff.require_role(MANAGE)
        await WaitingActs(staff.rules).refuse(await staff.require_stepped_up(MANAGE), id)

    _run(work)
    text = field_error("proposal", "proposal_refused")
    output.print_answer(RefusalAnswer(id=id), as_json, lambda: output.print_field_texts(text))


@app.command("list")
@output.page(list[ListedAccount])
def list_accounts(as_json: output.Json = False) -> None:
    """List every account: id, state, unit, roles."""
    accounts = map(_listed, output.run_on_bus(lambda bus: Staff.open(bus).accounts.all()))
    output.print_records(ListedAccount, [*accounts], as_json)


def _in_words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _listed(account: Account) -> ListedAccount:
    facts = account.model_dump(include=set(ListedAccount.model_fields))
    return ListedAccount(**facts, roles=", ".join(grant.text for grant in account.grants))


@app.command()
@output.page(AccountState, examples=("loa staff disable nguyen-van-an",))
def disable(login: Login, as_json: output.Json = False) -> None:
    """Disable an account: its sessions end at once, everywhere."""
    _change(login, lambda id: DisableAccount(account=id), as_json)


@app.command()
@output.page(AccountState, examples=("loa staff enable nguyen-van-an",))
def enable(login: Login, as_json: output.Json = False) -> None:
    """Enable an account again."""
    _change(login, lambda id: EnableAccount(account=id), as_json)


@app.command()
@output.page(AccountState, examples=("loa staff roles nguyen-van-an --role bien-tap-vien",))
def roles(login: Login, role: Roles, as_json: output.Json = False) -> None:
    """Replace an account's roles; its sessions end."""
    _change(login, lambda id: SetRoles(account=id, roles=tuple(role)), as_json)


@app.command()
@output.page(InvitationAnswer, examples=("loa staff reset nguyen-van-an",))
def reset(
    login: Login,
    break_glass: BreakGlass = False,
    yes: output.Yes = False,
    as_json: output.Json = False,
) -> None:
    """Take password and authenticator away, after a loss; prints a one-use code for new ones."""

    async def work(staff: Staff) -> Done:
        act = ResetAccount(account=(await staff.accounts.require(login)).id)
        if not break_glass:
            return await _carry_out(staff, act)
        await open_keys(staff.bus)
        return await _administration(staff).perform(act, authorization.break_glass(MANAGE))

    output.confirm("ask_reset", yes=yes)
    _print_invitation(_run(work), as_json)


def _change(login: str, act_on: Callable[[str], StaffAct], as_json: bool) -> None:
    """Change the account of a sign-in name, and print its state and roles."""

    async def work(staff: Staff) -> Done:
        account = await staff.accounts.require(login)
        return await _carry_out(staff, act_on(account.id))

    _print_state(_run(work), as_json)


def _print_state(done: Done, as_json: bool) -> None:
    """Print an account's state and roles."""
    account = records.require(done.account)
    roles = [grant.text for grant in account.grants]
    answer = AccountState(id=account.id, login=account.login, state=account.state, roles=roles)
    held, state = ", ".join(roles), translate(account.state)
    texts = f"{account.login}: {state.en}; {held}", f"{account.login}: {state.vi}; {held}"
    output.print_answer(answer, as_json, lambda: print_bilingual(*texts))


async def _carry_out(staff: Staff, act: StaffAct) -> Done:
    """Do what *act* says, once it is authorized."""
    administration = _administration(staff)
    await administration.check(act)
    actor = await _authorize(staff, Act(act.action, arguments=act.arguments))
    return await administration.perform(act, actor)


def _administration(staff: Staff) -> Administration:
    registry = open_registry(staff.bus)
    return Administration(staff.accounts, registry, staff.policy, registry.vocabulary)


@app.command()
@output.page(AccountState, examples=("loa staff address nguyen-van-an an@example.gov.vn",))
def address(
    login: Login,
    email: Annotated[str, typer.Argument(help="The mail address; without one, none is kept.")] = "",
    as_json: output.Json = False,
) -> None:
    """Set the address to which a person's mail about items goes; it is kept encrypted."""

    async def work(staff: Staff) -> Done:
        account = await staff.accounts.require(login)
        keys = await open_keys(staff.bus)
        encrypted = StaffAddresses(keys.derive).encrypt(account.id, email)
        return await _carry_out(staff, SetAddress.of(account.id, email, encrypted))

    _print_state(_run(work), as_json)


@app.command()
@output.page(
    MailAnswer,
    examples=("loa staff mail --off approved", "loa staff mail --address an@moha.gov.vn"),
)
def mail(
    address: Annotated[
        str | None, typer.Option(help="Where it goes from now on; empty for no mail.")
    ] = None,
    off: Annotated[
        list[StaffMailKind] | None, typer.Option(help="A kind that you do not want; repeatable.")
    ] = None,
    on: Annotated[
        list[StaffMailKind] | None, typer.Option(help="A kind that you want again; repeatable.")
    ] = None,
    morning: Annotated[
        bool | None,
        typer.Option("--morning/--at-once", help="Together at eight on working days, or at once."),
    ] = None,
    as_json: output.Json = False,
) -> None:
    """Show or change how you, who are signed in here, get mail about items."""

    def change(before: MailSettings) -> MailSettings:
        choice = before.choice.with_kinds(off or (), on or ())
        choice = choice if morning is None else choice.model_copy(update={"in_morning": morning})
        return MailSettings(before.address if address is None else address, choice)

    answer = _run(lambda staff: _change_mail(staff, change))
    output.print_answer(answer, as_json, lambda: _show_mail(answer))


async def _change_mail(staff: Staff, change: Callable[[MailSettings], MailSettings]) -> MailAnswer:
    """Change how the person who is signed in here gets mail. Raises Unauthorized, Invalid."""
    from consumers.staff.own_account import OwnAccount  # commands that only look ask for none

    signed_in = await staff.require_signed_in()
    own = OwnAccount(await staff.open_sign_in(), staff.rules)
    before = own.mail_settings(signed_in)
    wanted = change(before)
    if wanted != before:
        await own.set_mail(signed_in, wanted)
    kinds = list(wanted.choice.wanted)
    return MailAnswer(address=wanted.address, morning=wanted.choice.in_morning, kinds=kinds)


@app.command()
@output.page(list[IdentityAnswer])
def identities(as_json: output.Json = False) -> None:
    """List people of the identity provider: linked to an account, or waiting for one."""
    names = IdentityAnswer.model_fields
    found = output.run_on_bus(lambda bus: _identity_rows(Staff.open(bus)))
    rows = [IdentityAnswer(**dict(zip(names, row, strict=True))) for row in found]
    output.print_records(IdentityAnswer, rows, as_json)


async def _identity_rows(staff: Staff) -> list[tuple[object, ...]]:
    issuer = _issuer()
    linked = [
        (account.login, account.oidc.subject, account.name, "", None)
        for account in await staff.accounts.all()
        if account.oidc and account.oidc.issuer == issuer
    ]
    waiting = [
        ("", person.subject, person.name, person.login, person.last_seen)
        for person in await PendingPeople(staff.bus, staff.accounts.clock).all()
        if person.issuer == issuer
    ]
    return [*waiting, *linked]


@app.command()
@output.page(AccountState, examples=("loa staff link nguyen-van-an SUBJECT",))
def link(login: Login, subject: Subject, as_json: output.Json = False) -> None:
    """Let a person of the identity provider sign in to an account; its sessions end."""
    _change(login, lambda id: LinkIdentity(account=id, issuer=_issuer(), subject=subject), as_json)


@app.command()
@output.page(AccountState, examples=("loa staff unlink nguyen-van-an",))
def unlink(login: Login, as_json: output.Json = False) -> None:
    """Take the identity at the provider away from an account; its sessions end."""
    _change(login, lambda id: UnlinkIdentity(account=id), as_json)


def _issuer() -> str:
    """The identity provider. Raises Invalid when none is set."""
    if issuer := read_settings(OidcSettings).issuer:
        return issuer
    raise Invalid(field_error("LOA_OIDC_ISSUER", "oidc_not_set"))


def _run(work: Callable[[Staff], Awaitable[T]]) -> T:
    async def on_bus(bus: Bus) -> T:
        return await work(Staff.open(bus))

    return output.act_on_bus(on_bus)


async def _authorize(staff: Staff, act: Act) -> Actor:
    """The account that may do *act*; the owner of the data folder while managers lack.

    The owner has the key file of the data, too. Raises Unauthorized, Forbidden, or Invalid for the
    key file of other data.
    """
    is_open = authorization.owns_data_folder() and await _managers(staff) < _MANAGERS_WANTED
    if is_open and await staff.signed_in() is None:
        await open_keys(staff.bus)
        log.warning("staff_bootstrap_used", action=act.action)
        return Actor(_BOOTSTRAP)
    try:
        return await staff.authorize(act)
    except Forbidden as refused:
        hints = [field_error("session", "bootstrap_open")] if is_open else []
        raise Forbidden(*refused.errors, *hints) from refused


async def _managers(staff: Staff) -> int:
    """How many active accounts may manage people."""
    rulings = [
        staff.policy.is_allowed(account, MANAGE, ObjectFacts())
        for account in await staff.accounts.all()
    ]
    return sum(ruling.verdict is not Verdict.REFUSED for ruling in rulings)


def _print_invitation(done: Done, as_json: bool) -> None:
    account = records.require(done.account)
    answer = InvitationAnswer(id=account.id, login=account.login, invitation=done.secret)
    output.print_answer(answer, as_json, lambda: _show_invitation(answer))


def _show_mail(answer: MailAnswer) -> None:
    when = "morning" if answer.morning else "at-once"
    typer.echo("\n".join([answer.address or "-", when, *answer.kinds]))


def _show_invitation(answer: InvitationAnswer) -> None:
    typer.echo(f"{answer.login}\n{answer.invitation}")
    output.print_field_texts(field_error(answer.login, "invitation_shown", value=answer.login))
