"""`loa units`: register units that may send, and manage their API keys."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.audit.log import Act
from consumers.cli import output
from consumers.cli.stores import run_audited
from consumers.messages import field_error
from contracts.delivery import ChannelName
from producers.bus import Bus
from producers.units.registry import UnitRegistry

app = typer.Typer(no_args_is_help=True, help="Units and their API keys.")
Unit = Annotated[str, typer.Argument(help="The unit's id, e.g. vu-cai-cach-hanh-chinh.")]


class NoticeChannels(StrEnum):
    """The channels of case notices, first to last."""

    ZALO_EMAIL = "zalo,email"
    EMAIL_ZALO = "email,zalo"
    ZALO = "zalo"
    EMAIL = "email"


class ReleasePolicy(StrEnum):
    AUTOMATIC = "automatic"
    DESK = "desk"


Release = Annotated[
    ReleasePolicy, typer.Option(help="Released at once, or by the Information Center.")
]
Urgent = Annotated[bool, typer.Option("--urgent", help="May use the urgent lane.")]
NoticesOption = Annotated[
    NoticeChannels,
    typer.Option("--notices", help="Case notices: the first channel, then the next one."),
]
Now = Annotated[bool, typer.Option("--now", help="The old key stops at once, not in 24 h.")]


def open_registry(bus: Bus) -> UnitRegistry:
    return UnitRegistry(bus, load_vocabulary(read_settings(LoaSettings)), time.time)


@app.command()
def add(
    unit: Unit,
    release: Release = ReleasePolicy.DESK,
    urgent: Urgent = False,
    notices: NoticesOption = NoticeChannels.ZALO_EMAIL,
    as_json: output.Json = False,
) -> None:
    """Register a unit and print its API key, once. Exit code 2: it is there already."""
    to = list(map(ChannelName, notices.split(",")))
    act = Act("units.add", unit, after=f"release {release}, urgent {urgent}, {notices}")
    key = run_audited(
        act,
        lambda bus: open_registry(bus).add(unit, release=release.value, urgent=urgent, notices=to),
    )
    _print_key(unit, key, as_json)


@app.command("set")
def change_unit(
    unit: Unit,
    release: Annotated[ReleasePolicy | None, typer.Option(help="As for `add`.")] = None,
    urgent: Annotated[bool | None, typer.Option(help="May use the urgent lane.")] = None,
    notices: Annotated[NoticeChannels | None, typer.Option(help="As for `add`.")] = None,
) -> None:
    """Change what a unit may do; its keys stay. What it has sent already goes on as it was."""
    options = {
        "release": release and release.value,
        "urgent": urgent,
        "notices": notices and tuple(map(ChannelName, notices.split(","))),
    }
    changes = {name: value for name, value in options.items() if value is not None}
    after = ", ".join(f"{name} {value}" for name, value in changes.items())
    act = Act("units.set", unit, after=after)
    now = run_audited(act, lambda bus: open_registry(bus).update(unit, **changes))
    typer.echo(f"{unit}: release {now.release}, urgent {now.urgent}, {','.join(now.notices)}")


@app.command()
def rotate(unit: Unit, now: Now = False, as_json: output.Json = False) -> None:
    """Give a unit a new key; the old one works 24 h more."""
    act = Act("units.rotate", unit, after="at once" if now else "in 24 h")
    key = run_audited(act, lambda bus: open_registry(bus).rotate(unit, now=now))
    _print_key(unit, key, as_json)


@app.command()
def revoke(unit: Unit) -> None:
    """No key of the unit works any more."""
    run_audited(Act("units.revoke", unit), lambda bus: open_registry(bus).revoke(unit))
    typer.echo(f"{unit}: no key works any more")


@app.command("list")
def list_units(as_json: output.Json = False) -> None:
    """Who may send."""
    units = output.run_on_bus(lambda bus: open_registry(bus).registered_units())
    columns = ("unit", "release", "urgent", "notices", "keys")
    pairs = [(unit.unit, unit.registration) for unit in units]
    rows = [(u, r.release, r.urgent, ",".join(r.notices), len(r.keys)) for u, r in pairs]
    answer = [dict(zip(columns, row, strict=True)) for row in rows]
    output.print_answer(answer, as_json, lambda: output.print_table(columns, rows))


def _print_key(unit: str, key: str, as_json: bool) -> None:
    if as_json:
        output.print_json({"unit": unit, "api_key": key})
    else:
        typer.echo(f"{unit}\n{key}")
        output.print_field_texts(field_error(unit, "key_shown_once"))
