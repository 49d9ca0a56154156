"""Fixtures of all tests: a real nats-server, a bus with a fresh topology, a clock."""

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
import structlog
import uvicorn

import channels.portal.readback
import consumers.app.instance
import consumers.cli.check
import consumers.desk.operations
import consumers.desk.release.mail_reach
import consumers.desk.sqlite_copy.rounds
import consumers.status.facts
import consumers.zalo.event_publisher
import producers.acceptance
from consumers.app import process
from consumers.check.context import CheckContext
from contracts.subjects import STREAMS
from producers.bus import Bus, topology
from producers.nats_server import NatsServer, find_binary
from tests.support.browser import browser  # noqa: F401 - a fixture
from tests.support.cli import InProcessCli
from tests.support.clock import FakeClock
from tests.support.made_once import remembering

gc.disable()  # a collection makes a million objects, all of which stay
pytest_plugins = ["tests.support.fixtures"]
hypothesis.settings.register_profile(
    "loa",  # the same examples in each run, and no test asserts wall-clock time
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("loa")
NEEDS_A_BUS = {"nats_server", "own_server", "other_server"}
DEEP = Path(__file__).parent / "deep"
LONGEST = (
    "browser/test_desk_journey.py",
    "crash/test_campaign.py",
    "process/test_several_workers.py",
    "exhaustive/test_carried_out_stories.py",
    "upgrade/test_rolling.py",
    "process/test_several_zalo_workers.py",
    "browser/test_docs_page.py",
    "browser/test_hostile_text.py",
    "cluster/test_mutants.py",
    "cluster/test_growth_under_load.py",
    "model/test_model.py",
    "faults/test_torn_reads.py",
    "browser/test_desk_screens.py",
    "browser/test_desk_keyboard.py",
    "browser/test_desk_operations.py",
    "crash/test_desk_room.py",
    "upgrade/test_data.py",
    "process/test_bench.py",
    "attack/test_markdown_bombs.py",
    "attack/test_unit_accounts.py",
    "cluster/test_campaign.py",
    "process/test_several_relays.py",
    "reports/test_year.py",
    "attack/test_fuzzed_desk.py",
    "browser/test_subscriber_pages.py",
    "process/test_callbacks.py",
    "process/test_status.py",
    "crash/test_mutants.py",
    "process/test_kill.py",
    "faults/test_two_saves.py",
    "attack/test_hostile_uploads.py",
    "exhaustive/test_item_rights.py",
    "power/test_portal_power_cut.py",
    "process/test_bulletin_issues.py",
    "browser/test_oidc_journey.py",
    "browser/test_subscriber_journey.py",
    "process/test_several_doors.py",
    "process/test_split_services.py",
)
"""Deep files of about a minute and more, the longest first: in this order they begin."""
DEEP_TIMEOUT_S = 600
"""Before that no deep test counts as hung: on a busy machine each may take many times as long."""


def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than cores, because tests wait for servers a third of their time."""
    return (os.cpu_count() or 1) + 2


def memory_folder() -> str | None:
    """Linux's folder in memory, with at least 4 GiB free; else None, and tests use the disk."""
    folder = Path("/dev/shm")
    is_roomy = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 4 << 30
    return str(folder) if is_roomy else None


def pytest_configure() -> None:
    """Put the tests' folders into memory: on a disk, files are half of a run's work.

    Every nats-server of a run collects garbage seldom: else that is a fifth of its work.
    """
    os.environ.setdefault("GOGC", "400")
    if folder := memory_folder():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each worker collect from another place on: one rewrites asserts, the others read that.

    In a fresh clone they would all rewrite the same file at the same time.
    """
    report = yield
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if isinstance(collector, pytest.Directory):
        start = len(report.result) * number // count
        report.result = [*report.result[start:], *report.result[:start]]
    return report


def deep_turns(paths: set[Path]) -> dict[Path, float]:
    """When each deep file's turn is: the longest below 0 in their order, the others from 0 to 1.

    Every folder has its share at any time, because some folders wait and others compute.
    """
    folders: dict[Path, list[Path]] = {}
    for path in sorted(path for path in paths if path.is_relative_to(DEEP)):
        folders.setdefault(path.parent, []).append(path)
    shares = {
        path: number / len(folder)
        for folder in folders.values()
        for number, path in enumerate(folder)
    }
    first = {DEEP / name: number - len(LONGEST) for number, name in enumerate(LONGEST)}
    return {path: first.get(path, share) for path, share in shares.items()}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder and fixtures: deep, integration or unit.

    The end-to-end test is the longest: it runs first, so that no worker waits for it at the end.
    """
    tests, turns = Path(__file__).parent, deep_turns({item.path for item in items})
    items.sort(
        key=lambda item: (item.path.parent != tests, turns.get(item.path, 0.0), str(item.path))
    )
    for item in items:
        if item.path in turns:
            item.add_marker("deep")
            limit = item.get_closest_marker("timeout")
            longest = max(DEEP_TIMEOUT_S, limit.args[0] if limit else 0)
            item.add_marker(pytest.mark.timeout(longest), append=False)
        elif NEEDS_A_BUS & set(getattr(item, "fixturenames", ())):
            item.add_marker("integration")
        else:
            item.add_marker("unit")


def pytest_collection_finish() -> None:
    """Search for garbage as Loa itself does: seldom, and never in what the collection made."""
    gc.enable()
    process._spare_collections()


@pytest.fixture(scope="session", autouse=True)
def made_once() -> Iterator[None]:
    """Compile each template once a run, and make the gateway's documentation once.

    Most tests make Jinja environments and gateways of their own. httpx2 looks for `sniffio`, which
    is not installed, in every folder at every request.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sniffio", None)
        for owner, name, remembers in remembering():
            patch.setattr(owner, name, remembers)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_ticks() -> Iterator[None]:
    """Let uvicorn look 20 times as often whether it is to end, and whether its connections have.

    By its own 0.1 s every web server of a test takes 0.2 s to end.
    """
    quick = SimpleNamespace(**vars(asyncio) | {"sleep": lambda s: asyncio.sleep(s / 20)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", quick)
        yield


PATIENCE_S = 20.0
_PEOPLE_WAIT = {
    channels.portal.readback: "_PATIENCE_S",
    consumers.app.instance: "PROBE_TIMEOUT_S",
    consumers.desk.sqlite_copy.rounds: "_WAIT_S",
    consumers.desk.operations: "_WAIT_S",
    consumers.desk.release.mail_reach: "_PATIENCE_S",
    consumers.status.facts: "_DISK_PATIENCE_S",
    consumers.zalo.event_publisher: "PUBLISH_PATIENCE_S",
    producers.acceptance: "ANSWER_TIMEOUT_S",
}
"""Where Loa goes on after a second or two without what it asked for."""


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Let no test fail because this machine was busy for a second; one of silence sets its own."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in _PEOPLE_WAIT.items():
            patch.setattr(module, name, PATIENCE_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def second_looks_at_once() -> Iterator[None]:
    """Let `loa check` look again at once: in the test's process no Loa is at work meanwhile."""
    at_once = partial(CheckContext, recheck_after_s=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.cli.check, "CheckContext", at_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Log failures without rich's frames and colours, which cost more than the failures."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One real server for the whole run. Its loop is idle between start and stop.

    It stores in memory where there is room; tests of what an fsync promises have their own.
    """
    with (
        tempfile.TemporaryDirectory(prefix="loa-nats-", dir=memory_folder()) as folder,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        server = NatsServer(Path(folder))
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to a server that holds the topology, and nothing else."""
    async with await Bus.connect(nats_server.url, name="test") as bus:
        await reset_streams(bus)
        yield bus


@pytest.fixture
def loa(
    bus: Bus, nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> InProcessCli:
    """The `loa` command on the test's bus, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return InProcessCli({"LOA_NATS_URL": nats_server.url, "LOA_DATA_DIR": str(tmp_path)})


FRESH: dict[str, Any] = {}
"""The state of each stream on a fresh server."""


async def reset_streams(bus: Bus) -> None:
    """Make every stream anew that a test has used; nothing is left of it, nor of foreign ones.

    If all were used, one more stream stays all the while: behind the last one, the server removes
    the folder in which we already create the next.
    """
    if not FRESH:
        await topology.apply(bus)
        FRESH.update(await stream_states(bus))
        return
    api, found = bus.connection.api_request, await stream_states(bus)
    used = {name for name in FRESH.keys() | found.keys() if FRESH.get(name) != found.get(name)}
    if meanwhile := used >= FRESH.keys():
        await api("STREAM.CREATE.MEANWHILE", {"name": "MEANWHILE", "subjects": ["meanwhile"]})
    await asyncio.gather(*(api(f"STREAM.DELETE.{name}") for name in used & found.keys()))
    await asyncio.gather(*(create_stream(bus, name) for name in used & FRESH.keys()))
    if meanwhile:
        await api("STREAM.DELETE.MEANWHILE")


WANTED = topology.wanted_configs()
CONSUMERS = {
    stream.name: [topology.consumer_config(one) for one in stream.consumers] for stream in STREAMS
}


async def create_stream(bus: Bus, name: str) -> None:
    """Create a stream as `topology.apply` does, which would ask for all others, too."""
    api = bus.connection.api_request
    await api(f"STREAM.CREATE.{name}", WANTED[name])
    for config in CONSUMERS.get(name, ()):
        query = {"stream_name": name, "config": config, "action": "create"}
        await api(f"CONSUMER.CREATE.{name}.{config['name']}", query)


async def stream_states(bus: Bus) -> dict[str, tuple[Any, int, int]]:
    """By stream: its configuration, number of consumers and last sequence."""
    infos = (await bus.connection.api_request("STREAM.LIST"))["streams"] or []
    return {
        info["config"]["name"]: (
            info["config"],
            info["state"]["consumer_count"],
            info["state"]["last_seq"],
        )
        for info in infos
    }


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of the test's own, to kill and to freeze; watched much more closely than usual."""
    async with NatsServer(tmp_path / "own-nats", check_s=0.1) as server:
        yield server


@pytest.fixture
async def own_bus(own_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection to `own_server`, which holds the topology."""
    async with await Bus.connect(own_server.url, name="test") as bus:
        await topology.apply(bus)
        yield bus


@dataclass
class OtherServer:
    """A nats-server that Loa has not started."""

    store: Path
    process: subprocess.Popen[bytes]

    def __post_init__(self) -> None:
        said = self._ports()
        self.url, self.monitor_url = said["nats"][0], said["monitoring"][0]

    def reload(self, settings: str) -> None:
        """New settings; the port stays."""
        _configure(self.store, settings, port=int(self.url.rpartition(":")[2]))
        self.process.send_signal(signal.SIGHUP)

    def _ports(self) -> dict[str, list[str]]:
        path = self.store / f"nats-server_{self.process.pid}.ports"
        while self.process.poll() is None:
            try:
                return json.loads(path.read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.005)
        raise RuntimeError("nats-server ended")


def _configure(store: Path, settings: str, port: int) -> None:
    quoted = json.dumps(str(store))
    common = f'listen: "127.0.0.1:{port}"\nhttp: "127.0.0.1:-1"\nports_file_dir: {quoted}\n'
    (store / "other.conf").write_text(common + settings.replace("STORE", quoted))


@pytest.fixture
def other_server(tmp_path: Path) -> Callable[[str], AbstractContextManager[OtherServer]]:
    """`with other_server(settings) as other:` where STORE in the settings is a fresh folder."""

    @contextmanager
    def other_server(settings: str) -> Iterator[OtherServer]:
        _configure(tmp_path, settings, port=-1)
        command = [find_binary(), "-c", tmp_path / "other.conf"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                yield OtherServer(tmp_path, process)
            finally:
                process.terminate()

    return other_server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
