"""Backup: a folder with a snapshot of every stream and bucket, and a manifest.

Streams are saved one after the other while Loa runs on, consequences first: a saved stream refers
only to streams saved after it. So decisions precede dead letters, the sweeper's
records precede the ledger, and drafts, which an approval removes, precede publications. Events
whose causes are saved but whose consequences are not are processed again after a restore, from the
consumers' positions when the backup began. Wake-ups carry no state and are left out.

The server reads a bucket value by value, and leaves out a key that is replaced before its turn.
So each bucket's later changes are saved beside its snapshot, until there are no more and before the
next stream: the saved bucket is that of one moment.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from channels.portal.storage.atomic_files import sync_folder
from consumers.messages import field_error
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.errors import Invalid
from contracts.subjects import ConsumerSpec, StreamSpec
from producers.bus import Bus

log = structlog.get_logger()
_FORMAT = 1
_MANIFEST = "manifest.json"
_READ_BYTES = 256 << 10
BUCKET_PREFIX = "KV_"
_MAX_CHANGES = 1_000_000
"""Limit of the changes during one snapshot; without it, a backup might never end."""
_TRACKED_STREAMS = (subjects.RECEIPTS, subjects.PUBLICATIONS, subjects.CONTENT)
SAVE_ORDER = (
    f"KV_{subjects.CONTROL.name}",
    f"KV_{subjects.LEDGER.name}",
    f"KV_{subjects.DIGESTS.name}",
    f"KV_{subjects.SUPPRESSED.name}",
    f"KV_{subjects.FOLLOWERS.name}",
    subjects.RECEIPTS.name,
    f"KV_{subjects.DESK.name}",
    f"KV_{subjects.IMPORTS.name}",
    f"KV_{subjects.PUBLISHED.name}",
    subjects.PUBLICATIONS.name,
    subjects.DEAD.name,
    subjects.OPINIONS.name,
    subjects.CONTENT.name,
    f"KV_{subjects.EVENTS.name}",
    f"KV_{subjects.NOTICES.name}",
    f"KV_{subjects.SUBSCRIBERS.name}",
    f"KV_{subjects.UNITS.name}",
    f"KV_{subjects.STAFF.name}",
    f"KV_{subjects.VAULT.name}",
)
_ADDED_LATER = {f"KV_{subjects.STAFF.name}"}
"""Streams that backups of earlier versions lack; `topology.apply` creates them."""


class SavedFile(BaseModel):
    file: str
    size: int
    sha256: str


class StreamFile(SavedFile):
    """A stream's snapshot. `changes`: a bucket's later changes, if there were any."""

    stream: str
    config: dict[str, Any]
    state: dict[str, Any]
    changes: SavedFile | None = None


class SavedChange(BaseModel):
    """A line of a file of changes; `value` is None for a removed key."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key: str
    value: bytes | None


class BackupManifest(BaseModel):
    """The contents of a backup, written last. `floors`: each consumer's acknowledged floor."""

    format: int = _FORMAT
    began: datetime
    ended: datetime
    floors: dict[str, int]
    streams: list[StreamFile]


async def save_backup(bus: Bus, folder: Path, clock: Clock) -> BackupManifest:
    """Back the whole bus up into *folder*, which appears only when it is complete.

    The folder holds addresses and keys' digests: only its owner may read it. Raises Invalid,
    OSError or BusError.
    """
    draft, began = _create_draft_folder(folder), utc_now(clock)
    floors = {}
    for stream, consumer in tracked_consumers():
        info = await bus.consumer_info(stream.name, consumer.durable)
        floors[consumer_name(stream, consumer)] = info["ack_floor"]["stream_seq"]
    streams = [await _save_stream(bus, name, draft) for name in SAVE_ORDER]
    ended = utc_now(clock)
    manifest = BackupManifest(began=began, ended=ended, floors=floors, streams=streams)
    with (draft / _MANIFEST).open("xb") as file:
        file.write(manifest.model_dump_json(indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    sync_folder(draft)
    draft.rename(folder)
    sync_folder(folder.parent)
    log.info("backup_saved", streams=len(streams), bytes=sum(one.size for one in streams))
    return manifest


def _create_draft_folder(folder: Path) -> Path:
    """Create a draft folder beside *folder*; one left by a killed backup is deleted.

    The folder above is never made: where it is missing, a backup disk may not be mounted.
    """
    if folder.exists():
        raise Invalid(field_error("folder", "folder_exists", value=folder))
    if not folder.absolute().parent.is_dir():
        raise Invalid(field_error("folder", "parent_missing", value=folder.absolute().parent))
    draft = folder.with_name(f"{folder.name}.partial")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    return draft


def tracked_consumers() -> Iterator[tuple[StreamSpec, ConsumerSpec]]:
    """Yield the consumers whose position in their stream is saved."""
    return ((stream, consumer) for stream in _TRACKED_STREAMS for consumer in stream.consumers)


def consumer_name(stream: StreamSpec, consumer: ConsumerSpec) -> str:
    return f"{stream.name}/{consumer.durable}"


class _FileWriter:
    """A new file, with the size and digest of its content."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.size += self._file.write(piece)

    def saved_as(self, path: Path) -> SavedFile:
        return SavedFile(file=path.name, size=self.size, sha256=self._digest.hexdigest())


@contextmanager
def _new_file(path: Path) -> Iterator[_FileWriter]:
    with path.open("xb") as file:
        yield _FileWriter(file)
        file.flush()
        os.fsync(file.fileno())


async def _save_stream(bus: Bus, stream: str, folder: Path) -> StreamFile:
    path, changes = folder / f"{stream}.snapshot", None
    with _new_file(path) as writer:
        config, state = await bus.save_snapshot(stream, writer.write)
    if stream.startswith(BUCKET_PREFIX):
        changes = await _save_changes(bus, stream, folder, state["last_seq"] + 1)
    facts = writer.saved_as(path).model_dump()
    return StreamFile(stream=stream, config=config, state=state, changes=changes, **facts)


async def _save_changes(bus: Bus, stream: str, folder: Path, start: int) -> SavedFile | None:
    """Save a bucket's changes from sequence *start* on. Raises Invalid for too many."""
    path, count = folder / f"{stream}.changes", 0
    with _new_file(path) as writer:
        async for key, value, _ in bus.bucket(stream.removeprefix(BUCKET_PREFIX)).changes(start):
            writer.write(SavedChange(key=key, value=value).model_dump_json().encode() + b"\n")
            count += 1
            if count > _MAX_CHANGES:
                raise Invalid(field_error("bus", "bucket_too_busy", value=stream))
    if count:
        return writer.saved_as(path)
    path.unlink()
    return None


def load_manifest(folder: Path) -> BackupManifest:
    """Load the manifest of an undamaged backup. Raises Invalid, which names the file."""
    try:
        manifest = BackupManifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except FileNotFoundError:
        raise Invalid(field_error("folder", "no_backup", value=folder)) from None
    except ValidationError as error:
        damaged = field_error(_MANIFEST, "backup_damaged", detail=error.error_count())
        raise Invalid(damaged) from error
    missing = {*SAVE_ORDER} ^ {one.stream for one in manifest.streams}
    if manifest.format != _FORMAT or missing - _ADDED_LATER:
        raise Invalid(field_error(_MANIFEST, "backup_foreign", value=manifest.format))
    for stream in manifest.streams:
        for saved in filter(None, (stream, stream.changes)):
            _check_file(folder, saved)
    return manifest


def _check_file(folder: Path, saved: SavedFile) -> None:
    digest = hashlib.sha256()
    try:
        for piece in read_pieces(folder, saved):
            digest.update(piece)
    except FileNotFoundError:
        raise Invalid(field_error(saved.file, "backup_damaged", detail="missing")) from None
    if digest.hexdigest() != saved.sha256:
        raise Invalid(field_error(saved.file, "backup_damaged", detail="sha256"))


def read_pieces(folder: Path, saved: SavedFile) -> Iterator[bytes]:
    with (folder / saved.file).open("rb") as file:
        while piece := file.read(_READ_BYTES):
            yield piece


def read_changes(folder: Path, saved: StreamFile) -> dict[str, bytes | None]:
    """Each key's value after the bucket's snapshot, if it changed; None for a removed key."""
    if saved.changes is None:
        return {}
    with (folder / saved.changes.file).open("rb") as lines:
        changes = map(SavedChange.model_validate_json, lines)
        return {change.key: change.value for change in changes}
