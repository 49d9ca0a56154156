"""Backup: a folder with a snapshot of every stream and bucket, and a manifest.

Streams are saved one after the other while Loa runs on, consequences first: a saved stream refers
only to streams saved after it. So decisions precede dead letters, the sweeper's
records precede the ledger, and drafts, which an approval removes, precede publications. Events
whose causes are saved but whose consequences are not are processed again after a restore, from the
consumers' positions when the backup began. Wake-ups carry no state and are left out.

The server reads a bucket value by value, and leaves out a key that is replaced before its turn.
So each bucket's later changes are saved beside its snapshot, until there are no more and before the
next stream: the saved bucket is that of one moment.

The sealed reports of the data folder are saved beside the streams.

Files are encrypted and the manifest is authenticated, with keys of the key file: see
`consumers.operations.backup_cipher`. Backups of format 1 were plain, and can be restored.
"""

import hashlib
import hmac
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from channels.portal.storage.atomic_files import sync_folder
from consumers.key_file import KEY_FILE_FIELD
from consumers.messages import field_error
from consumers.operations.backup_cipher import BackupCipher, ChunkEncryptor, decrypt_chunks
from consumers.operations.errors import BackupChanged
from consumers.private_files import naming, write_new
from consumers.progress import report_progress
from consumers.report_files import ReportFile, put_back, sealed_report_files
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.errors import Invalid, printable
from contracts.subjects import ConsumerSpec, StreamSpec, unit_of_inbound
from producers.bus import Bucket, Bus, topology
from producers.seals import VerifiedBucket

log = structlog.get_logger()
_FORMAT, _PLAIN_FORMAT = 2, 1
_FILE_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_MANIFEST, _MANIFEST_MAC = "manifest.json", "manifest.mac"
_READ_BYTES = 256 << 10
_BUCKET_PREFIX = "KV_"
_MAX_CHANGES = 1_000_000
"""Limit of the changes during one snapshot; without it, a backup might never end."""
_TRACKED_STREAMS = (subjects.RECEIPTS, subjects.PUBLICATIONS, subjects.CONTENT)
SAVE_ORDER = (
    subjects.AUDIT.name,
    f"KV_{subjects.CONTROL.name}",
    f"KV_{subjects.CALLBACKS.name}",
    subjects.CALLBACKS_LOG.name,
    subjects.STATUS.name,
    subjects.FACTS.name,
    f"KV_{subjects.LEDGER.name}",
    f"KV_{subjects.DIGESTS.name}",
    f"KV_{subjects.SUPPRESSED.name}",
    f"KV_{subjects.FOLLOWERS.name}",
    subjects.RECEIPTS.name,
    f"KV_{subjects.STAFF_MAIL.name}",
    subjects.EDITORIAL.name,
    f"KV_{subjects.IMPORTS.name}",
    f"KV_{subjects.PUBLISHED.name}",
    subjects.PUBLICATIONS.name,
    subjects.DEAD.name,
    subjects.OPINIONS.name,
    subjects.CONTENT.name,
    f"KV_{subjects.EVENTS.name}",
    subjects.UPLOADS.name,
    f"KV_{subjects.NOTICES.name}",
    f"KV_{subjects.SUBSCRIBERS.name}",
    f"KV_{subjects.PERSON_KEYS.name}",
    f"KV_{subjects.UNITS.name}",
    f"KV_{subjects.TRIAL_UNITS.name}",
    f"KV_{subjects.STAFF.name}",
    f"KV_{subjects.VAULT.name}",
)
_ADDED_LATER = {
    *(subjects.AUDIT.name, subjects.EDITORIAL.name),
    *(subjects.FACTS.name, subjects.STATUS.name, subjects.UPLOADS.name),
    *(subjects.CALLBACKS_LOG.name, f"KV_{subjects.CALLBACKS.name}"),
    *(f"KV_{subjects.STAFF.name}", f"KV_{subjects.PERSON_KEYS.name}"),
    *(f"KV_{subjects.STAFF_MAIL.name}", f"KV_{subjects.TRIAL_UNITS.name}"),
}
"""Streams that backups of earlier versions lack; `topology.apply` creates them."""
_FORMER = {f"KV_{bucket.name}" for bucket in subjects.FORMER_BUCKETS}
"""Streams that only backups of earlier versions have."""


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """A backup's folder, and the secret that seals it; empty without a key file.

    `accepts_plain`: the operator vouches for a backup that proves nothing by itself.
    """

    path: Path
    secret: bytes = field(repr=False)
    accepts_plain: bool = False

    def key_id(self, backup_id: str) -> str:
        """A digest by which the key file of a backup is recognised."""
        return hmac.new(self.secret, f"key of {backup_id}".encode(), hashlib.sha256).hexdigest()


class SavedFile(BaseModel):
    """A file as it lies in the folder."""

    file: str
    size: int
    sha256: str


class StreamFile(SavedFile):
    """A stream's snapshot. `changes`: a bucket's later changes, if there were any."""

    stream: str
    config: dict[str, Any]
    state: dict[str, Any]
    changes: SavedFile | None = None


class SavedReportFile(SavedFile):
    """A file of a sealed report. `path`: the report's label and the file's name."""

    path: str


class SavedChange(BaseModel):
    """A line of a file of changes; `value` is None for a removed key."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key: str
    value: bytes | None


class BackupManifest(BaseModel):
    """The contents of a backup, written last. `floors`: each consumer's acknowledged floor.

    `id` is random and `key` tells the key file; both are empty in a plain backup.
    """

    format: int = _FORMAT
    id: str = ""
    key: str = ""
    began: datetime
    ended: datetime
    floors: dict[str, int]
    streams: list[StreamFile]
    reports: list[SavedReportFile] = []
    """Backups of earlier versions have none."""

    @property
    def is_plain(self) -> bool:
        """Whether an earlier version made it: neither encrypted nor authenticated."""
        return self.format == _PLAIN_FORMAT

    @property
    def files(self) -> list[SavedFile]:
        """Every file of the backup but the manifest's own."""
        changes = (one.changes for one in self.streams)
        return [*self.streams, *filter(None, changes), *self.reports]


async def save_backup(
    bus: Bus, folder: BackupFolder, clock: Clock, reports: Path | None = None
) -> BackupManifest:
    """Back the whole bus up into *folder*, which appears only when it is complete.

    *reports*: the folder of sealed reports, which are saved, too. Only its owner may read the
    backup. Raises Invalid, OSError or BusError.
    """
    draft = _create_draft_folder(folder.path)
    try:
        manifest = await _fill(_Saving(bus, draft, folder, reports), clock)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # a full disk gets its room back
        raise
    draft.rename(folder.path)
    sync_folder(folder.path.parent)
    size = sum(one.size for one in manifest.streams)
    log.info("backup_saved", streams=len(manifest.streams), bytes=size)
    return manifest


class _Saving(NamedTuple):
    """The parts of a backup in the making: *draft* becomes *folder*."""

    bus: Bus
    draft: Path
    folder: BackupFolder
    reports: Path | None


async def _fill(saving: _Saving, clock: Clock) -> BackupManifest:
    """Save everything into the draft, the manifest last."""
    began, bus, draft = utc_now(clock), saving.bus, saving.draft
    backup_id = secrets.token_hex(16)
    cipher = BackupCipher(saving.folder.secret, backup_id)
    floors = {}
    for stream, consumer in tracked_consumers():
        info = await bus.consumer_info(stream.name, consumer.durable)
        floors[consumer_name(stream, consumer)] = info["ack_floor"]["stream_seq"]
    saver = _Saver(bus, draft, cipher)
    inbound = await topology.inbound_stream_names(bus)  # first: intake moves them to CONTENT
    streams = await saver.save_streams((*inbound, *SAVE_ORDER))
    reports = saver.save_reports(saving.reports) if saving.reports else []
    facts: dict[str, Any] = {
        "id": backup_id,
        "key": saving.folder.key_id(backup_id),
        "floors": floors,
    }
    facts |= {"streams": streams, "reports": reports}
    manifest = BackupManifest(began=began, ended=utc_now(clock), **facts)
    _write_manifest(draft, manifest, cipher)
    sync_folder(draft)
    return manifest


def _write_manifest(draft: Path, manifest: BackupManifest, cipher: BackupCipher) -> None:
    content = manifest.model_dump_json(indent=1).encode()
    for name, data in (
        (_MANIFEST_MAC, cipher.manifest_mac(content).encode()),
        (_MANIFEST, content),
    ):
        write_new(draft / name, data)


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


def saved_bucket(bus: Bus, stream: str) -> Bucket:
    """A bucket as it is saved: encrypted values stay so; its changes are those of Loa alone."""
    name = stream.removeprefix(_BUCKET_PREFIX)
    bucket = bus.bucket(name)
    return bucket if isinstance(bucket, VerifiedBucket) else bus.stored_bucket(name)


class _FileWriter:
    """A new file, with the size and digest of what lies in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.size += self._file.write(piece)
        report_progress("bytes", self.size)

    def saved_as(self, path: Path) -> SavedFile:
        return SavedFile(file=path.name, size=self.size, sha256=self._digest.hexdigest())


@dataclass
class _Saver:
    """Saves streams into a draft folder, encrypted."""

    bus: Bus
    folder: Path
    cipher: BackupCipher

    @contextmanager
    def new_file(self, path: Path) -> Iterator[tuple[_FileWriter, ChunkEncryptor]]:
        """A new file, and where its content goes; the file's facts are known at the end."""
        with naming(path), path.open("xb") as file:
            writer = _FileWriter(file)
            content = ChunkEncryptor(self.cipher.file_cipher(path.name), writer.write)
            yield writer, content
            content.finish()
            file.flush()
            os.fsync(file.fileno())

    async def save_streams(self, names: Sequence[str]) -> list[StreamFile]:
        streams: list[StreamFile] = []
        for name in names:
            report_progress("streams", len(streams), len(names))
            streams.append(await self.save_stream(name))
        return streams

    def save_reports(self, folder: Path) -> list[SavedReportFile]:
        return [self.save_report_file(folder, file) for file in sealed_report_files(folder)]

    def save_report_file(self, folder: Path, file: ReportFile) -> SavedReportFile:
        path = self.folder / f"report.{file.label}.{file.name}"
        source = folder / file.path
        with self.new_file(path) as (writer, content), naming(source), source.open("rb") as opened:
            while piece := opened.read(_READ_BYTES):
                content.write(piece)
        return SavedReportFile(path=file.path, **writer.saved_as(path).model_dump())

    async def save_stream(self, stream: str) -> StreamFile:
        path, changes = self.folder / f"{stream}.snapshot", None
        with self.new_file(path) as (writer, content):
            config, state = await self.bus.save_snapshot(stream, content.write)
        if stream.startswith(_BUCKET_PREFIX):
            changes = await self.save_changes(stream, state["last_seq"] + 1)
        facts = writer.saved_as(path).model_dump()
        return StreamFile(stream=stream, config=config, state=state, changes=changes, **facts)

    async def save_changes(self, stream: str, start: int) -> SavedFile | None:
        """Save a bucket's changes from sequence *start* on. Raises Invalid for too many."""
        path, count = self.folder / f"{stream}.changes", 0
        bucket = saved_bucket(self.bus, stream)
        with self.new_file(path) as (writer, content):
            async for one in bucket.changes(start):
                saved = SavedChange(key=one.key, value=one.data)
                content.write(saved.model_dump_json().encode() + b"\n")
                count += 1
                if count > _MAX_CHANGES:
                    raise Invalid(field_error("bus", "bucket_too_busy", value=stream))
        if count:
            return writer.saved_as(path)
        path.unlink()
        return None


@dataclass(frozen=True)
class StoredBackup:
    """An undamaged backup; *cipher* is None for a plain one."""

    path: Path
    manifest: BackupManifest
    cipher: BackupCipher | None

    def pieces(self, saved: SavedFile) -> Iterator[bytes]:
        """Yield a file's content in plain. Raises Invalid, which names the file."""
        with (self.path / saved.file).open("rb") as file:
            if self.cipher is None:
                yield from iter(lambda: file.read(_READ_BYTES), b"")
                return
            try:
                yield from decrypt_chunks(self.cipher.file_cipher(saved.file), file)
            except BackupChanged as error:
                damaged = field_error(saved.file, "backup_damaged", detail=str(error))
                raise Invalid(damaged) from error

    def put_reports_back(self, folder: Path) -> int:
        """Write the files of reports that *folder* lacks; returns their number."""
        parsed = [(ReportFile.parse(saved.path), saved) for saved in self.manifest.reports]
        return sum(put_back(folder, file, self.pieces(saved)) for file, saved in parsed if file)

    def changes(self, saved: StreamFile) -> Iterator[SavedChange]:
        """Yield a bucket's changes after its snapshot, in order."""
        rest = b""
        for piece in self.pieces(saved.changes) if saved.changes else ():
            *lines, rest = (rest + piece).split(b"\n")
            yield from map(SavedChange.model_validate_json, lines)


def open_backup(folder: BackupFolder) -> StoredBackup:
    """Open an undamaged backup. Raises Invalid, which names the file that is none of its own."""
    try:
        content = (folder.path / _MANIFEST).read_bytes()
        manifest = BackupManifest.model_validate_json(content)
    except FileNotFoundError:
        raise Invalid(field_error("folder", "no_backup", value=folder.path)) from None
    except ValidationError as error:
        damaged = field_error(_MANIFEST, "backup_damaged", detail=error.error_count())
        raise Invalid(damaged) from error
    listed = {one.stream for one in manifest.streams if not unit_of_inbound(one.stream)}
    strange = {*SAVE_ORDER} ^ listed
    if manifest.format not in (_FORMAT, _PLAIN_FORMAT) or strange - _ADDED_LATER - _FORMER:
        raise Invalid(field_error(_MANIFEST, "backup_foreign", value=manifest.format))
    if manifest.is_plain and not folder.accepts_plain:
        raise Invalid(field_error(str(folder.path), "backup_unproven"))
    cipher = None if manifest.is_plain else _proven_cipher(folder, manifest, content)
    for saved in manifest.files:
        _check_file(folder.path, saved)
    return StoredBackup(folder.path, manifest, cipher)


def _proven_cipher(folder: BackupFolder, manifest: BackupManifest, content: bytes) -> BackupCipher:
    """The cipher of a backup, whose manifest is authentic. Raises Invalid."""
    cipher = BackupCipher(folder.secret, manifest.id)
    is_named = hmac.compare_digest(manifest.key.encode(), folder.key_id(manifest.id).encode())
    if not (is_named or _opens_a_file(folder.path, manifest, cipher)):
        raise Invalid(field_error(KEY_FILE_FIELD, "backup_of_other_key"))
    try:
        stored = (folder.path / _MANIFEST_MAC).read_text("ascii", errors="replace")
    except FileNotFoundError:
        stored = ""
    if not hmac.compare_digest(stored.encode(), cipher.manifest_mac(content).encode()):
        raise Invalid(field_error(_MANIFEST, "backup_damaged", detail=_MANIFEST_MAC))
    return cipher


def _opens_a_file(folder: Path, manifest: BackupManifest, cipher: BackupCipher) -> bool:
    """Whether the key opens the first file, so that a manifest that denies it was changed."""
    names = [one.file for one in manifest.streams[:1] if _FILE_NAME.fullmatch(one.file)]
    try:
        for name in names:
            with (folder / name).open("rb") as file:
                next(decrypt_chunks(cipher.file_cipher(name), file))
    except (OSError, BackupChanged):
        return False
    return bool(names)


def _check_file(folder: Path, saved: SavedFile) -> None:
    if not _FILE_NAME.fullmatch(saved.file):
        raise Invalid(field_error(_MANIFEST, "backup_damaged", detail=printable(saved.file, 80)))
    try:
        with (folder / saved.file).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except FileNotFoundError:
        raise Invalid(field_error(saved.file, "backup_damaged", detail="missing")) from None
    if digest.hexdigest() != saved.sha256:
        raise Invalid(field_error(saved.file, "backup_damaged", detail="sha256"))
