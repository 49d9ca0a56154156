"""Shared fixtures, each named after what it builds."""

from functools import partial
from types import SimpleNamespace

import pytest

from consumers.app import instance
from consumers.cli import progress
from consumers.dead_letters.decisions import DeadLetterDecisions
from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.handler import Intake
from consumers.ledger.store import Ledger
from contracts.vocabulary import DEFAULT
from producers.bus import Bus, topology
from producers.spool import Spool
from sandbox.zalo import server
from tests.support.bounce_pipeline import READERS, BouncePipeline, refusal
from tests.support.canary_harness import CanaryHarness
from tests.support.case_pipeline import CasePipeline
from tests.support.check_harness import CheckHarness
from tests.support.clock import FakeClock
from tests.support.delivery_pipeline import DeliveryPipeline, new_delivery_pipeline
from tests.support.desk_app import DeskApp
from tests.support.digest_pipeline import open_digest_pipeline
from tests.support.directory_harness import DirectoryHarness
from tests.support.email_pipeline import EmailPipeline
from tests.support.events import register_unit
from tests.support.gateway_client import open_gateway
from tests.support.hostile_portal import hostile_portal
from tests.support.import_pipeline import open_import_pipeline
from tests.support.import_planner import ImportPlanner
from tests.support.intake_harness import IntakeHarness
from tests.support.lease_harness import new_lease_harness
from tests.support.loa_process import RelayProcess
from tests.support.nats_cluster import started_cluster
from tests.support.notice_case import open_notice_case
from tests.support.sandbox_client import open_sandbox_client
from tests.support.scripted_channel import StaticReaders, reader_ids
from tests.support.signup_app import NOON, SignupApp
from tests.support.version_before import export_before
from tests.support.watched_gate import WatchedGate
from tests.support.zalo_account import MemoryKeyValueStore, open_zalo_account
from tests.support.zalo_events import open_zalo_events
from tests.support.zalo_notices import open_zalo_notices
from tests.support.zalo_pipeline import open_zalo_pipeline


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three servers in one cluster; a test starts again what it has ended."""
    with started_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def cluster_bus(cluster):
    """A connection to `cluster`, which holds the topology three times."""
    async with await Bus.connect(cluster.url, name="test", replicas=3) as bus:
        await topology.apply(bus)
        await cluster.until_all_current(bus)
        yield bus


@pytest.fixture
def no_bus_soon(monkeypatch):
    """Commands look for a bus, which is not there, for a moment only."""
    monkeypatch.setattr(instance, "PROBE_TIMEOUT_S", 0.1)


@pytest.fixture
def reported(monkeypatch):
    """The kinds of work that commands report to their bars, as on a terminal."""
    kinds: list[str] = []
    terminal = SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(progress, "sys", terminal)
    monkeypatch.setattr(progress.ProgressBars, "report", lambda _bars, kind, *_: kinds.append(kind))
    return kinds


@pytest.fixture
async def zalo_account(tmp_path, clock):
    async with open_zalo_account(tmp_path, clock) as account:
        yield account


@pytest.fixture
async def sandbox(tmp_path):
    running = await server.start("127.0.0.1", 0, tmp_path / "zalo")
    yield running
    await running.close()


@pytest.fixture
async def sandbox_client(tmp_path, clock):
    async with open_sandbox_client(tmp_path, clock) as zalo:
        yield zalo


@pytest.fixture
async def zalo_notices(tmp_path, clock):
    async with open_zalo_notices(tmp_path, clock) as notices:
        yield notices


@pytest.fixture
async def zalo_pipeline(bus, tmp_path, clock):
    async with open_zalo_pipeline(bus, tmp_path, clock) as pipeline:
        yield pipeline


@pytest.fixture
async def zalo_events(bus, tmp_path, clock):
    async with open_zalo_events(bus, tmp_path, clock) as harness:
        yield harness


@pytest.fixture
def signup_app(bus, tmp_path):
    return SignupApp(bus, tmp_path, FakeClock(NOON.timestamp()))


@pytest.fixture
async def case_pipeline(bus, clock, tmp_path):
    async with open_gateway(bus, clock) as door:
        yield CasePipeline(bus, door, tmp_path, clock)


@pytest.fixture
async def digests(bus, tmp_path):
    async with open_digest_pipeline(bus, tmp_path) as pipeline:
        yield pipeline


@pytest.fixture
def delivery_pipeline(bus, tmp_path):
    return partial(new_delivery_pipeline, bus, tmp_path)


@pytest.fixture
def new_harness(bus, tmp_path):
    return partial(new_lease_harness, bus, tmp_path)


@pytest.fixture
def ledger(bus):
    return Ledger(bus)


@pytest.fixture
async def intake(bus: Bus, clock: FakeClock) -> Intake:
    await register_unit(bus)
    return Intake(bus, DEFAULT, clock)


@pytest.fixture
def intake_harness(bus, clock):
    return IntakeHarness(bus, clock)


@pytest.fixture
async def imports(bus, clock):
    async with open_import_pipeline(bus, clock) as pipeline:
        yield pipeline


@pytest.fixture
def planner():
    return ImportPlanner()


@pytest.fixture
def new_email_pipeline(bus, tmp_path):
    return lambda port, count=30, **changes: EmailPipeline(bus, tmp_path, count, port, **changes)


@pytest.fixture
def new_bounce_pipeline(bus, tmp_path):
    async def new_pipeline(count: int = 2, **provider) -> BouncePipeline:
        loa = BouncePipeline(bus, tmp_path, count, **provider)
        await loa.add_readers()
        return loa

    return new_pipeline


@pytest.fixture(scope="session")
def code_before(tmp_path_factory):
    return export_before(tmp_path_factory.mktemp("before"))


@pytest.fixture
def relay(tmp_path):
    with RelayProcess(tmp_path) as relay:
        yield relay


@pytest.fixture
def canaries(bus, tmp_path):
    return CanaryHarness(bus, tmp_path)


@pytest.fixture
async def check_harness(bus, tmp_path):
    harness = await CheckHarness(bus, tmp_path).open()
    yield harness
    await harness.close()


@pytest.fixture
def pipeline(bus, tmp_path):
    return DeliveryPipeline(bus, tmp_path / "slots", StaticReaders(reader_ids(1203)))


@pytest.fixture
def gate(bus, clock):
    return WatchedGate(bus, clock)


@pytest.fixture
def token_vault():
    return MemoryKeyValueStore()


@pytest.fixture
def letters(bus: Bus) -> DeadLetterStore:
    return DeadLetterStore(bus)


@pytest.fixture
def decisions(letters: DeadLetterStore) -> DeadLetterDecisions:
    return DeadLetterDecisions(letters)


@pytest.fixture
def subscriber_bucket(bus: Bus) -> DirectoryHarness:
    return DirectoryHarness(bus)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
async def notice_case(bus, clock, tmp_path):
    async with open_notice_case(bus, tmp_path, clock) as case:
        yield case


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory):
    return hostile_portal(tmp_path_factory.mktemp("portal"))


@pytest.fixture
def bounce_pipeline(bus, tmp_path):
    """A list of which every eighth address is refused at once."""
    loa = BouncePipeline(bus, tmp_path, READERS, connections=8)
    gone = loa.readers.ids[::8]
    loa.answers = dict.fromkeys(gone, refusal("5.1.1")) | {gone[0]: refusal("5.2.2")}
    return loa


@pytest.fixture
def desk(bus, clock) -> DeskApp:
    return DeskApp(bus, clock)
