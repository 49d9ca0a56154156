"""`loa zalo`: the Official Account's grant."""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from channels.zalo.account.status import AccountStatus
from channels.zalo.client import oauth_consent
from channels.zalo.client.oauth_api import TokenPair, lifetime_s
from channels.zalo.client.oauth_consent import Consent
from channels.zalo.factory import ChannelStores
from channels.zalo.settings import ZaloSettings
from consumers.app.wiring import zalo
from consumers.case_notices.recipients import CaseNotices
from consumers.cli import zalo_followers, zalo_templates
from consumers.cli.output import (
    Json,
    explain_errors,
    print_answer,
    print_table,
    require_name,
    run_on_bus,
)
from consumers.cli.zalo_account import account_stores, chosen_account, print_kinds
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.operations.manual_resolution import ManualResolution, ResolvedRow, UnresolvedRow
from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The Official Account.")
app.add_typer(zalo_templates.app, name="templates")
app.add_typer(zalo_followers.app, name="suppressed")
app.command()(zalo_followers.followers)
Granting = Callable[[ChannelStores], Awaitable[None]]
File = Annotated[str, typer.Argument(help="A token pair as JSON; - reads the input.")]
TOKEN_PATTERN = re.compile(r"[!-~]+")
"""Characters of a token; other characters come from pasting."""
CONSENT_PROMPT = Path(__file__).with_name("consent.txt")


@app.callback()
def nothing() -> None:
    """Zalo's own words are Vietnamese; so are the console's paths in the answers."""


@app.command()
def connect(file: File = "") -> None:
    """Get the grant: an admin consents in a browser. Or store a token pair from the API Explorer.

    Without FILE: prints the address to open, and reads the one at which the browser ends.
    FILE holds {"access_token", "refresh_token", "expires_in"}. A pair is never an argument:
    arguments can be read by other users of the machine. Either way it is stored encrypted, and
    workers use and renew it.
    """
    with explain_errors():
        ours = chosen_account()
        granting = grant_from_file(ours, file) if file else grant_from_consent(ours)

    async def store(bus: Bus) -> None:
        await granting(await account_stores(bus, ours))

    run_on_bus(store)
    typer.echo("stored; the next delivery uses it")


@app.command()
def status(as_json: Json = False) -> None:
    """Who the account is, how old its tokens are, what is left of its quotas, what is missing.

    Exit code 1 when something is missing; each line says where it is put right. Exit code 2 when
    the tokens were stored with another vault.key.
    """
    with explain_errors():
        ours = chosen_account()

    async def look(bus: Bus) -> AccountStatus:
        found = await zalo.probe_account(ours, await account_stores(bus, ours))
        heard_at = await ZaloEventPublisher(bus).last_event_at()
        found.last_event_at = heard_at.timestamp() if heard_at else None
        return found

    found = run_on_bus(look)
    print_answer(asdict(found), as_json, lambda: print_account(found))
    if found.missing:
        raise typer.Exit(1)


@app.command()
def unknown(as_json: Json = False) -> None:
    """What only a receipt or a person can end: broadcasts and case notices, oldest first."""

    async def look(bus: Bus) -> list[UnresolvedRow]:
        rows = [row async for row in open_manual_resolution(bus).unknown_rows()]
        return sorted(rows, key=lambda row: row.since)

    names = ("since", "content_id", "revision", "what")
    rows = [
        (shown_time(row.since), row.batch.content_id, row.batch.revision, row.recipient)
        for row in run_on_bus(look)
    ]
    answer = [dict(zip(names, row, strict=True)) for row in rows]
    columns = ("since", "item", "revision", "what")
    print_answer(answer, as_json, lambda: print_table(columns, rows))


@app.command()
def settle(
    item: Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")],
    sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What Zalo's console shows.")],
    by: Annotated[str, typer.Option(help="Who has looked.")],
    revision: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    as_json: Json = False,
) -> None:
    """End an `unknown` broadcast or case notice after a person has checked whether it was sent.

    A broadcast is seen at oa.zalo.me, a template message at account.zalo.cloud. Nothing is sent on
    Zalo by this. A broadcast that was not sent ends as `failed`: broadcast it by hand there, or
    with a new revision. A notice that did not ends as `suppressed`, and its person's next channel
    begins: give the dossier's code, and --revision where only one of its steps is meant.
    """
    content_id = keys.resolve_content_id(item)

    async def order(bus: Bus) -> list[ResolvedRow]:
        name, resolution = require_name(by), open_manual_resolution(bus)
        resolved = await resolution.resolve(content_id, revision, arrived=sent, by=name)
        if not resolved:
            raise Invalid(field_error("content_id", "nothing_unknown", value=content_id))
        return resolved

    rows = run_on_bus(order)
    lines = "\n".join(f"{row.batch} {row.recipient}: {row.status}" for row in rows)
    answer = [{**asdict(row), "batch": str(row.batch)} for row in rows]
    print_answer(answer, as_json, lambda: typer.echo(lines))


def open_manual_resolution(bus: Bus) -> ManualResolution:
    ledger = Ledger(bus)
    return ManualResolution(ledger, ChannelName.ZALO, CaseNotices(bus, ledger, Waker(bus)))


def print_account(found: AccountStatus) -> None:
    """For people: the account, its tokens, its quotas, then what is missing."""
    facts = asdict(found.account) if found.account else {}
    facts |= {
        "access token until": shown_time(found.token_expires_at),
        "renewed at": shown_time(found.token_obtained_at),
        "consent lasts until": shown_time(found.refresh_ends_at),
        "last event of the webhook": shown_time(found.last_event_at) or "none yet",
    }
    facts |= {f"{name} this month": spent for name, spent in found.spent.items()}
    facts |= {f"notices: {name}": spent for name, spent in found.notices.items()}
    for name, quota in (("broadcasts", found.broadcasts), ("templates", found.templates)):
        facts |= {f"{name}: {key}": value for key, value in quota.items()}
    print_table(("", ""), [(key, value) for key, value in facts.items() if value not in ("", None)])
    print_kinds(found.kinds)
    for one in found.missing:
        typer.echo(f"missing for {one.task}: {one.reason}")
        typer.echo(f"  now: {one.fix}" if one.fix else "  now: try again; if it stays, ask Zalo")


def shown_time(at: float | None) -> str:
    return f"{utc_time(at):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def grant_from_file(account: ZaloSettings, file: str) -> Granting:
    """What stores the pair in *file*. Raises Invalid."""
    granted = parse_token_pair(sys.stdin.read() if file == "-" else Path(file).read_text())
    return lambda stores: zalo.store_token_pair(account, stores, granted)


def grant_from_consent(account: ZaloSettings) -> Granting:
    """Ask for a consent; what exchanges its code and stores the pair. Raises Invalid."""
    if not account.callback_url:
        raise Invalid(field_error("LOA_ZALO_CALLBACK_URL", "setting_missing"))
    fixed = account.code_verifier.get_secret_value()
    verifier = fixed or oauth_consent.new_code_verifier()
    consent = Consent(account.app_id, account.callback_url, verifier)
    typer.echo(CONSENT_PROMPT.read_text("utf-8").format(address=consent.url(account.oauth_url)))
    code = consent.code_from(sys.stdin.readline())
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
    if not all(TOKEN_PATTERN.fullmatch(token) for token in tokens):
        raise Invalid(field_error("file", "no_token_pair"))
    return TokenPair(*tokens, life)
