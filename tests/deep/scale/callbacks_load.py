"""Case notices by mail beside callbacks to a slow system: does a reader wait longer for them?

    python -m tests.deep.scale.callbacks_load --notices 30 --rounds 3

Each round sends notices alone, and as many beside 1,000 callbacks, in turn, in one `loa up`. Ratios
are those of one round. Beside the times, which other work on the machine spoils, it tells what a
callback costs that does not wait: processor time, and messages that the bus stores and syncs.
Numbers are printed; only callbacks that did not last for all of a round's notices end it with exit
code 1.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread
from typing import NamedTuple, Self

from bench import letter, loa, processes
from bench.parts.notice import PREFIX, told
from bench.server import Server
from bench.watcher import Watcher
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from producers.bus import Bus
from tests.conftest import stream_states
from tests.deep.crash.campaign import log_errors_only
from tests.support.loa_process import wait_until

CALLBACKS = 1000
SLOW_S = 0.2
"""How long the system takes for an answer; it is called over four connections."""
PATIENCE_S = 600.0
NOTICES_HELP = "In each part; the door takes 200 of a unit at once from all rounds together."
NUMBERS = count()
FIGURES = (
    *(f"{name} beside {CALLBACKS} callbacks by {name} alone" for name in ("p50", "p95")),
    "ms of Loa's processor time for a callback",
    "ms of the bus's processor time for a callback",
    "messages stored for a callback",
)


class SlowSystem(ThreadingHTTPServer):
    """A unit's system on this machine. While `hurries` is set it answers at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.hurries, self.taken = Event(), 0
        self.host = f"127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SlowSystem

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hurries.wait(SLOW_S)
        self.server.taken += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: thousands are answered."""


@contextmanager
def slow_system() -> Iterator[SlowSystem]:
    with SlowSystem() as system:
        Thread(target=system.serve_forever, daemon=True).start()
        yield system
        system.shutdown()


async def add_endpoint(server: Server, system: SlowSystem) -> None:
    async with await Bus.connect(server.nats_url, name="load") as bus:
        await loa.use_key(bus, server.folder)
        cipher = EndpointCipher(KeyFile.open(server.folder / "vault.key").derive)
        parts = EndpointStore(bus), StatusStore(bus), cipher, lambda _: None, time.time
        admin = EndpointAdministration(*parts)
        await admin.add(letter.UNIT, f"http://{system.host}/loa", (), "it@example.gov.vn")


async def tell(server: Server) -> None:
    """Facts about as many items; the callbacks begin meanwhile."""
    async with await Bus.connect(server.nats_url, name="load") as bus:
        await loa.use_key(bus, server.folder)
        statuses, about = StatusStore(bus), {"unit": letter.UNIT, "kind": StatusKind.ACCEPTED}
        for _ in range(CALLBACKS):
            item = f"tin-{next(NUMBERS)}"
            fact = ContentStatus(content_id=item, revision=1, at=datetime.now(UTC), **about)
            await statuses.tell([status_fact(fact)])


class Cost(NamedTuple):
    """Spent so far: processor time of Loa and of its bus, stored messages, callbacks."""

    loa_ms: float
    bus_ms: float
    stored: int
    callbacks: int

    @classmethod
    def of(cls, server: Server, system: SlowSystem) -> Self:
        own, bus = processes.used(*server.pids)
        return cls(own.cpu_s * 1e3, bus.cpu_s * 1e3, asyncio.run(stored(server)), system.taken)

    def since(self, before: Self) -> Self:
        return type(self)(*(now - then for now, then in zip(self, before, strict=True)))


async def stored(server: Server) -> int:
    """How many messages the bus has stored, each of them synced."""
    async with await Bus.connect(server.nats_url, name="load") as bus:
        return sum(last for _, _, last in (await stream_states(bus)).values())


class Part(NamedTuple):
    """Milliseconds from the POST to the mail of each notice, and the cost meanwhile."""

    took: list[float]
    cost: Cost


def notices(server: Server, relay: Watcher, system: SlowSystem, number: int) -> Part:
    """Send notices one after another."""
    before = Cost.of(server, system)
    took = [1000 * told(server, relay, next(NUMBERS)) for _ in range(number)]
    return Part(took, Cost.of(server, system).since(before))


def alone(server: Server, relay: Watcher, system: SlowSystem, number: int) -> Part:
    processes.settle(*server.pids)
    return notices(server, relay, system, number)


def beside(server: Server, relay: Watcher, system: SlowSystem, number: int) -> Part:
    """The same while callbacks are under way."""
    processes.settle(*server.pids)
    system.hurries.clear()
    wanted = system.taken + CALLBACKS
    asyncio.run(tell(server))
    found = notices(server, relay, system, number)
    say(f"{wanted - system.taken} callbacks are still under way behind the notices")
    if system.taken >= wanted:
        raise SystemExit("the callbacks were over before the notices")
    system.hurries.set()
    wait_until(lambda: system.taken >= wanted, "the callbacks", PATIENCE_S)
    return found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]


def one_round(number: int, parts: dict[str, Callable[[], Part]]) -> tuple[float, ...]:
    """The ratios of p50 and p95, and the cost of a callback; the parts are first in turn."""
    names = [*parts][:: 1 if number % 2 else -1]
    found = {name: parts[name]() for name in names}
    for name, (took, cost) in found.items():
        spent = ", ".join(
            f"{part} {spent / len(took):.1f}" for part, spent in cost._asdict().items()
        )
        say(f"round {number}, {name}: p50 {statistics.median(took):.1f} ms, p95 {p95(took):.1f} ms")
        say(f"round {number}, {name}, for each notice: {spent}")
    less, more = found["alone"], found["beside"]
    extra = more.cost.since(less.cost)
    each = [part / extra.callbacks for part in (extra.loa_ms, extra.bus_ms, extra.stored)]
    halves = statistics.median(more.took) / statistics.median(less.took)
    return halves, p95(more.took) / p95(less.took), *each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notices", type=int, default=30, help=NOTICES_HELP)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    log_errors_only()
    with (
        slow_system() as system,
        Watcher(prefix=PREFIX) as relay,
        loa.up("callbacks", relay.port, {"LOA_CALLBACKS_ALLOW": system.host}) as server,
    ):
        asyncio.run(add_endpoint(server, system))
        notices(server, relay, system, 10)
        parts = {
            "alone": partial(alone, server, relay, system, given.notices),
            "beside": partial(beside, server, relay, system, given.notices),
        }
        found = [one_round(number, parts) for number in range(1, given.rounds + 1)]
    for name, values in zip(FIGURES, zip(*found, strict=True), strict=True):
        spread = f"{min(values):.2f} to {max(values):.2f}, n = {given.rounds} x {given.notices}"
        say(f"{name}: {statistics.median(values):.2f} ({spread})")


if __name__ == "__main__":
    main()
