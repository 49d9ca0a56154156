"""`loa zalo`: the Official Account, its grant, followers, templates, and suppressed addresses."""

import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from channels.case_notice_texts import NOTICE_KINDS
from channels.errors import ChannelError
from channels.zalo.account.status import REFRESH_LIFE_S, AccountStatus
from channels.zalo.case_notices.template_models import (
    RegisteredTemplates,
    TemplateStatus,
    template_statuses,
)
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.client import oauth_consent
from channels.zalo.client.oauth_api import TokenPair, lifetime_s
from channels.zalo.client.oauth_consent import Consent
from channels.zalo.errors import Refused
from channels.zalo.factory import ChannelStores
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID as SANDBOX_APP
from channels.zalo.stand_in import stand_in_settings
from consumers.app.instance import announced_instance
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring import zalo
from consumers.case_notices.recipients import CaseNotices
from consumers.cli import output
from consumers.cli.acts import By, Command, LiftAnswer, lift_suppression, record, run_audited
from consumers.cli.stores import open_keys, open_suppressions
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.operations.manual_resolution import ManualResolution, ResolvedRow, UnresolvedRow
from consumers.progress import report_progress
from consumers.staff.authorization import Actor
from consumers.zalo import account_texts, consent, follower_sync
from consumers.zalo.event_publisher import ZaloEventPublisher
from consumers.zalo.followers import FollowerStore
from contracts import keys
from contracts.base.addresses import Mobile
from contracts.base.times import utc_time
from contracts.case import ZALO_USER_PREFIX
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, Invalid, unknown_word_values
from contracts.text.moments import format_for_people
from producers.bus import Bus
from producers.output import print_bilingual

app = typer.Typer(no_args_is_help=True, help="Manage the Official Account.")
templates = typer.Typer(no_args_is_help=True, help="Manage the templates of case notices.")
suppressed = typer.Typer(no_args_is_help=True, help="Manage the addresses that Zalo leaves alone.")
app.add_typer(templates, name="templates")
app.add_typer(suppressed, name="suppressed")
StoreGrant = Callable[[ChannelStores], Awaitable[None]]
File = Annotated[str, typer.Argument(help="A token pair as JSON; - reads the input.")]
_TOKEN_PATTERN = re.compile(r"[!-~]+")
"""Characters of a token; other characters come from pasting."""
_CONSENT_PROMPT = Path(__file__).with_name("consent.txt")
Address = Annotated[str, typer.Argument(help="A phone number, or zalo:USER_ID.")]
Kind = Annotated[str, typer.Argument(help="A status code from 1 to 10, or apology.")]
RegistryRequest = Callable[[TemplateRegistry], Awaitable[RegisteredTemplates]]


def _chosen_account() -> ZaloSettings:
    """The configured app; without one, the running Loa's sandbox. Raises Invalid."""
    configured = read_settings(ZaloSettings)
    running = None if configured.app_id else announced_instance(read_settings(LoaSettings))
    if running and running.zalo_sandbox:
        return stand_in_settings(running.zalo_sandbox, configured)
    zalo.require_app(configured)
    return configured


async def account_stores(bus: Bus, account: ZaloSettings) -> ChannelStores:
    """The stores of the account's tokens. Raises Invalid for a key of other data."""
    return zalo.zalo_stores(bus, await open_keys(bus), account.app_id)


def _print_kinds(kinds: Iterable[TemplateStatus]) -> None:
    """Print each kind of case notice with its template; prices in đồng."""
    rows = [asdict(one).values() for one in kinds]
    cells = [[value if value not in ("", None) else "-" for value in row] for row in rows]
    columns = ("kind", "status", "template", "name", "state", "quality", "tag", "phone", "user id")
    output.print_table(columns, cells)


class FollowerReport(BaseModel):
    """The answer of `followers`. `listed`: counted by Zalo; `reached`: shown by it."""

    followers: int
    left: int
    unknown: int
    within_reach: int
    suppressed: int
    listed: int | None = None
    reached: int | None = None
    walk_began: AwareDatetime | None = None
    walk_ended: AwareDatetime | None = None


class ConnectAnswer(BaseModel):
    """The answer of `connect`."""

    app_id: str
    stored: bool = True


class UnknownAnswer(BaseModel):
    """One row in the answer of `unknown`."""

    since: str
    content_id: str
    revision: int
    what: str


class SettledAnswer(BaseModel):
    """One row in the answer of `settle`."""

    batch: str
    recipient: str
    arrived: bool

    @classmethod
    def of(cls, row: ResolvedRow) -> "SettledAnswer":
        return cls(batch=str(row.batch), recipient=row.recipient, arrived=row.arrived)


class ReasonAnswer(BaseModel):
    """The answer of `suppressed show`; without a reason the address is not suppressed."""

    reason: str | None


@app.command()
@output.page(FollowerReport)
def followers(
    sync: Annotated[bool, typer.Option("--sync", help="Walk through Zalo's list first.")] = False,
    as_json: output.Json = False,
) -> None:
    """Count the people who follow the account, have left it, only wrote, or are left alone.

    --sync goes through Zalo's list of followers now, as the worker does once a day. Zalo shows no
    more than 10,000 of a list that can't be cut smaller: `reached` says how many it has shown.
    """
    with output.explain_errors():
        account = _chosen_account() if sync else read_settings(ZaloSettings)

    async def report(bus: Bus) -> FollowerReport:
        if sync:
            await _sync_followers(bus, account)
        return await _follower_report(bus, account.app_id)

    answer = output.run_on_bus(report)
    fields = answer.model_dump(exclude_none=True).items()
    rows = [(name.replace("_", " "), value) for name, value in fields]
    output.print_answer(answer, as_json, lambda: output.print_table(("", ""), rows))


async def _sync_followers(bus: Bus, account: ZaloSettings) -> None:
    """Raises Invalid when Zalo refuses, or can't be reached now."""
    keys = await open_keys(bus)
    async with zalo.follower_lists(account, await account_stores(bus, account)) as lists:
        try:
            await zalo.open_follower_sync(bus, keys, lists, account.app_id).sync()
        except (Refused, ChannelError) as error:
            raise Invalid(field_error("zalo", "list_refused", detail=error.reason)) from error


async def _follower_report(bus: Bus, app_id: str) -> FollowerReport:
    followers = FollowerStore.from_key_file(bus, await open_keys(bus))
    count = await followers.count(datetime.now(UTC))
    suppressions = await open_suppressions(bus)
    suppressed = (await suppressions.count_by_reason(ChannelName.ZALO)).total()
    latest = await follower_sync.last_scan(bus, app_id or SANDBOX_APP)
    report = FollowerReport(suppressed=suppressed, **dict(count))
    if latest:
        report.listed, report.reached = latest.followers.listed, latest.followers.reached
        report.walk_began, report.walk_ended = latest.began, latest.ended
    return report


@app.command()
@output.page(ConnectAnswer, examples=("loa zalo connect", "loa zalo connect - < pair.json"))
def connect(file: File = "", by: By = "", as_json: output.Json = False) -> None:
    """Store the grant: an admin consents in a browser, or a token pair from the API Explorer.

    Without FILE: prints the address to open, and reads the one at which the browser ends.
    FILE holds {"access_token", "refresh_token", "expires_in"}. A pair is never an argument:
    arguments can be read by other users of the machine. Either way it is stored encrypted, and
    workers use and renew it.
    """
    with output.explain_errors():
        account = _chosen_account()
        store_grant = _grant_from_file(account, file) if file else _grant_from_consent(account)

    async def store(bus: Bus, _: Actor) -> None:
        await store_grant(await account_stores(bus, account))
        await consent.keep_consent(bus, account.app_id, time.time() + REFRESH_LIFE_S)

    run_audited(Command("zalo.connect", account.app_id, by), store)
    answer = ConnectAnswer(app_id=account.app_id)
    texts = "stored; the next delivery uses it", "đã lưu; lần gửi tới sẽ dùng"
    output.print_answer(answer, as_json, lambda: print_bilingual(*texts))


@app.command()
@output.page(
    AccountStatus,
    {
        output.EXIT_NEEDS_PERSON: "something is missing",
        2: "wrong input, or the tokens were stored with another vault.key",
    },
)
def status(as_json: output.Json = False) -> None:
    """Show the account, the age of its tokens, what is left of its quotas, and what is missing."""
    with output.explain_errors():
        account = _chosen_account()

    async def probe(bus: Bus) -> AccountStatus:
        status = await zalo.probe_account(account, await account_stores(bus, account))
        last_event = await ZaloEventPublisher(bus).last_event_at()
        status.last_event_at = last_event.timestamp() if last_event else None
        return status

    answer = output.run_on_bus(probe)
    output.print_answer(answer, as_json, lambda: _print_account(answer))
    if answer.missing:
        raise typer.Exit(output.EXIT_NEEDS_PERSON)


@app.command()
@output.page(list[UnknownAnswer])
def unknown(as_json: output.Json = False) -> None:
    """List what only a receipt or a person can end: broadcasts and case notices, oldest first."""

    async def load(bus: Bus) -> list[UnresolvedRow]:
        rows = [row async for row in _open_manual_resolution(bus).unknown_rows()]
        return sorted(rows, key=lambda row: row.since)

    names = ("since", "content_id", "revision", "what")
    rows = [
        (_shown_time(row.since), row.batch.content_id, row.batch.revision, row.recipient)
        for row in output.run_on_bus(load)
    ]
    answer = [UnknownAnswer(**dict(zip(names, row, strict=True))) for row in rows]
    columns = ("since", "item", "revision", "what")
    output.print_answer(answer, as_json, lambda: output.print_table(columns, rows))


@app.command()
@output.page(
    list[SettledAnswer], examples=("loa zalo settle tb-15 --sent", "loa zalo settle G12 --not-sent")
)
def settle(
    item: Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")],
    sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What Zalo's console shows.")],
    by: By = "",
    revision: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    yes: output.Yes = False,
    as_json: output.Json = False,
) -> None:
    """End an `unknown` broadcast or case notice after a person has checked whether it was sent.

    A broadcast is seen at oa.zalo.me, a template message at account.zalo.cloud. Nothing is sent on
    Zalo by this. A broadcast that was not sent ends as `failed`: broadcast it by hand there, or
    with a new revision. A notice that did not ends as `suppressed`, and its person's next channel
    begins: give the dossier's code, and --revision where only one of its steps is meant.
    """
    content_id = keys.resolve_content_id(item)

    async def resolve(bus: Bus, who: Actor) -> list[ResolvedRow]:
        name, resolution = output.require_name(who.by), _open_manual_resolution(bus)
        resolved = await resolution.resolve(content_id, revision, arrived=sent, by=name)
        if not resolved:
            raise Invalid(field_error("content_id", "nothing_unknown", value=content_id))
        return resolved

    output.confirm("ask_settle", yes=yes)
    after = (f"{revision}: " if revision else "") + ("sent" if sent else "not sent")
    rows = run_audited(Command("zalo.settle", content_id, by, after=after), resolve)
    lines = "\n".join(f"{row.batch} {row.recipient}: {row.status}" for row in rows)
    output.print_answer([*map(SettledAnswer.of, rows)], as_json, lambda: typer.echo(lines))


def _open_manual_resolution(bus: Bus) -> ManualResolution:
    ledger = Ledger(bus)
    return ManualResolution(ledger, ChannelName.ZALO, CaseNotices(bus, ledger, Waker(bus)))


def _print_account(status: AccountStatus) -> None:
    """Print the account, its tokens and quotas, then the missing settings."""
    facts = asdict(status.account) if status.account else {}
    facts |= {
        "access token until": _shown_time(status.token_expires_at),
        "renewed at": _shown_time(status.token_obtained_at),
        "consent lasts until": _shown_time(status.refresh_ends_at),
        "last event of the webhook": _shown_time(status.last_event_at) or "none yet",
    }
    facts |= {f"{name} this month": spent for name, spent in status.spent.items()}
    facts |= {f"notices: {name}": spent for name, spent in status.notices.items()}
    facts |= {f"broadcasts: {name}": value for name, value in status.broadcasts.items()}
    facts |= {f"templates: {name}": value for name, value in status.templates.items()}
    rows = [
        (output.in_one_line(*account_texts.label(name)), _shown(account_texts.usage(value)))
        for name, value in facts.items()
        if value not in ("", None)
    ]
    output.print_table(("", ""), rows)
    _print_kinds(status.kinds)
    for task, why, fix in map(account_texts.missing_texts, status.missing):
        print_bilingual(
            f"missing for {task.en}: {why.en}\n  now: {fix.en}",
            f"còn thiếu để {task.vi}: {why.vi}\n  việc cần làm: {fix.vi}",
        )


def _shown(value: object) -> object:
    return output.in_one_line(*value) if isinstance(value, Bilingual) else value


def _shown_time(at: float | None) -> str:
    return format_for_people(utc_time(at)) if at else ""


def _grant_from_file(account: ZaloSettings, file: str) -> StoreGrant:
    """Read the pair in *file*; return the function that stores it. Raises Invalid."""
    pair = parse_token_pair(sys.stdin.read() if file == "-" else Path(file).read_text())
    return lambda stores: zalo.store_token_pair(account, stores, pair)


def _grant_from_consent(account: ZaloSettings) -> StoreGrant:
    """Ask for a consent; return the function that exchanges its code. Raises Invalid."""
    if not account.callback_url:
        raise Invalid(field_error("LOA_ZALO_CALLBACK_URL", "zalo_setting_missing"))
    fixed = account.code_verifier.get_secret_value()
    verifier = fixed or oauth_consent.new_code_verifier()
    asked = Consent(account.app_id, account.callback_url, verifier)
    prompt = _CONSENT_PROMPT.read_text("utf-8").format(address=asked.url(account.oauth_url))
    typer.echo(prompt, err=output.wants_json.get())
    code = asked.code_from(sys.stdin.readline())
    if code is None:
        raise Invalid(field_error("address", "no_consent"))
    return lambda stores: zalo.exchange_consent(account, stores, code, verifier)


def parse_token_pair(text: str) -> TokenPair:
    """Read a token pair; an empty one would overwrite the good one. Raises Invalid."""
    try:
        pair = json.loads(text)
        tokens = pair["access_token"].strip(), pair["refresh_token"].strip()
        life = lifetime_s(pair.get("expires_in"))
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise Invalid(field_error("file", "no_token_pair")) from broken
    if not all(_TOKEN_PATTERN.fullmatch(token) for token in tokens):
        raise Invalid(field_error("file", "no_token_pair"))
    return TokenPair(*tokens, life)


@templates.command("list")
@output.page(list[TemplateStatus])
def list_templates(as_json: output.Json = False) -> None:
    """List each kind of notice with its template, as Zalo last judged it. Asks Zalo nothing."""
    _print_templates(TemplateRegistry.current, as_json)


@templates.command("set")
@output.page(list[TemplateStatus], examples=("loa zalo templates set 2 TEMPLATE_ID",))
def set_template(
    kind: Kind,
    template_id: Annotated[str, typer.Argument(help="As account.zalo.cloud shows it.")],
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Let a template serve a kind of notice.

    Zalo is asked for its parameters: one that wants what not every notice of that kind can say is
    refused. A template that is not approved yet may be set; its notices wait.
    """
    _require_kind(kind)
    command = Command("zalo.templates", kind, by, after=template_id)
    _print_templates(lambda registry: registry.register({kind: template_id}), as_json, command)


@templates.command()
@output.page(list[TemplateStatus], examples=("loa zalo templates remove 2",))
def remove(kind: Kind, by: By = "", as_json: output.Json = False) -> None:
    """Let no template serve a kind of notice; such notices wait."""
    _require_kind(kind)

    async def remove_kind(registry: TemplateRegistry) -> RegisteredTemplates:
        await registry.remove(kind)
        return await registry.current()

    _print_templates(remove_kind, as_json, Command("zalo.templates", kind, by, after="none"))


@templates.command()
@output.page(list[TemplateStatus])
def sync(as_json: output.Json = False) -> None:
    """Ask Zalo now how it judges the templates; the worker does so every four hours."""
    _print_templates(TemplateRegistry.sync, as_json)


def _print_templates(
    request: RegistryRequest, as_json: bool, command: Command | None = None
) -> None:
    """Print the templates that *request* returns from the registry that all processes share.

    It changes them with *command* only.
    """
    with output.explain_errors():
        account = _chosen_account()

    async def ask(bus: Bus) -> RegisteredTemplates:
        report_progress("templates", 0)
        async with zalo.template_registry(account, await account_stores(bus, account)) as registry:
            return await request(registry)

    found = run_audited(command, lambda bus, _: ask(bus)) if command else output.run_on_bus(ask)
    statuses = template_statuses(found)
    output.print_answer(statuses, as_json, lambda: _print_kinds(statuses))


def _require_kind(kind: str) -> None:
    """Exit with code 2 unless *kind* is a kind of notice."""
    if kind not in NOTICE_KINDS:
        words = unknown_word_values(kind, NOTICE_KINDS)
        output.fail(field_error("kind", "kind_unknown", **words))


@suppressed.command()
@output.page(ReasonAnswer, examples=("loa zalo suppressed show 0912345678",))
def show(address: Address, by: By = "", as_json: output.Json = False) -> None:
    """Show why an address is left alone on Zalo. There is no list: only hashes are kept."""

    async def find(bus: Bus) -> str | None:
        await record(bus, Command("suppressed.find", ChannelName.ZALO, by))
        suppressions = await open_suppressions(bus)
        return await suppressions.reason(ChannelName.ZALO, _parse_address(address))

    answer = ReasonAnswer(reason=output.run_on_bus(find))
    output.print_answer(answer, as_json, lambda: _print_reason(answer.reason))


def _print_reason(reason: str | None) -> None:
    if reason is None:
        output.print_field_texts(field_error("address", "not_suppressed"))
    else:
        typer.echo(reason)


def _parse_address(written: str) -> str:
    """The stored form of a phone number, or of a user of the account. Raises Invalid."""
    text = written.strip()
    if text.startswith(ZALO_USER_PREFIX):
        return text
    try:
        return TypeAdapter(Mobile).validate_python(text)
    except ValidationError as wrong:
        examples = "0912345678, zalo:ID"
        raise Invalid(field_error("address", "not_an_address", value=examples)) from wrong


@suppressed.command()
@output.page(LiftAnswer, examples=("loa zalo suppressed lift zalo:USER_ID",))
def lift(address: Address, by: By = "", as_json: output.Json = False) -> None:
    """Send to an address again on Zalo, although Zalo or its owner refused before."""
    lift_suppression(ChannelName.ZALO, lambda: _parse_address(address), by, as_json)
