"""`loa units`: register units that may send, and manage their keys."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, PlainSerializer

from consumers.cli import output, unit_guests, unit_keys
from consumers.cli.acts import By
from consumers.cli.authorization import Exceptions, Staff, acting_person
from consumers.cli.stores import open_registry
from consumers.cli.unit_guests import ListedGuest
from consumers.messages import field_error
from consumers.staff.administration import (
    AddBusKey,
    AddGuest,
    AddUnit,
    Administration,
    RemoveGuest,
    RenewTrialKey,
    RevokeBusKey,
    RevokeKeys,
    RevokeTrialKeys,
    RotateKey,
    SetUnit,
    StaffAct,
)
from consumers.staff.authorization import Act
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from contracts.trace import OmitEmptyModel
from producers.bus import Bus, topology
from producers.bus_access.key_files import public_part, write_private
from producers.output import print_bilingual
from producers.units.registry import RegisteredUnit

app = typer.Typer(no_args_is_help=True, help="Register units, and manage their keys.")
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
    ReleasePolicy, typer.Option(help="Released at once, or by the Information Technology Centre.")
]
Urgent = Annotated[bool, typer.Option("--urgent", help="May use the urgent lane.")]
NoticesOption = Annotated[
    NoticeChannels,
    typer.Option("--notices", help="Case notices: the first channel, then the next one."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Write the key to this new file, unseen.")]
Now = Annotated[bool, typer.Option("--now", help="The old key stops at once, not in 24 h.")]


class ApiKeyAnswer(BaseModel):
    """The answer of `add` and `rotate`: the key, shown once."""

    unit: str
    api_key: str


class UnitAnswer(BaseModel):
    """The answer of `set`: what the unit may do now."""

    unit: str
    release: str
    urgent: bool
    notices: tuple[ChannelName, ...]


class ListedUnit(BaseModel):
    """One unit in the answer of `list`; *keys*: how many it has."""

    unit: str
    release: str
    urgent: bool
    notices: str
    keys: int


class RevocationAnswer(BaseModel):
    """The answer of `revoke` and `bus-key --revoke`. *left*: what the operator has to do yet."""

    unit: str
    key: str = ""
    revoked: bool = True
    left: list[FieldError]


class BusKeyAnswer(OmitEmptyModel):
    """The answer of `bus-key`: the new key, or its file."""

    omitted_when_empty = frozenset({"file", "seed"})

    unit: str
    public_key: str
    file: str = ""
    seed: str = ""


class ListedBusKey(BaseModel):
    """One key in the answer of `bus-keys`."""

    id: str
    created: Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]
    public_key: str


@app.command()
@output.page(
    ApiKeyAnswer,
    {2: "wrong input, or the unit is there already"},
    ("loa units add van-phong-bo --release automatic --urgent",),
)
def add(
    unit: Unit,
    release: Release = ReleasePolicy.DESK,
    urgent: Urgent = False,
    notices: NoticesOption = NoticeChannels.ZALO_EMAIL,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Register a unit and print its API key, once."""
    rules = {"release": release.value, "urgent": urgent, "notices": _channels(notices)}
    act = AddUnit.model_validate({"unit": unit, **rules})
    _print_key(unit, output.act_on_bus(lambda bus: _carry_out(bus, act, by)), as_json)


@app.command("set")
@output.page(UnitAnswer, examples=("loa units set van-phong-bo --release desk",))
def change_unit(
    unit: Unit,
    release: Annotated[ReleasePolicy | None, typer.Option(help="As for `add`.")] = None,
    urgent: Annotated[bool | None, typer.Option(help="May use the urgent lane.")] = None,
    notices: Annotated[NoticeChannels | None, typer.Option(help="As for `add`.")] = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Change what a unit may do; its keys stay. What it has sent already goes on as it was."""
    options = {
        "release": release and release.value,
        "urgent": urgent,
        "notices": notices and _channels(notices),
    }
    changes = {name: value for name, value in options.items() if value is not None}

    async def change(bus: Bus) -> SetUnit:
        known = await open_registry(bus).require(unit)
        rules = known.model_dump(include={"release", "urgent", "notices"}) | changes
        act = SetUnit.model_validate({"unit": unit, **rules})
        await _carry_out(bus, act, by)
        return act

    now = output.act_on_bus(change)
    answer = UnitAnswer.model_validate(now, from_attributes=True)
    row = (answer.unit, answer.release, answer.urgent, ",".join(answer.notices))
    columns = ("unit", "release", "urgent", "notices")
    output.print_answer(answer, as_json, lambda: output.print_table(columns, [row]))


@app.command()
@output.page(ApiKeyAnswer, examples=("loa units rotate van-phong-bo --now",))
def rotate(unit: Unit, now: Now = False, by: By = "", as_json: output.Json = False) -> None:
    """Give a unit a new key; the old one works 24 h more."""
    act = RotateKey(unit=unit, now=now)
    _print_key(unit, output.act_on_bus(lambda bus: _carry_out(bus, act, by)), as_json)


@app.command()
@output.page(RevocationAnswer, examples=("loa units revoke van-phong-bo",))
def revoke(unit: Unit, by: By = "", yes: output.Yes = False, as_json: output.Json = False) -> None:
    """Revoke every key of a unit."""
    output.confirm("ask_revoke", yes=yes)

    async def end_keys(bus: Bus) -> list[FieldError]:
        await _carry_out(bus, RevokeKeys(unit=unit), by)
        registry = open_registry(bus)
        has_account = (await registry.require(unit)).bus_keys is not None
        return await unit_keys.tell_server(registry) if has_account else []

    answer = RevocationAnswer(unit=unit, left=output.act_on_bus(end_keys))
    texts = f"{unit}: no key works any more", f"{unit}: không khóa nào còn dùng được"
    output.print_answer(answer, as_json, lambda: _print_revocation(answer, *texts))


@app.command("bus-key")
@output.page(
    BusKeyAnswer | RevocationAnswer,
    examples=("loa units bus-key van-phong-bo --out van-phong-bo.nk",),
)
def bus_key(
    unit: Unit,
    out: Out = None,
    revoke: Annotated[str, typer.Option(metavar="ID", help="End this key instead.")] = "",
    by: By = "",
    yes: output.Yes = False,
    as_json: output.Json = False,
) -> None:
    """Give a unit one more key for the bus, shown once; its other keys go on working."""
    if revoke:
        output.confirm("ask_revoke", yes=yes)
        act = RevokeBusKey(unit=unit, key=revoke)
        texts = output.act_on_bus(lambda bus: _change_bus_keys(bus, act, by))[1]
        ended = RevocationAnswer(unit=unit, key=revoke, left=texts)
        said = f"{unit}: {revoke} is revoked", f"{unit}: {revoke} đã bị thu hồi"
        output.print_answer(ended, as_json, lambda: _print_revocation(ended, *said))
        return
    with output.explain_errors():
        unit_keys.require_new_file(out)
    seed, texts = output.act_on_bus(lambda bus: _change_bus_keys(bus, AddBusKey(unit=unit), by))
    _print_bus_key(unit, seed, out, texts, as_json=as_json)


def _print_revocation(answer: RevocationAnswer, en: str, vi: str) -> None:
    print_bilingual(en, vi)
    output.print_field_texts(*answer.left)


async def _change_bus_keys(bus: Bus, act: StaffAct, by: str) -> tuple[str, list[FieldError]]:
    """The seed of a new key, and what is left to do until the server knows the change."""
    seed, registry = await _carry_out(bus, act, by), open_registry(bus)
    await topology.apply(bus, [act.object_id])
    texts = await unit_keys.tell_server(registry)
    return seed, [*texts, *(await unit_keys.prove(act.object_id, seed) if seed else [])]


def _print_bus_key(
    unit: str, seed: str, out: Path | None, texts: Sequence[FieldError], *, as_json: bool
) -> None:
    if out:
        with output.explain_errors():
            write_private(out, f"{seed}\n".encode())
    public, shown = public_part(seed.encode()), str(out or seed)
    if as_json:
        place = {"file" if out else "seed": shown}
        output.print_json(BusKeyAnswer(unit=unit, public_key=public, **place))
        output.print_errors(texts)
        return
    typer.echo(f"{unit} {public}\n{shown}")
    shown_once = [] if out else [field_error(unit, "key_shown_once")]
    output.print_field_texts(*shown_once, *texts)


@app.command("bus-keys")
@output.page(list[ListedBusKey], examples=("loa units bus-keys van-phong-bo",))
def list_bus_keys(unit: Unit, as_json: output.Json = False) -> None:
    """List a unit's keys for the bus, by the public part."""
    found = output.run_on_bus(lambda bus: open_registry(bus).require(unit))
    keys = [
        ListedBusKey(id=key.id, created=key.created, public_key=key.public)
        for key in found.bus_keys or ()
    ]
    output.print_records(ListedBusKey, keys, as_json)


@app.command("trial-key")
@output.page(ApiKeyAnswer | RevocationAnswer, examples=("loa units trial-key van-phong-bo",))
def trial_key(
    unit: Unit,
    now: Now = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End all keys for trials instead.")
    ] = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Give a unit a new key for trials, which go to its guests; the old one works 24 h more."""
    if not revoke:
        act = RenewTrialKey(unit=unit, now=now)
        _print_key(unit, output.act_on_bus(lambda bus: _carry_out(bus, act, by)), as_json)
        return
    output.act_on_bus(lambda bus: _carry_out(bus, RevokeTrialKeys(unit=unit), by))
    answer = RevocationAnswer(unit=unit, left=[])
    said = (
        f"{unit}: no key for trials works any more",
        f"{unit}: không khóa gửi thử nào còn dùng được",
    )
    output.print_answer(answer, as_json, lambda: _print_revocation(answer, *said))


@app.command()
@output.page(list[ListedGuest], examples=("loa units guest van-phong-bo an@moha.gov.vn",))
def guest(
    unit: Unit,
    address: Annotated[
        str,
        typer.Argument(help="The mail address of an official who agreed, or a guest's id."),
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take the guest off the list.")] = False,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Let an official of a unit get its trials by mail; the address is kept encrypted."""

    async def change(bus: Bus) -> list[ListedGuest]:
        find = unit_guests.find_guest if remove else unit_guests.guest_of
        found, shown = await find(bus, unit, address)
        facts = {"unit": unit, "guest": found.id, "shown": shown}
        act = RemoveGuest(**facts) if remove else AddGuest(**facts, address=found.address)
        await _carry_out(bus, act, by)
        return await unit_guests.list_guests(bus, unit)

    output.print_records(ListedGuest, output.act_on_bus(change), as_json)


@app.command("guests")
@output.page(list[ListedGuest], examples=("loa units guests van-phong-bo",))
def list_guests(unit: Unit, as_json: output.Json = False) -> None:
    """List the guests of a unit's trials, with masked addresses."""
    found = output.run_on_bus(lambda bus: unit_guests.list_guests(bus, unit))
    output.print_records(ListedGuest, found, as_json)


@app.command("list")
@output.page(list[ListedUnit])
def list_units(as_json: output.Json = False) -> None:
    """List the units that may send."""
    found = output.run_on_bus(lambda bus: open_registry(bus).registered_units())
    output.print_records(ListedUnit, [*map(_listed, found)], as_json)


def _listed(found: RegisteredUnit) -> ListedUnit:
    rules = found.registration
    facts = {"release": rules.release, "urgent": rules.urgent, "keys": len(rules.keys)}
    return ListedUnit(unit=found.unit, notices=",".join(rules.notices), **facts)


def _channels(notices: NoticeChannels) -> tuple[ChannelName, ...]:
    return tuple(map(ChannelName, notices.split(",")))


async def _carry_out(bus: Bus, act: StaffAct, by: str) -> str:
    """Do what *act* says, once it is authorized; return the key that it has made."""
    staff, registry = Staff.open(bus), open_registry(bus)
    administration = Administration(staff.accounts, registry, staff.policy, registry.vocabulary)
    await administration.check(act)
    asked = Act(act.action, arguments=act.arguments)
    actor = await acting_person(bus, asked, by, Exceptions())
    return (await administration.perform(act, actor)).secret


def _print_key(unit: str, key: str, as_json: bool) -> None:
    answer = ApiKeyAnswer(unit=unit, api_key=key)
    output.print_answer(answer, as_json, lambda: _show_key(answer))


def _show_key(answer: ApiKeyAnswer) -> None:
    typer.echo(f"{answer.unit}\n{answer.api_key}")
    output.print_field_texts(field_error(answer.unit, "key_shown_once"))
