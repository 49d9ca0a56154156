"""Faults in a run of `make cluster-crash`: each begins, holds, and is healed."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import NamedTuple

from contracts import subjects
from tests.deep.cluster.environment import (
    DOORS,
    FIRST,
    OTHERS,
    SERVERS,
    WORKERS,
    ClusterEnvironment,
    Service,
)
from tests.deep.cluster.launch import set_ahead
from tests.deep.crash.setup import BIG
from tests.deep.crash.workload import SentEvent, Workload
from tests.support import requirements
from tests.support.frozen_process import freeze

BUSY_S, IN_A_LETTER_S = 5.0, 0.3
META = "_meta_"
LED = (
    *(f"KV_{bucket.name}" for bucket in (subjects.EVENTS, subjects.LEDGER, subjects.PUBLISHED)),
    *(stream.name for stream in (subjects.CONTENT, subjects.PUBLICATIONS, subjects.DELIVER)),
    META,
)
"""Whose leaders are struck: what accepting, planning and delivering write to, and the cluster's."""
STEP_S = 4.0
"""How far a clock jumps: less than the margin of a lease, 5 s."""


@dataclass
class Stage:
    """Where a fault happens."""

    environment: ClusterEnvironment
    rng: random.Random
    work: Workload
    long: SentEvent = field(init=False)

    def leader(self) -> str:
        stream = self.rng.choice(LED)
        if stream == META:
            return self.environment.meta_leader()
        return self.environment.leader_of(stream)

    def follower(self) -> str:
        """A server that does not lead the stream, or the meta group, that is drawn."""
        leader = self.leader()
        return self.rng.choice([name for name in SERVERS if name != leader])

    def service(self, names: tuple[str, ...]) -> Service:
        return self.environment.services[self.rng.choice(names)]

    def busy_worker(self) -> Service:
        """A worker that sends right now, if one takes up a long letter soon."""
        self.long = self.work.item("email", topic=BIG, lane="bulk")
        self.work.repeat()
        end = time.monotonic() + BUSY_S
        while time.monotonic() < end:
            for name in WORKERS:
                if self.long.content_id in self.environment.services[name].batches:
                    time.sleep(self.rng.uniform(0.0, IN_A_LETTER_S))
                    return self.environment.services[name]
            time.sleep(0.005)
        return self.service(WORKERS)

    def correct_letter(self) -> None:
        """Correct the long letter: its batches are halted."""
        if self.long.accepted:
            self.work.correction(self.long)
            self.work.repeat()


Way = Callable[[Stage], AbstractContextManager[None]]


class Fault(NamedTuple):
    """How it is done, and between how many seconds it holds."""

    way: Way
    holds_s: tuple[float, float]
    weight: int = 1


# --- of servers


def killed(stage: Stage, *names: str) -> AbstractContextManager[None]:
    return _killed(stage.environment, names)


@contextmanager
def _killed(environment: ClusterEnvironment, names: tuple[str, ...]) -> Iterator[None]:
    for name in names:
        environment.cluster.servers[name].kill()
    yield
    for name in names:
        environment.cluster.start(name)


@contextmanager
def frozen(stage: Stage, *names: str) -> Iterator[None]:
    servers = [stage.environment.cluster.servers[name] for name in names]
    for server in servers:
        freeze(server.process.pid)
    yield
    for server in servers:
        server.send(signal.SIGCONT)


@contextmanager
def cut_off(stage: Stage, *pairs: tuple[str, str]) -> Iterator[None]:
    """No line between the two servers of each of *pairs*; clients reach all."""
    environment, silent = stage.environment, stage.rng.random() < 0.5
    environment.may_read_stale.set()
    for pair in pairs:
        environment.call(partial(environment.routes.cut, frozenset(pair), silent=silent))
    yield
    environment.call(environment.routes.heal)
    environment.may_read_stale.clear()


def cut_off_from_all(stage: Stage, name: str) -> AbstractContextManager[None]:
    return cut_off(stage, *((name, other) for other in SERVERS if other != name))


def cut_pair(stage: Stage) -> AbstractContextManager[None]:
    """A leader and one of its followers hear of each other by the third alone."""
    leader = stage.leader()
    other = stage.rng.choice([name for name in SERVERS if name != leader])
    return cut_off(stage, (leader, other))


@contextmanager
def full_disk(stage: Stage) -> Iterator[None]:
    """Its disk fills up; then the operator makes room, and starts it again."""
    cluster, name = stage.environment.cluster, stage.leader()
    ballast = requirements.fill(cluster.servers[name].folder)
    yield
    ballast.unlink()
    cluster.servers[name].kill()
    cluster.start(name)


@contextmanager
def emptied(stage: Stage) -> Iterator[None]:
    """It dies, and an empty one takes its name."""
    cluster, name = stage.environment.cluster, stage.rng.choice(SERVERS)
    cluster.servers[name].kill()
    yield
    cluster.replace_by_empty(name)


def lost_quorum(stage: Stage) -> AbstractContextManager[None]:
    """Two of three are away: nothing can be accepted meanwhile."""
    pair = stage.rng.choice([*combinations(SERVERS, 2)])
    return stage.rng.choice([killed, frozen])(stage, *pair)


# --- of Loa's processes: noted when they strike, for the batch that they strike may be a new one


@contextmanager
def service_killed(stage: Stage, service: Service) -> Iterator[None]:
    service.held = True
    service.kill()
    stage.environment.note()
    yield
    service.start()
    service.held = False


@contextmanager
def service_frozen(stage: Stage, service: Service) -> Iterator[None]:
    service.freeze()
    stage.environment.note()
    yield
    service.thaw()


@contextmanager
def worker_frozen(stage: Stage) -> Iterator[None]:
    """It hangs in the middle of a letter, which is then corrected."""
    with service_frozen(stage, stage.busy_worker()):
        stage.correct_letter()
        yield


@contextmanager
def clock_ahead(stage: Stage) -> Iterator[None]:
    """The clock of a worker jumps, forward or back, and back again."""
    clock = stage.service(WORKERS).clock
    set_ahead(clock, stage.rng.choice((-1, 1)) * stage.rng.uniform(1.0, STEP_S))
    stage.environment.note()
    yield
    set_ahead(clock, 0.0)


SERVER_FAULTS: dict[str, Fault] = {
    "kill-leader": Fault(lambda stage: killed(stage, stage.leader()), (0.5, 4.0), 8),
    "kill-follower": Fault(lambda stage: killed(stage, stage.follower()), (0.5, 4.0), 3),
    "freeze-leader": Fault(lambda stage: frozen(stage, stage.leader()), (2.0, 12.0), 4),
    "freeze-follower": Fault(lambda stage: frozen(stage, stage.follower()), (2.0, 12.0), 2),
    "cut-off-leader": Fault(lambda stage: cut_off_from_all(stage, stage.leader()), (3.0, 12.0), 4),
    "cut-off-follower": Fault(
        lambda stage: cut_off_from_all(stage, stage.follower()), (3.0, 12.0), 2
    ),
    "cut-pair": Fault(cut_pair, (3.0, 12.0), 3),
    "full-disk": Fault(full_disk, (2.0, 8.0), 2),
    "empty-server": Fault(emptied, (0.5, 2.0), 3),
    "lose-quorum": Fault(lost_quorum, (1.0, 8.0), 2),
    "lose-all": Fault(lambda stage: killed(stage, *SERVERS), (0.5, 2.0)),
}
PROCESS_FAULTS: dict[str, Fault] = {
    "kill-worker": Fault(lambda stage: service_killed(stage, stage.busy_worker()), (0.2, 3.0), 4),
    "freeze-worker": Fault(worker_frozen, (3.0, 16.0), 4),
    "kill-door": Fault(lambda stage: service_killed(stage, stage.service(DOORS)), (0.2, 3.0), 3),
    "freeze-door": Fault(lambda stage: service_frozen(stage, stage.service(DOORS)), (2.0, 8.0), 2),
    "kill-service": Fault(
        lambda stage: service_killed(stage, stage.service((*FIRST, *OTHERS))), (0.2, 3.0), 4
    ),
    "freeze-copy": Fault(
        lambda stage: service_frozen(stage, stage.service(("digests",))), (3.0, 8.0), 2
    ),
    "step-clock": Fault(clock_ahead, (0.5, 1.4), 3),
}
FAULTS = SERVER_FAULTS | PROCESS_FAULTS
