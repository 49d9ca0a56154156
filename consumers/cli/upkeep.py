"""`loa backup`, `loa restore`, `loa rebuild`: for the day when a disk, or a file, is gone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from channels.errors import ChannelError
from channels.portal.press import Press
from channels.portal.rebuild import Changes
from channels.portal.settings import PortalSettings
from consumers import backup, rebuild, restore
from consumers.app import running
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli.answers import INVALID, Json, complain, explained, on_bus, print_json, print_said
from consumers.cli.progress import shown
from consumers.faults import fault
from consumers.vault import FIELD, KeyFile, accept, belonging
from contracts.errors import FieldError, Invalid, Unavailable
from producers.bus import Bus, topology
from producers.bus.fitness import verify

T = TypeVar("T")
CLOCKWORK_S = 30.0
"""A backup runs by the clock: it waits for a bus that is just being restarted."""
PORTAL, DIRECTORY = "portal", "directory"
Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]
Saved = Annotated[Path | None, typer.Argument(help="The backup's folder.")]
EndDoubt = Annotated[
    bool,
    typer.Option("--end-doubt", help="After a restore: what comes from now on counts as new."),
]
Moved = Annotated[
    bool, typer.Option("--moved", help="Nothing was delivered after the backup: no doubts.")
]
NewKey = Annotated[
    bool,
    typer.Option(
        "--new-key",
        help="vault.key is lost for good: go on with the one here, made if there is none. Zalo has"
        " to be connected again, links in sent mails die, an import takes readers for new ones.",
    ),
]
What = Annotated[list[str] | None, typer.Argument(help="portal, directory; nothing: both")]


def save(folder: Folder, as_json: Json = False) -> None:
    """Back every stream and bucket up into a new folder, while Loa runs on."""
    manifest = on_bus(lambda bus: backup.save(bus, folder, time.time), CLOCKWORK_S)
    size = sum(one.size for one in manifest.streams)
    if as_json:
        print_json({"folder": str(folder), "began": manifest.began, "bytes": size})
        return
    kept = {"streams": len(manifest.streams), "size": size, "began": moment(manifest.began)}
    facts = {**kept, "key": read(LoaSettings).key_file}
    print_said(fault(str(folder), "backup_made", **facts))


def moment(at: datetime) -> str:
    return f"{at:%FT%TZ}"


def put_back(
    folder: Saved = None,
    moved: Moved = False,
    end_doubt: EndDoubt = False,
    new_key: NewKey = False,
    as_json: Json = False,
) -> None:
    """Restore a backup onto an empty bus. Every channel is paused afterwards, for you to look.

    Without a folder, --new-key and --end-doubt are about what stands here. Exit code 2 when the
    vault.key here is not the backup's: put the right one there.
    """
    if end_doubt if folder else end_doubt == new_key:
        complain([fault("folder", "folder_or_order")])
        raise typer.Exit(INVALID)
    if folder:
        from_folder(folder, moved, new_key, as_json)
    elif new_key:
        renew_key(as_json)
    else:
        trust(as_json)


def renew_key(as_json: bool) -> None:
    """No Loa may run on another machine meanwhile: it would go on with the old key."""
    settings = read(LoaSettings)
    path = settings.key_file

    async def work(bus: Bus) -> None:
        await topology.apply(bus)
        await accept(bus, path)

    with explained():
        if not settings.nats_url and not settings.nats_dir.is_dir():  # a mistyped folder
            raise Unavailable(fault("data", "no_store", folder=settings.data_dir.resolve()))
    on_idle_bus(work)
    if as_json:
        print_json({"key": str(path)})
    else:
        print_said(fault(str(path), "key_accepted"))


def trust(as_json: bool) -> None:
    """Loa may run meanwhile."""
    stood = on_bus(restore.end_doubt)
    if as_json:
        print_json({"ended": stood})
    else:
        print_said(fault("doubt", "doubt_ended" if stood else "no_doubt"))


def from_folder(folder: Path, moved: bool, new_key: bool, as_json: bool) -> None:
    path = read(LoaSettings).key_file

    async def work(bus: Bus) -> tuple[backup.Manifest, tuple[FieldError, ...]]:
        if not new_key:
            present(path)
        manifest = await restore.restore(bus, folder, time.time, moved=moved)
        return manifest, await misfit(bus, path, new_key)

    manifest, wrong = on_idle_bus(work)
    if wrong:
        complain(wrong)
        raise typer.Exit(INVALID)
    if as_json:
        print_json({"began": manifest.began, "streams": len(manifest.streams)})
        return
    print_said(fault(str(folder), "restored_now", began=moment(manifest.began)))
    if not moved:
        print_said(fault("doubt", "doubt_stands"))


def present(path: Path) -> None:
    """Without its key, restored data is of little use. Raises Invalid, KeyFileBroken."""
    if not path.exists():
        raise Invalid(fault(FIELD, "key_first", value=path))
    KeyFile.open(path)


async def misfit(bus: Bus, path: Path, new_key: bool) -> tuple[FieldError, ...]:
    """What is wrong with the key, now that the bus can say whose data it holds."""
    if new_key:
        await accept(bus, path)
    try:
        await belonging(bus, path)
    except Invalid as wrong:
        return (fault("backup", "restored_without_key"), *wrong.errors)
    return ()


def on_idle_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
    """Run *work* on a bus that nobody has prepared and nobody uses."""

    async def alone() -> T:
        settings = read(LoaSettings)
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        with running.alone(settings):
            async with running.server(settings) as (url, monitors, _):
                connected = await Bus.connect(url, creds_file=settings.nats_creds_file)
                async with connected:
                    await verify(connected, monitors)
                    return await work(connected)

    with explained():
        return asyncio.run(alone())


def make_anew(what: What = None, as_json: Json = False) -> None:
    """Make the portal's files and the directory of readers anew, from the bus."""
    names = what or [PORTAL, DIRECTORY]
    if unknown := [name for name in names if name not in (PORTAL, DIRECTORY)]:
        known = f"{PORTAL}, {DIRECTORY}"
        complain([fault("what", "projection_unknown", value=unknown[0], known=known)])
        raise typer.Exit(INVALID)
    settings = read(LoaSettings)
    report(on_bus(lambda bus: anew(bus, names, settings)), as_json)


async def anew(bus: Bus, names: list[str], settings: LoaSettings) -> dict[str, dict[str, int]]:
    """What was made, counted."""
    made: dict[str, dict[str, int]] = {}
    if DIRECTORY in names:
        path = settings.data_dir / "directory.sqlite"
        made[DIRECTORY] = {"people": await rebuild.directory(bus, path)}
    if PORTAL in names:
        made[PORTAL] = (await portal(bus, settings))._asdict()
    return made


async def portal(bus: Bus, settings: LoaSettings) -> Changes:
    press = Press(read(PortalSettings).site(await public_url(settings), vocabulary(settings)))
    try:
        with shown() as tell:
            return await rebuild.portal(bus, settings.portal_dir, press, tell)
    except ChannelError as busy:
        raise Unavailable(fault("portal", "portal_busy", detail=busy.reason)) from busy


async def public_url(settings: LoaSettings) -> str:
    """As the services have it. A start on another address writes the pages again."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    ready = await running.running(settings)
    return ready.url if ready else f"http://{settings.http_host}:{settings.http_port}"


def report(made: dict[str, dict[str, int]], as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    for name, facts in made.items():
        typer.echo(f"{name}: " + ", ".join(f"{count} {what}" for what, count in facts.items()))
