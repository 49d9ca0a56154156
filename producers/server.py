"""The embedded nats-server: one per store, watched, restarted on its port, gone with its parent."""

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

import structlog

from producers.bus.monitor import complaint
from producers.nats_child import Child, Ports, ServerFailed, find_binary

CHECK_S = 5.0
FAILURES = 2
PAUSE_S = 1.0

log = structlog.get_logger()


class StoreBusy(Exception):
    """Another process works on this store; two servers on one store destroy it."""


class NatsServer:
    """An async context manager around a nats-server that fsyncs before it acknowledges.

    Use it from the main thread's event loop: on Linux the server dies with the thread that started
    it. Elsewhere it may survive a killed parent; it then keeps the store locked until it ends.
    """

    def __init__(
        self, store: Path, port: int = 0, *, binary: Path | None = None, check_s: float = CHECK_S
    ) -> None:
        self._store = store.resolve()
        self._ports = Ports(port)
        self._binary = binary
        self._check_s = check_s
        self._lock = -1
        self._child: Child | None = None
        self._guard: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where clients connect; it stays the same over restarts."""
        return self._running.url

    @property
    def monitor_url(self) -> str:
        """Where the server shows its state over HTTP; it stays the same, too."""
        return self._running.monitor_url

    @property
    def pid(self) -> int:
        return self._running.process.pid

    async def start(self) -> None:
        """Lock the store and start. Raises StoreBusy, or ServerFailed with the server's words."""
        self._store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(self._store / "loa.lock")
        try:
            await self._launch()
        except BaseException:
            os.close(self._lock)
            raise
        self._guard = asyncio.create_task(self._keep_alive(), name="nats-server-guard")

    async def stop(self) -> None:
        """End the server and give the store free."""
        if self._guard is None:
            return
        guard, self._guard = self._guard, None
        guard.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await guard
        finally:
            await self._running.stop()
            os.close(self._lock)
            log.info("nats_server_stopped")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise ServerFailed("the server was not started")
        return self._child

    async def _launch(self) -> None:
        binary = self._binary or find_binary()
        self._child = await Child.start(binary, self._store, self._ports, self._lock)
        self._ports = self._child.ports
        log.info("nats_server_started", url=self.url, pid=self.pid)

    async def _keep_alive(self) -> None:
        """Start the server again when it ended, or when it was found ill twice running."""
        failures = 0
        while True:
            failures = failures + 1 if await self._ill() else 0
            if self._ended or failures >= FAILURES:
                log.error("nats_server_lost", code=self._running.process.returncode)
                await self._relaunch()
                failures = 0

    async def _ill(self) -> bool:
        if await self._running.ended_within(self._check_s):
            return True
        reason = await complaint(self.monitor_url)
        if reason:
            log.warning("nats_server_ill", reason=reason)
        return reason is not None

    @property
    def _ended(self) -> bool:
        return self._running.process.returncode is not None

    async def _relaunch(self) -> None:
        await self._running.kill()
        while True:
            try:
                return await self._launch()
            except (ServerFailed, OSError) as error:
                log.error("nats_server_not_started", reason=str(error))
                await asyncio.sleep(PAUSE_S)


def _lock(path: Path) -> int:
    """Take the store for us. The descriptor that is returned holds the lock."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(lock, 20).decode() or "unknown"
        os.close(lock)
        raise StoreBusy(
            f"{path.parent} is in use by process {owner.strip()}, or by its server"
        ) from error
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
