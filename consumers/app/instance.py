"""Find the Loa that runs on a data folder, and the bus that a command or a service uses."""

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog
from pydantic import ValidationError

from consumers.app.ports import require_free_port
from consumers.app.settings import DeskSettings, LoaSettings, RunningInstance, read_settings
from consumers.messages import field_error
from contracts.base.crash_points import crash_point
from contracts.base.networks import http_url
from contracts.base.times import utc_time
from contracts.errors import Invalid, Unavailable
from producers.bus import AccessRefused, Bus, NoReply, topology
from producers.bus.server_check import verify

if TYPE_CHECKING:
    from producers.nats_server import NatsServer

log = structlog.get_logger()
PROBE_TIMEOUT_S = 1.0
COMMAND_TIMEOUT_S = 5.0
"""How long a command waits for a bus before it gives up."""
_LOOPBACK = "127.0.0.1"


class BusUse(Enum):
    """The changes that a command may make of the streams of a Loa that does not run."""

    LOOK = "nothing"
    ACT = "bring those of an older version up to date"
    REPAIR = "make lost ones anew, by itself"


def ready_file(settings: LoaSettings) -> Path:
    return settings.run_dir / "ready.json"


def _stop_file(settings: LoaSettings) -> Path:
    return settings.run_dir / "stopped"


class LastRun(NamedTuple):
    """The last sign of life of a folder's Loa, and whether it ended without stopping."""

    at: datetime | None = None
    crashed: bool = False


def last_run(settings: LoaSettings) -> LastRun:
    """When the folder's Loa, which does not run now, was last alive; empty where none has run."""
    for path, crashed in ((ready_file(settings), True), (_stop_file(settings), False)):
        with suppress(OSError):
            return LastRun(utc_time(round(path.stat().st_mtime)), crashed)
    return LastRun()


async def note_life(settings: LoaSettings) -> None:
    """Let the ready file, if it is that of this process, say that its Loa is alive."""
    await asyncio.to_thread(_touch_own_file, settings)


def _touch_own_file(settings: LoaSettings) -> None:
    ready = announced_instance(settings)
    if ready and ready.pid == os.getpid():
        with suppress(OSError):
            os.utime(ready_file(settings))


def announced_instance(settings: LoaSettings) -> RunningInstance | None:
    """The instance that the ready file names; it may have been killed."""
    try:
        return RunningInstance.model_validate_json(ready_file(settings).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    except OSError as error:
        log.warning("ready_file_unreadable", error=type(error).__name__)
        return None


def public_url(settings: LoaSettings) -> str:
    """The portal's address for readers: as configured, else that of this folder's Loa."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    ready = announced_instance(settings)
    return ready.url if ready else http_url(settings.http_host, settings.http_port)


def desk_url(settings: LoaSettings) -> str:
    """The desk's address for staff: as configured, else that of this folder's Loa.

    Raises Invalid where neither says.
    """
    if url := read_settings(DeskSettings).url:
        return url
    ready = announced_instance(settings)
    if ready and ready.desk:
        return ready.desk
    raise Invalid(field_error("LOA_DESK_URL", "desk_not_known"))


async def find_running(settings: LoaSettings) -> RunningInstance | None:
    """The Loa of this data folder, if its bus answers: the file alone proves nothing."""
    if not (ready := announced_instance(settings)):
        return None
    try:
        bus = await Bus.connect(ready.nats_url, name="loa-look", patience_s=PROBE_TIMEOUT_S)
    except (NoReply, AccessRefused):  # another server has the port now
        return None
    await bus.close()
    return ready


@asynccontextmanager
async def bus_server(
    settings: LoaSettings,
) -> AsyncIterator[tuple[str, tuple[str, ...], "NatsServer | None"]]:
    """The bus's address, its monitoring addresses, and our own embedded server, if it is that.

    Raises StoreBusy when another process holds the store and does not answer yet.
    """
    if settings.nats_url:
        yield settings.nats_url, (), None
        return
    if ready := await find_running(settings):
        yield ready.nats_url, (), None
        return
    if settings.nats_port:
        require_free_port("LOA_NATS", _LOOPBACK, settings.nats_port)
    from producers.nats_server import NatsServer  # most commands find a server that runs

    async with NatsServer(settings.nats_dir, settings.nats_port) as own:
        yield own.url, (own.monitor_url,), own


@asynccontextmanager
async def command_bus(
    settings: LoaSettings,
    name: str = "loa",
    patience_s: float = COMMAND_TIMEOUT_S,
    use: BusUse = BusUse.LOOK,
) -> AsyncIterator[tuple[Bus, bool]]:
    """A bus for one command: the running Loa's, a cluster's, or an embedded one for this time.

    The flag tells that it is the embedded one: no Loa runs on this folder. Raises Unavailable if
    no store exists: a command creates none, so a mistyped folder stays empty; and if a stream of
    the embedded one is lost.
    """
    has_store = settings.nats_url or (settings.nats_dir / "jetstream").is_dir()
    if not has_store and not await find_running(settings):
        raise Unavailable(field_error("data", "no_store", folder=settings.data_dir.resolve()))
    async with bus_server(settings) as (url, monitors, own):
        connecting = Bus.connect(
            url,
            name=name,
            access=settings.access(),
            patience_s=patience_s,
            replicas=settings.nats_replicas,
            placement_tags=settings.placement_tags,
        )
        async with await connecting as bus:
            if own:
                await verify(bus, monitors)
                await _open_store(bus, settings, use)
            yield bus, own is not None


async def _open_store(bus: Bus, settings: LoaSettings, use: BusUse) -> None:
    """Apply the topology for a command that acts. Raises Unavailable where streams are missing.

    A lost one stays lost, so that its loss stays in sight; one that came with this version is no
    loss.
    """
    if use is BusUse.REPAIR:
        return
    found = await topology.stream_infos(bus)
    if missing := [name for name in topology.stream_names() if name not in found]:
        from consumers.audit.anchor import Anchor

        anchor = Anchor(bus, settings.bus_state_file, settings.key_file, time.time)
        if lost := await anchor.find_lost(missing):
            raise Unavailable(*(damage.field_error for damage in lost))
        if use is BusUse.LOOK:
            names = ", ".join(missing)
            raise Unavailable(field_error("bus", "bus_not_begun", names=names))
    if use is BusUse.ACT:
        await topology.apply(bus)


async def prepare_bus(bus: Bus, monitors: tuple[str, ...]) -> None:
    """Refuse an unfit server; then apply the topology of streams and buckets."""
    await verify(bus, monitors)
    await topology.apply(bus)


async def require_bus(bus: Bus, streams: Iterable[str]) -> None:
    """Refuse an unfit server, and one without *streams*, which this client may not make.

    The stream of a bucket of an earlier version may be missing.
    Raises Unavailable, UnfitServer.
    """
    await verify(bus)
    if await topology.stream_exists(bus, topology.RESTORING_STREAM):
        raise Unavailable(field_error("bus", "bus_restoring"))
    needed = [name for name in streams if name not in topology.former_names()]
    if missing := [name for name in needed if not await topology.stream_exists(bus, name)]:
        raise Unavailable(field_error("bus", "bus_not_applied", names=", ".join(missing)))


@contextmanager
def exclusive(settings: LoaSettings) -> Iterator[None]:
    """Lock this data folder while the block runs; the lock ends with the process.

    Raises Invalid when another process has locked it.
    """
    lock = os.open(settings.run_dir / "loa.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take_lock(lock, settings.data_dir.resolve())
        yield
    finally:
        os.close(lock)


def _take_lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, 20, 0).decode() or "?"
        raise Invalid(field_error("data", "already_running", value=folder, pid=pid)) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


@contextmanager
def announced(settings: LoaSettings, ready: RunningInstance) -> Iterator[None]:
    """Write the ready file of this Loa while the block runs, and afterwards that it has stopped."""
    path = ready_file(settings)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(ready.model_dump()))
    draft.rename(path)
    crash_point("run.announced")
    try:
        yield
    finally:
        with suppress(OSError, ValidationError):
            if RunningInstance.model_validate_json(path.read_bytes()).pid == ready.pid:
                _stop_file(settings).touch()
                path.unlink()
