"""`loa backup`, `loa restore`, `loa rebuild`: recover from the loss of a disk or a file."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import typer
from pydantic import BaseModel

from channels.email.settings import EmailSettings
from channels.errors import ChannelError
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.rebuild import RebuildResult
from consumers.app import instance
from consumers.app.settings import LoaSettings, load_deadlines, load_vocabulary, read_settings
from consumers.app.wiring.portal import build_site
from consumers.audit.log import Act, AuditLog
from consumers.cli import output
from consumers.cli.acts import By, Command, perform, run_audited
from consumers.cli.progress import progress_bars
from consumers.cli.stores import accept_bus, open_anchor, open_seals
from consumers.desk.index import INDEX_FILE
from consumers.desk.index.rebuild import rebuild_index
from consumers.desk.reports.rows_file import ROWS_FILE, forget_rows
from consumers.key_file import KEY_FILE_FIELD, KeyFile, open_key_file, replace_key
from consumers.messages import field_error
from consumers.operations import backup, rebuild, restore
from consumers.operations.backup import BackupFolder, StoredBackup
from consumers.seals.records import TakenOverUntil, seal_records
from consumers.seals.takeover import SealRecords
from consumers.staff.authorization import Actor
from contracts.base.networks import http_url
from contracts.base.times import format_utc
from contracts.errors import FieldError, Invalid, Unavailable, unknown_word_values
from producers.bus import Bus, topology
from producers.bus.server_check import verify

T = TypeVar("T")
Loading = Callable[[], AbstractAsyncContextManager[None]]
_BACKUP_BUS_TIMEOUT_S = 30.0
"""A backup runs by the clock: it waits for a bus that is just being restarted."""
_PORTAL, _DIRECTORY, _DESK = "portal", "directory", "desk"
_REBUILT = {
    _PORTAL: "rebuilt_portal",
    _DIRECTORY: "rebuilt_directory",
    _DESK: "rebuilt_desk",
}
Folder = Annotated[Path, typer.Argument(help="The backup's folder.")]
Saved = Annotated[Path | None, typer.Argument(help="The backup's folder.")]
EndDoubt = Annotated[
    bool, typer.Option("--end-doubt", help="After a restore: what comes from now on counts as new.")
]
Moved = Annotated[
    bool, typer.Option("--moved", help="Nothing was delivered after the backup: no doubts.")
]
ReconcileOnly = Annotated[
    bool,
    typer.Option(
        "--reconcile-only",
        help="Mail that may have gone out since the backup is not sent again until --end-doubt.",
    ),
]
Plain = Annotated[
    bool,
    typer.Option(
        "--plain", help="The backup is one of version 0.1.0, which no one else could write to."
    ),
]
NewKey = Annotated[
    bool,
    typer.Option(
        "--new-key",
        help="vault.key is lost for good: go on with the one here, made if there is none. Readers'"
        " records are removed: import them again. Zalo has to be connected again, links in sent"
        " mails die.",
    ),
]
What = Annotated[list[str] | None, typer.Argument(help="portal, directory, desk; nothing: all")]


class BackupAnswer(BaseModel):
    """The answer of `backup`."""

    folder: Path
    began: datetime
    bytes: int


class RestoreAnswer(BaseModel):
    """The answer of `restore FOLDER`."""

    began: datetime
    streams: int


class NewKeyAnswer(BaseModel):
    """The answer of `restore --new-key`: the file of the key that counts now."""

    key: Path


class DoubtAnswer(BaseModel):
    """The answer of `restore --end-doubt`: whether there was one."""

    ended: bool


@output.page(BackupAnswer, examples=("loa backup /srv/backup/2026-11-29",))
def save_backup(folder: Folder, by: By = "", as_json: output.Json = False) -> None:
    """Back every stream, bucket and sealed report up into a new folder, while Loa runs on."""
    settings = read_settings(LoaSettings)
    path = settings.key_file

    async def work(bus: Bus, _: Actor) -> backup.BackupManifest:
        sealed = _sealed_folder(folder, await open_key_file(bus, path))
        return await backup.save_backup(bus, sealed, time.time, settings.reports_dir)

    manifest = run_audited(Command("backup", folder.name, by), work, _BACKUP_BUS_TIMEOUT_S)
    size = sum(file.size for file in (*manifest.streams, *manifest.reports))
    answer = BackupAnswer(folder=folder, began=manifest.began, bytes=size)
    facts = {"streams": len(manifest.streams), "size": size, "key": path}
    text = field_error(str(folder), "backup_made", **facts, began=manifest.began)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


def _sealed_folder(folder: Path, keys: KeyFile | None) -> BackupFolder:
    return BackupFolder(folder, keys.derive("backup") if keys else b"")


@output.page(
    RestoreAnswer | NewKeyAnswer | DoubtAnswer,
    {2: "wrong input, or the vault.key here is not the backup's"},
    ("loa restore /srv/backup/2026-11-29", "loa restore --end-doubt"),
)
def restore_backup(
    folder: Saved = None,
    moved: Moved = False,
    reconcile_only: ReconcileOnly = False,
    end_doubt: EndDoubt = False,
    new_key: NewKey = False,
    plain: Plain = False,
    by: By = "",
    yes: output.Yes = False,
    as_json: output.Json = False,
) -> None:
    """Restore a backup onto an empty bus. Every channel is paused afterwards, for you to look.

    Without a folder, --new-key and --end-doubt are about the data here.
    """
    if end_doubt if folder else end_doubt == new_key:
        output.fail(field_error("folder", "folder_or_order"))
    if moved and reconcile_only:
        output.fail(field_error("reconcile-only", "moved_or_reconcile"))
    if new_key:
        output.confirm("ask_new_key", yes=yes)
    if folder:
        options = _RestoreOptions(moved, reconcile_only, new_key, plain, by)
        _restore_folder(folder, options, as_json)
    elif new_key:
        _accept_new_key(by, as_json)
    else:
        _end_doubts(by, as_json)


def _accept_new_key(by: str, as_json: bool) -> None:
    """Accept the key here; a Loa on another machine would go on with the old key."""
    settings = read_settings(LoaSettings)
    path = settings.key_file

    async def work(bus: Bus, _: Loading) -> int:
        await topology.apply(bus)
        command = Command("key.replace", by=by)
        count = await perform(bus, command, lambda _: _accept_key(bus, path))
        await accept_bus(bus)
        return count

    with output.explain_errors():
        if not settings.nats_url and not settings.nats_dir.is_dir():  # a mistyped folder
            raise Unavailable(field_error("data", "no_store", folder=settings.data_dir.resolve()))
    count = _run_on_idle_bus(work)
    text = field_error(str(path), "key_accepted", count=count)
    output.print_answer(NewKeyAnswer(key=path), as_json, lambda: output.print_field_texts(text))


def _end_doubts(by: str, as_json: bool) -> None:
    """End the doubts of a restore; Loa may run meanwhile."""
    command = Command("restore.end-doubt", by=by)
    were_active = run_audited(command, lambda bus, _: restore.end_doubts(bus))
    text = field_error("doubt", "doubt_ended" if were_active else "no_doubt")
    answer = DoubtAnswer(ended=were_active)
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


class _RestoreOptions(NamedTuple):
    moved: bool
    reconcile_only: bool
    new_key: bool
    plain: bool
    by: str


def _restore_folder(folder: Path, options: _RestoreOptions, as_json: bool) -> None:
    with output.explain_errors():
        opened = _open_backup(folder, options)
    manifest, errors = _run_on_idle_bus(
        lambda bus, loading: _restore(bus, opened, options, loading)
    )
    if errors:
        output.fail(*errors)
    texts = [field_error(str(folder), "restored_now", began=manifest.began)]
    if not options.moved:
        texts.append(field_error("doubt", "doubt_stands"))
    if options.reconcile_only:
        texts.append(field_error("doubt", "reconcile_first"))
    if manifest.is_plain:
        texts.append(field_error(str(folder), "backup_plain"))
    answer = RestoreAnswer(began=manifest.began, streams=len(manifest.streams))
    output.print_answer(answer, as_json, lambda: output.print_field_texts(*texts))


class _OpenedBackup(NamedTuple):
    stored: StoredBackup
    keys: KeyFile | None


def _open_backup(folder: Path, options: _RestoreOptions) -> _OpenedBackup:
    """Open the key file and the backup, so that a refusal leaves nothing behind.

    Raises Invalid, KeyFileBroken.
    """
    path = read_settings(LoaSettings).key_file
    if not (path.exists() or options.new_key):
        raise Invalid(field_error(KEY_FILE_FIELD, "key_first", value=path))
    keys = KeyFile.open(path) if path.exists() else None
    sealed = replace(_sealed_folder(folder, keys), accepts_plain=options.plain)
    return _OpenedBackup(backup.open_backup(sealed), keys)


async def _restore(
    bus: Bus, opened: _OpenedBackup, options: _RestoreOptions, loading: Loading
) -> tuple[backup.BackupManifest, tuple[FieldError, ...]]:
    """Restore, then accept the bus if the key is right; return the errors of a wrong one."""
    settings = read_settings(LoaSettings)
    path = settings.key_file
    if opened.keys:
        _seal_with(bus, opened.keys)
    if options.plain:  # or records would need seals, after a kill before their take-over
        settings.seals_file.unlink(missing_ok=True)
    forget = open_anchor(bus).forget
    manifest = await restore.restore_backup(
        bus,
        opened.stored,
        time.time,
        moved=options.moved,
        reconcile_only=options.reconcile_only,
        on_cleared=forget,
        loading=loading,
    )
    opened.stored.put_reports_back(settings.reports_dir)
    errors = await _key_errors(bus, path, options.new_key)
    began = format_utc(manifest.began)
    await AuditLog(bus, time.time).record(Act("restore", began, options.by))
    if not errors:
        await accept_bus(bus)
    return manifest, errors


async def _trust_everything() -> datetime:
    """A backup is authenticated as a whole; its records may have no seal, or an earlier key's."""
    return datetime.max.replace(tzinfo=UTC)


async def _accept_key(bus: Bus, path: Path) -> int:
    """Go on with the key at *path*; return the number of records that only the lost one opened.

    It seals from now on, and the register of positions proves what came before.
    """
    count = await replace_key(bus, path)
    keys = KeyFile.open(path)
    await _seal_records(bus, keys).take_over(time.time)
    _seal_with(bus, keys)
    return count


def _seal_with(bus: Bus, keys: KeyFile) -> None:
    seal_records(bus, keys, TakenOverUntil(_trust_everything, _trust_everything))


def _seal_records(bus: Bus, keys: KeyFile) -> SealRecords:
    return SealRecords(bus, keys, read_settings(LoaSettings).seals_file)


async def _key_errors(bus: Bus, path: Path, new_key: bool) -> tuple[FieldError, ...]:
    """The errors of the key file, now that the bus has its fingerprint."""
    if new_key:
        await _accept_key(bus, path)
    try:
        keys = await open_key_file(bus, path)
        await _seal_records(bus, keys).take_over_backup(time.time)
    except Invalid as wrong:
        return (field_error("backup", "restored_without_key"), *wrong.errors)
    return ()


def _run_on_idle_bus(work: Callable[[Bus, Loading], Awaitable[T]]) -> T:
    """Run *work* on an unprepared bus without other users, which may load much into it."""

    async def alone() -> T:
        settings = read_settings(LoaSettings)
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        with instance.exclusive(settings):
            async with instance.bus_server(settings) as (url, monitors, own):
                connected = await Bus.connect(url, access=settings.access())
                async with connected:
                    await verify(connected, monitors)
                    return await work(connected, own.loading if own else nullcontext)

    with output.explain_errors(), progress_bars():
        return asyncio.run(alone())


@output.page(dict[str, dict[str, int]], examples=("loa rebuild portal",))
def rebuild_projections(what: What = None, as_json: output.Json = False) -> None:
    """Make the portal's files, the directory of readers and the desk's index anew, from the bus."""
    names = what or [*_REBUILT]
    if unknown := [name for name in names if name not in _REBUILT]:
        words = unknown_word_values(unknown[0], _REBUILT)
        output.fail(field_error("what", "projection_unknown", **words))
    settings = read_settings(LoaSettings)

    async def work(bus: Bus) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        if _PORTAL in names:
            counts[_PORTAL] = (await _rebuild_portal(bus, settings))._asdict()
        if _DIRECTORY in names:
            counts |= await _rebuild_directory(bus, settings, is_named=bool(what))
        if _DESK in names:
            counts |= await _rebuild_desk(bus, settings, is_named=bool(what))
        return counts

    rebuilt = output.act_on_bus(work)
    output.print_answer(rebuilt, as_json, lambda: _print_counts(rebuilt))


async def _rebuild_directory(
    bus: Bus, settings: LoaSettings, *, is_named: bool
) -> dict[str, dict[str, int]]:
    """Make the directory anew; unless *is_named*, leave the one that a running Loa keeps."""
    await open_key_file(bus, settings.key_file)
    try:
        people = await rebuild.rebuild_directory(bus, settings.directory_path)
    except Invalid as in_use:
        if is_named:
            raise
        output.print_errors(in_use.errors)
        return {}
    return {_DIRECTORY: {"people": people}}


async def _rebuild_desk(
    bus: Bus, settings: LoaSettings, *, is_named: bool
) -> dict[str, dict[str, int]]:
    """Make the index anew; unless *is_named*, leave the one that a running Loa keeps."""
    await open_seals(bus)
    try:
        deadlines = load_deadlines(settings)
        items = await rebuild_index(bus, settings.desk_dir / INDEX_FILE, deadlines)
        forget_rows(settings.desk_dir / ROWS_FILE)
    except Invalid as in_use:
        if is_named:
            raise
        output.print_errors(in_use.errors)
        return {}
    return {_DESK: {"items": items}}


async def _rebuild_portal(bus: Bus, settings: LoaSettings) -> RebuildResult:
    files = await open_site_files(settings)
    try:
        seals = await open_seals(bus)
        return await rebuild.rebuild_portal(bus, settings.portal_dir, files, seals)
    except ChannelError as busy:
        raise Unavailable(field_error("portal", "portal_busy", detail=busy.reason)) from busy


async def open_site_files(settings: LoaSettings) -> SiteFiles:
    """The portal's files as the services write them, at the address they have."""
    url = settings.public_url.rstrip("/")
    if not url:
        running = await instance.find_running(settings)
        url = running.url if running else http_url(settings.http_host, settings.http_port)
    return SiteFiles(build_site(url, load_vocabulary(settings), read_settings(EmailSettings)))


def _print_counts(rebuilt: dict[str, dict[str, int]]) -> None:
    for name, counts in rebuilt.items():
        output.print_field_texts(field_error(name, _REBUILT[name], **counts))
