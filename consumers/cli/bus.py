"""`loa bus`: who may do what on the NATS server, and its streams."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.app.instance import BusUse
from consumers.app.settings import LoaSettings, load_retention, read_settings
from consumers.audit.log import Act, AuditLog
from consumers.cli import output, unit_keys
from consumers.cli.progress import progress_bars
from consumers.cli.stores import open_registry, open_seals
from consumers.messages import field_error
from consumers.progress import report_progress
from consumers.seals.takeover import seal_for_command, take_over
from contracts.errors import FieldError, Invalid, unknown_word_values
from producers.bus import Bus, topology
from producers.bus.replicas.placement import read_placement
from producers.bus.server_check import poll_servers
from producers.bus.server_check import verify as verify_server
from producers.bus_access import certificates, enforcement
from producers.bus_access.configuration import (
    ConfigurationFolder,
    ServerPlace,
)
from producers.bus_access.enforcement import Finding, Server
from producers.bus_access.rights import identities, permissions_of

app = typer.Typer(no_args_is_help=True, help="Manage the NATS server's rights, keys and streams.")
Out = Annotated[
    Path | None, typer.Option("--out", help="The folder of the configuration; else DATA/bus.")
]
Tls = Annotated[
    list[str] | None,
    typer.Option("--tls", help="A host name or address in the server's certificate; repeatable."),
]
Listen = Annotated[str, typer.Option(help="Where the server listens, in a new nats.conf.")]
Store = Annotated[str, typer.Option(help="The server's data folder, in a new nats.conf.")]
FewerReplicas = Annotated[
    bool,
    typer.Option(
        "--fewer-replicas",
        help="Also take away replicas beyond LOA_NATS_REPLICAS, which stay else.",
    ),
]
Service = Annotated[str, typer.Argument(help="A service, loa or loa-admin.")]


def _configuration_folder(out: Path | None = None) -> ConfigurationFolder:
    """The folder of the server's configuration."""
    return ConfigurationFolder(out or read_settings(LoaSettings).data_dir / "bus")


class ConfigAnswer(BaseModel):
    """The answer of `config`: the folder of the server's configuration."""

    folder: Path


class BusKeyAnswer(BaseModel):
    """The answer of `rotate`: the file of the new key."""

    service: str
    key_file: Path


class ApplyAnswer(BaseModel):
    """The answer of `apply`. *left*: what the operator still has to do."""

    applied: int
    key_file: Path
    left: list[FieldError]


class RightsAnswer(BaseModel):
    """The answer of `verify`: who was tried, and what the server treats otherwise."""

    identities: list[str]
    findings: list[Finding]


@app.command()
@output.page(ConfigAnswer, examples=("loa bus config --tls nats.example.vn",), on_bus=False)
def config(
    out: Out = None,
    tls: Tls = None,
    listen: Listen = ServerPlace.listen,
    store: Store = ServerPlace.store,
    as_json: output.Json = False,
) -> None:
    """Write the nats-server's configuration, and a key for each service; existing keys stay."""
    with output.explain_errors():
        folder = _configuration_folder(out)
        if tls:
            certificates.issue(folder.ca, folder.server, tls)
        folder.write(ServerPlace(listen, store))
    answer = ConfigAnswer(folder=folder.folder.resolve())
    text = field_error("bus", "bus_configured", folder=answer.folder)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


@app.command()
@output.page(BusKeyAnswer, on_bus=False, examples=("loa bus rotate gateway",))
def rotate(service: Service, out: Out = None, as_json: output.Json = False) -> None:
    """Make another key for a service; the old one ends when the server reads its configuration."""
    with output.explain_errors():
        if service not in identities():
            values = unknown_word_values(service, identities())
            output.fail(field_error("service", "service_unknown", **values))
        folder = _configuration_folder(out)
        folder.keys.replace(service)
        folder.write()
    answer = BusKeyAnswer(service=service, key_file=folder.keys.path(service).resolve())
    text = field_error(service, "bus_key_rotated", value=answer.key_file)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


@app.command()
@output.page(ApplyAnswer)
def apply(fewer_replicas: FewerReplicas = False, as_json: output.Json = False) -> None:
    """Make missing streams, buckets and consumers, and extend small ones, as `loa-admin`.

    The registered keys of units go into the server's configuration, if that is here.
    """
    settings = read_settings(LoaSettings)
    path = settings.key_file

    async def work(bus: Bus, own: bool) -> tuple[int, list[FieldError]]:
        if not own:  # our own server was verified
            await verify_server(bus)
        await topology.apply(bus)
        unread = await unit_keys.tell_server(open_registry(bus)) if _must_tell(settings) else []
        await topology.apply(bus, [account.unit for account in _configuration_folder().units])
        await topology.apply_ages(bus, load_retention(settings).stream_ages())
        if fewer_replicas:
            await topology.reduce_replicas(bus)
        await open_seals(bus)  # services with limited rights can't take data over
        await seal_for_command(bus, path, settings.seals_file, take_over)  # the key may be new
        await AuditLog(bus, time.time).record(Act("bus.apply"))  # the stream may be new
        count = len(topology.stream_names() + await topology.inbound_stream_names(bus))
        return count, [*unread, *await _growing(bus)]

    count, left = output.run_on_any_bus(work, use=BusUse.REPAIR)
    answer = ApplyAnswer(applied=count, key_file=path.resolve(), left=left)
    applied = field_error("bus", "bus_applied", count=count, key=answer.key_file)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(applied, *left))


async def _growing(bus: Bus) -> list[FieldError]:
    """A text that names the streams of a cluster that are not on all their servers yet, if any."""
    if not bus.connection.is_clustered:
        return []
    placement = await read_placement(bus, {one.name for one in await poll_servers(bus)})
    names = placement.unled + placement.growing
    return [field_error("bus", "bus_growing", names=", ".join(names))] if names else []


def _must_tell(settings: LoaSettings) -> bool:
    """Whether the configuration of an operator's server is here, to get the registered keys."""
    return bool(settings.nats_url) and _configuration_folder().exists


@app.command()
@output.page(
    RightsAnswer, {output.EXIT_NEEDS_PERSON: "the server treats a subject not as the table says"}
)
def verify(out: Out = None, as_json: output.Json = False) -> None:
    """Try every subject as each identity whose key is here."""
    settings = read_settings(LoaSettings)
    with output.explain_errors(), progress_bars():
        found, tried = asyncio.run(_verify(settings, _configuration_folder(out)))
    answer = RightsAnswer(identities=tried, findings=found)
    output.print_answer(answer, as_json, lambda: _print_findings(found, tried))
    if found:
        raise typer.Exit(output.EXIT_NEEDS_PERSON)


async def _verify(
    settings: LoaSettings, folder: ConfigurationFolder
) -> tuple[list[Finding], list[str]]:
    """Deviations of the server from the table, and the identities that were tried."""
    if not settings.nats_url:
        raise Invalid(field_error("LOA_NATS_URL", "bus_address_missing"))
    server = Server(settings.nats_url, settings.nats_ca_file or folder.ca_file)
    found = await enforcement.try_stranger(server)
    if await unit_keys.unread_configuration(folder, settings):
        found.append(Finding("", "accounts.conf", "outdated"))
    tried = [name for name in folder.keys.present() if name in identities()]
    for number, identity in enumerate(tried):
        report_progress("identities", number, len(tried))
        allowed = permissions_of(identity, folder.units)
        if allowed:
            found += await enforcement.try_identity(server, folder.keys, identity, allowed)
    return found, tried


def _print_findings(found: Sequence[Finding], tried: Sequence[str]) -> None:
    if not found:
        output.print_field_texts(field_error("bus", "bus_verified", names=", ".join(tried)))
        return
    rows = [(one.identity or "-", one.subject, one.problem) for one in found]
    output.print_table(("identity", "subject", "problem"), rows)
