"""Three nats-servers, three workers, two doors and Loa's other services, each a process."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from shutil import copy
from typing import Any, TypeVar

from consumers.key_file import KeyFile, seal_people
from contracts.envelope import CONTENT_TYPE
from producers.bus import Bus
from producers.bus.monitoring_endpoint import fetch_page
from tests.deep.cluster.launch import CLOCK, CLUSTER_MUTANT, run_service, set_ahead
from tests.deep.cluster.routes import Routes
from tests.deep.crash.environment import CampaignFailed, Environment, status_of, wait
from tests.support import requirements
from tests.support.forked_loa import fork_context
from tests.support.frozen_process import freeze
from tests.support.nats_cluster import PATIENCE_S, NatsCluster, until_usable
from tests.support.ports import free_port
from tests.support.seals import use_key

T = TypeVar("T")
CONTEXT = fork_context("tests.deep.cluster.launch")
SERVERS = ("n1", "n2", "n3")
WORKERS = ("worker-1", "worker-2", "worker-3")
DOORS = ("door-1", "door-2")
FIRST = ("intake", "digests")
"""They make what the others find: the key; and the readers' copy, which dispatch shares."""
OTHERS = ("dispatch", "sweep", "feedback", "callbacks", "deliver-portal", "deliver-zalo")
KINDS = dict.fromkeys(WORKERS, "deliver-email") | dict.fromkeys(DOORS, "gateway")
DISK = "256m"
ANSWER_S = 10.0
"""How long a sender waits for an answer; the door says 503 within five seconds."""


@dataclass
class Service:
    """`loa run` of one service, with a folder, a log and a clock."""

    name: str
    environ: dict[str, str]
    log: Path
    began: int = 0  # where the log of this start begins
    process: ForkServerProcess | None = None
    held: bool = False  # a fault keeps it down
    ends: list[int | None] = field(default_factory=list)  # exit codes of those that ended alone

    @property
    def clock(self) -> Path:
        return Path(self.environ[CLOCK])

    def start(self) -> None:
        self.log.touch()
        self.began = self.log.stat().st_size
        command = ["run", KINDS.get(self.name, self.name)]
        self.process = CONTEXT.Process(target=run_service, args=(self.environ, self.log, command))
        self.process.start()

    @property
    def is_ready(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self.began)
            return b'"event": "ready"' in log.read()

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.exitcode is not None

    @property
    def batches(self) -> str:
        """Of a worker: the batches that it is at, as its slot names them."""
        slot = Path(self.environ["LOA_DATA_DIR"]) / "run" / "slots" / "email-0"
        return slot.read_text() if slot.exists() else ""

    def kill(self) -> None:
        if self.process and not self.has_ended:
            self.process.kill()
            self.process.join()

    def freeze(self) -> None:
        if self.process and self.process.pid and not self.has_ended:
            freeze(self.process.pid)

    def thaw(self) -> None:
        if self.process and self.process.pid and not self.has_ended:
            os.kill(self.process.pid, signal.SIGCONT)


def run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run *loop* until it is stopped; then cancel its remaining tasks and close it."""
    loop.run_forever()
    if left := asyncio.all_tasks(loop):
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left))
    loop.close()


class ClusterEnvironment(Environment):
    """Counterpart of `tests.deep.crash.environment`, which is for one machine, on a cluster."""

    def __init__(self, folder: Path, mutant: str = "") -> None:
        super().__init__(folder)
        self.data.mkdir()
        self.stack = ExitStack()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=run_loop, args=(self.loop,), daemon=True)
        self.thread.start()
        self.cluster, self.routes = NatsCluster(folder / "bus"), Routes()
        self.doors = [free_port() for _ in DOORS]
        self.turn = 0
        self.may_read_stale = threading.Event()
        self.environ |= {
            CLUSTER_MUTANT: mutant,
            CLOCK: str(folder / "clock"),
            "LOA_NATS_REPLICAS": "3",
            "LOA_HTTP_PORT": "0",
            "LOA_PORTAL_READ_BACK": "0",
        }
        self.services: dict[str, Service] = {}
        self.watching: Bus | None = None

    def __exit__(self, *_: object) -> None:
        for service in self.services.values():
            service.kill()
        if self.watching:
            self.do(self.watching.close())
        self.cluster.end()
        self.call(self.routes.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.stack.close()
        super().__exit__()

    # --- the servers

    def begin_cluster(self) -> None:
        """Start the servers, with a proxy in front of each one's routes."""
        for name in SERVERS:
            server = self.cluster.add(name)
            server.proxy = free_port()
            if requirements.can_mount():
                self.stack.enter_context(requirements.small_disk(server.folder, DISK))
        self.do(self.routes.listen(self.cluster.servers.values()))
        for name in SERVERS:
            self.cluster.start(name)
        self.do(until_usable(self.cluster, len(SERVERS)))
        self.environ["LOA_NATS_URL"] = self.cluster.url
        self.watching = self.do(self.connect())

    def do(self, work: Coroutine[Any, Any, T], patience_s: float = PATIENCE_S) -> T:
        """Do something in the loop of the cluster's proxies."""
        doing = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return doing.result(patience_s)
        except TimeoutError:
            doing.cancel()
            raise CampaignFailed(f"{work.__qualname__} took more than {patience_s} s") from None

    def call(self, work: Callable[[], None]) -> None:
        """As `do`, for what waits for nothing."""

        async def called() -> None:
            work()

        self.do(called())

    async def connect(self) -> Bus:
        return await Bus.connect(self.cluster.url, name="crash", patience_s=PATIENCE_S, replicas=3)

    def leader_of(self, stream: str) -> str:
        return self.do(self.cluster.leader_of(self.watching, stream))

    def meta_leader(self) -> str:
        """The server that leads the cluster itself."""
        _, page = self.do(fetch_page(self.cluster.servers["n1"].monitor_url, "/jsz"))
        return str(page["meta_cluster"]["leader"])

    def until_whole(self) -> None:
        """Wait until every server has everything, and every service is ready."""
        self.do(self.cluster.until_all_current(self.watching))
        wait(self.all_ready, "every service to be ready")

    # --- the services

    def begin_services(self) -> None:
        """Make the streams and the key, then start all; each worker has a folder of its own."""
        if self.run("bus", "apply"):
            raise CampaignFailed("loa bus apply fails")
        self.do(self.cluster.until_all_current(self.watching))
        for name in FIRST:
            self.add(name, self.data)
            wait(self.all_ready, f"{name} to be ready")
        for name in (*OTHERS, *DOORS):
            self.add(name, self.data)
        for name in WORKERS:
            own = self.folder / name / "data"
            own.mkdir(parents=True)
            copy(self.data / "vault.key", own)
            self.add(name, own)
        wait(self.all_ready, "every service to be ready")

    def add(self, name: str, data: Path) -> None:
        clock = self.folder / f"{name}.clock"
        set_ahead(clock, 0.0)
        own = {CLOCK: str(clock), "LOA_DATA_DIR": str(data)}
        if name in DOORS:
            own["LOA_HTTP_PORT"] = str(self.doors[DOORS.index(name)])
        self.services[name] = Service(name, self.environ | own, self.folder / f"{name}.log")
        self.services[name].start()

    def all_ready(self) -> bool:
        self.tend()
        return all(service.is_ready for service in self.services.values())

    def tend(self) -> None:
        """Start again what has ended by itself, as a machine's service manager does."""
        for service in self.services.values():
            if service.has_ended and not service.held:
                assert service.process
                service.ends.append(service.process.exitcode)
                service.start()

    def note(self) -> None:
        """Something that explains a doubt happened now."""
        self.killed.append(time.time())

    def stop(self) -> int | None:
        """SIGTERM to all; the first exit code that is not 0."""
        processes = [one.process for one in self.services.values() if one.process]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(PATIENCE_S)
        return next((one.exitcode for one in processes if one.exitcode), 0)

    # --- the doors and the bus

    def post_at(self, door: int, event: dict[str, Any], key: str) -> int:
        """As `post`, at one certain door."""
        head = {"Authorization": f"Bearer {key}", "Content-Type": CONTENT_TYPE}
        return self.request_at(door, "/v1/events", json.dumps(event).encode(), head)

    def request(self, path: str, body: bytes, head: dict[str, str]) -> int:
        """As ever; where one door does not answer, the next one is asked the next time."""
        status = self.request_at(self.turn, path, body, head)
        if not status or status >= 500:
            self.turn = (self.turn + 1) % len(DOORS)
        return status

    def request_at(self, door: int, path: str, body: bytes, head: dict[str, str]) -> int:
        return status_of(f"http://127.0.0.1:{self.doors[door]}{path}", body, head, ANSWER_S)

    def on_bus(self, work: Callable[[Bus], Awaitable[T]]) -> T | None:
        """Do something on the bus, while nothing is wrong with it."""

        async def connected() -> T:
            async with await self.connect() as bus:
                seal_people(bus, KeyFile.open(self.data / "vault.key"))
                await use_key(bus, self.data)
                return await work(bus)

        return asyncio.run(connected())
