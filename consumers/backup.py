"""A backup: a folder with every stream and bucket as the server hands them out, and a manifest.

Streams are saved one after the other while Loa runs on, consequences first: whatever a saved stream
speaks of is in the streams saved after it. So decisions come before letters, what the sweeper found
closed before the ledger, and drafts, which an approval removes, before what it published. What was
caused meanwhile and is not in the backup is done again after a restore, from where the consumers
stood when the backup began. Wake-ups carry no truth and are left out.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from consumers.faults import fault
from contracts import subjects
from contracts.errors import Invalid
from contracts.subjects import Consumer, Stream
from producers.bus import Bus, Snapshot

log = structlog.get_logger()
FORMAT = 1
MANIFEST = "manifest.json"
PIECE_BYTES = 256 << 10
FOLLOWED = (subjects.RECEIPTS, subjects.PUBLICATIONS, subjects.CONTENT)
ORDER = (
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
    f"KV_{subjects.VAULT.name}",
)


class Saved(BaseModel):
    """One stream's file."""

    stream: str
    file: str
    size: int
    sha256: str
    config: dict[str, Any]
    state: dict[str, Any]


class Manifest(BaseModel):
    """What a backup holds; it is written last. `floors`: what each consumer had finished."""

    format: int = FORMAT
    began: datetime
    ended: datetime
    floors: dict[str, int]
    streams: list[Saved]


async def save(bus: Bus, folder: Path, clock: Callable[[], float]) -> Manifest:
    """Back the whole bus up into *folder*, which must not exist. Killed half-way it never does.

    The folder holds addresses and keys' digests: it is readable by its owner only. Raises Invalid,
    OSError or BusError.
    """
    draft, began = begin(folder), clock()
    floors = {name(*pair): await floor(bus, *pair) for pair in followed()}
    streams = [await save_stream(bus, stream, draft) for stream in ORDER]
    manifest = Manifest(
        began=moment(began), ended=moment(clock()), floors=floors, streams=streams
    )  # fmt: skip
    write(draft / MANIFEST, manifest.model_dump_json(indent=1).encode())
    sync(draft)
    draft.rename(folder)
    sync(folder.parent)
    log.info("backup_saved", streams=len(streams), bytes=sum(one.size for one in streams))
    return manifest


def begin(folder: Path) -> Path:
    """A draft beside *folder*; one that a killed backup left is thrown away.

    The folder above is never made: where it is missing, a backup disk may not be mounted.
    """
    if folder.exists():
        raise Invalid(fault("folder", "folder_exists", value=folder))
    if not folder.absolute().parent.is_dir():
        raise Invalid(fault("folder", "parent_missing", value=folder.absolute().parent))
    draft = folder.with_name(f"{folder.name}.partial")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    return draft


def followed() -> Iterator[tuple[Stream, Consumer]]:
    """The consumers whose place in their stream matters."""
    return ((stream, consumer) for stream in FOLLOWED for consumer in stream.consumers)


def name(stream: Stream, consumer: Consumer) -> str:
    return f"{stream.name}/{consumer.durable}"


async def floor(bus: Bus, stream: Stream, consumer: Consumer) -> int:
    """Up to where everything is finished."""
    info = await bus.consumer_info(stream.name, consumer.durable)
    return int(info["ack_floor"]["stream_seq"])


async def save_stream(bus: Bus, stream: str, folder: Path) -> Saved:
    path, digest = folder / f"{stream}.snapshot", hashlib.sha256()
    with path.open("xb") as file:

        def take(piece: bytes) -> None:
            digest.update(piece)
            file.write(piece)

        config, state = await bus.save(stream, take)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    return Saved(
        stream=stream, file=path.name, size=size, sha256=digest.hexdigest(),
        config=config, state=state,
    )  # fmt: skip


def load(folder: Path) -> Manifest:
    """The manifest of a whole and undamaged backup. Raises Invalid, which names the file."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise Invalid(fault("folder", "no_backup", value=folder)) from None
    except ValidationError as wrong:
        raise Invalid(fault(MANIFEST, "backup_damaged", detail=wrong.error_count())) from wrong
    if manifest.format != FORMAT or {one.stream for one in manifest.streams} != set(ORDER):
        raise Invalid(fault(MANIFEST, "backup_foreign", value=manifest.format))
    for one in manifest.streams:
        check(folder, one)
    return manifest


def check(folder: Path, saved: Saved) -> None:
    digest = hashlib.sha256()
    try:
        for piece in pieces(folder, saved):
            digest.update(piece)
    except FileNotFoundError:
        raise Invalid(fault(saved.file, "backup_damaged", detail="missing")) from None
    if digest.hexdigest() != saved.sha256:
        raise Invalid(fault(saved.file, "backup_damaged", detail="sha256"))


def pieces(folder: Path, saved: Saved) -> Iterator[bytes]:
    with (folder / saved.file).open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def snapshot(saved: Saved) -> Snapshot:
    return Snapshot(saved.config, saved.state)


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def write(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
