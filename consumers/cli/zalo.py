"""`loa zalo`: the Official Account's grant."""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from channels.zalo import pkce
from channels.zalo.condition import Condition
from channels.zalo.connect import Stores
from channels.zalo.consent import Consent
from channels.zalo.oauth import Pair, life_s
from channels.zalo.settings import ZaloSettings
from consumers.app import channels
from consumers.cli import followers, templates
from consumers.cli.account import account, stores, tell_kinds
from consumers.cli.answers import Json, explained, on_bus, print_json, print_table
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.notices.persons import Notices
from consumers.settlement import Settled, Settlement, Unsettled
from consumers.wake import Waker
from consumers.zalo.hearing import Hearing
from contracts import keys
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The Official Account.")
app.add_typer(templates.app, name="templates")
app.add_typer(followers.app, name="suppressed")
app.command()(followers.followers)
Granting = Callable[[Stores], Awaitable[None]]
File = Annotated[str, typer.Argument(help="A token pair as JSON; - reads the input.")]
TOKEN = re.compile(r"[!-~]+")
"""What can stand in a header: whatever was pasted around it is no part of a token."""
ASK = Path(__file__).with_name("consent.txt")


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
    with explained():
        ours = account()
        granting = pasted(ours, file) if file else consented(ours)

    async def store(bus: Bus) -> None:
        await granting(await stores(bus, ours))

    on_bus(store)
    typer.echo("stored; the next delivery uses it")


@app.command()
def status(as_json: Json = False) -> None:
    """Who the account is, how old its tokens are, what is left of its quotas, what is missing.

    Exit code 1 when something is missing; each line says where it is put right. Exit code 2 when
    the tokens were stored with another vault.key.
    """
    with explained():
        ours = account()

    async def look(bus: Bus) -> Condition:
        found = await channels.examine_zalo(ours, await stores(bus, ours))
        heard_at = await Hearing(bus).last_at()
        found.last_event_at = heard_at.timestamp() if heard_at else None
        return found

    found = on_bus(look)
    if as_json:
        print_json(asdict(found))
    else:
        tell(found)
    if found.missing:
        raise typer.Exit(1)


@app.command()
def unknown(as_json: Json = False) -> None:
    """What only a receipt or a person can end: broadcasts and case notices, oldest first."""

    async def look(bus: Bus) -> list[Unsettled]:
        found = [one async for one in settlement(bus).unknown()]
        return sorted(found, key=lambda one: one.since)

    facts = [
        {
            "since": moment(one.since),
            "content_id": one.batch.content_id,
            "revision": one.batch.revision,
            "what": one.recipient,
        }
        for one in on_bus(look)
    ]
    if as_json:
        print_json(facts)
    else:
        print_table(("since", "item", "revision", "what"), [list(one.values()) for one in facts])


@app.command()
def settle(
    item: Annotated[str, typer.Argument(help="A content_id, or the code of a dossier.")],
    sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What Zalo's console shows.")],
    by: Annotated[str, typer.Option(help="Who has looked.")],
    revision: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    as_json: Json = False,
) -> None:
    """End an `unknown` broadcast or case notice: somebody has looked whether it went out.

    A broadcast is seen at oa.zalo.me, a template message at account.zalo.cloud. Nothing is sent on
    Zalo by this. A broadcast that did not go out ends as `failed`: broadcast it by hand there, or
    with a new revision. A notice that did not ends as `suppressed`, and its person's next channel
    begins: give the dossier's code, and --revision where only one of its steps is meant.
    """
    content_id = keys.item_named(item)

    async def order(bus: Bus) -> list[Settled]:
        if not (person := by.strip()):
            raise Invalid(fault("by", "who_required"))
        done = await settlement(bus).settle(content_id, revision, arrived=sent, by=person)
        if not done:
            raise Invalid(fault("content_id", "nothing_unknown", value=content_id))
        return done

    done = on_bus(order)
    if as_json:
        print_json([{**asdict(one), "batch": str(one.batch)} for one in done])
    for one in done if not as_json else ():
        typer.echo(f"{one.batch} {one.recipient}: {one.status}")


def settlement(bus: Bus) -> Settlement:
    ledger = Ledger(bus)
    return Settlement(ledger, ChannelName.ZALO, Notices(bus, ledger, Waker(bus)))


def tell(found: Condition) -> None:
    """For people: the account, its tokens, its quotas, then what is missing."""
    facts = asdict(found.account) if found.account else {}
    facts |= {
        "access token until": moment(found.token_expires_at),
        "renewed at": moment(found.token_obtained_at),
        "consent lasts until": moment(found.refresh_ends_at),
        "last event of the webhook": moment(found.last_event_at) or "none yet",
    }
    facts |= {f"{name} this month": spent for name, spent in found.spent.items()}
    facts |= {f"notices: {name}": spent for name, spent in found.notices.items()}
    for name, quota in (("broadcasts", found.broadcasts), ("templates", found.templates)):
        facts |= {f"{name}: {key}": value for key, value in quota.items()}
    print_table(("", ""), [(key, value) for key, value in facts.items() if value not in ("", None)])
    tell_kinds(found.kinds)
    for one in found.missing:
        typer.echo(f"missing for {one.task}: {one.reason}")
        typer.echo(f"  now: {one.fix}" if one.fix else "  now: try again; if it stays, ask Zalo")


def moment(at: float | None) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" if at else ""


def pasted(account: ZaloSettings, file: str) -> Granting:
    """What stores the pair in *file*. Raises Invalid."""
    granted = pair(sys.stdin.read() if file == "-" else Path(file).read_text())
    return lambda stores: channels.seed_zalo(account, stores, granted)


def consented(account: ZaloSettings) -> Granting:
    """Ask for a consent; what exchanges its code and stores the pair. Raises Invalid."""
    if not account.callback_url:
        raise Invalid(fault("LOA_ZALO_CALLBACK_URL", "setting_missing"))
    fixed = account.code_verifier.get_secret_value()
    verifier = fixed or pkce.new_verifier()
    consent = Consent(account.app_id, account.callback_url, verifier)
    typer.echo(ASK.read_text("utf-8").format(address=consent.address(account.oauth_url)))
    code = consent.code(sys.stdin.readline())
    if code is None:
        raise Invalid(fault("address", "no_consent"))
    return lambda stores: channels.grant_zalo(account, stores, code, verifier)


def pair(text: str) -> Pair:
    """Read a token pair; an empty one would overwrite the good one. Raises Invalid."""
    try:
        said = json.loads(text)
        tokens = said["access_token"].strip(), said["refresh_token"].strip()
        life = life_s(said.get("expires_in"))
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise Invalid(fault("file", "no_token_pair")) from broken
    if not all(TOKEN.fullmatch(token) for token in tokens):
        raise Invalid(fault("file", "no_token_pair"))
    return Pair(*tokens, life)
