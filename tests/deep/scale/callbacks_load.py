"""Case notices by mail beside callbacks to a slow system: does a reader wait longer for them?

    python -m tests.deep.scale.callbacks_load --notices 100 --rounds 3

Each round sends notices alone, and as many beside 1,000 callbacks, in turn, in one `loa up`. Ratios
are those of one round. Numbers are printed; only callbacks that did not last for all of a round's
notices end it with exit code 1.
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

from bench import letter, loa
from bench.parts.notice import PREFIX, told
from bench.server import Server
from bench.watcher import Watcher
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from producers.bus import Bus
from tests.deep.crash.campaign import log_errors_only
from tests.support.loa_process import wait_until

CALLBACKS = 1000
SLOW_S = 0.2
"""How long the system takes for an answer; it is called over four connections."""
PATIENCE_S = 600.0
NUMBERS = count()


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


def notices(server: Server, relay: Watcher, number: int) -> list[float]:
    """Milliseconds from the POST to the mail of each."""
    return [1000 * told(server, relay, next(NUMBERS)) for _ in range(number)]


def beside(server: Server, relay: Watcher, system: SlowSystem, number: int) -> list[float]:
    """The same while callbacks are under way."""
    system.hurries.clear()
    wanted = system.taken + CALLBACKS
    asyncio.run(tell(server))
    found = notices(server, relay, number)
    say(f"{wanted - system.taken} callbacks are still under way behind the notices")
    if system.taken >= wanted:
        raise SystemExit("the callbacks were over before the notices")
    system.hurries.set()
    wait_until(lambda: system.taken >= wanted, PATIENCE_S)
    return found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]


def one_round(number: int, parts: dict[str, Callable[[], list[float]]]) -> tuple[float, float]:
    """The ratios of p50 and p95; which part is first changes from round to round."""
    names = [*parts][:: 1 if number % 2 else -1]
    found = {name: parts[name]() for name in names}
    for name, took in found.items():
        half = statistics.median(took)
        say(f"round {number}, {name}: p50 {half:.1f} ms, p95 {p95(took):.1f} ms")
    alone, more = found["alone"], found["beside"]
    return statistics.median(more) / statistics.median(alone), p95(more) / p95(alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notices", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    log_errors_only()
    with (
        slow_system() as system,
        Watcher(prefix=PREFIX) as relay,
        loa.up("callbacks", relay.port, {"LOA_CALLBACKS_ALLOW": system.host}) as server,
    ):
        asyncio.run(add_endpoint(server, system))
        notices(server, relay, 10)
        parts = {
            "alone": partial(notices, server, relay, given.notices),
            "beside": partial(beside, server, relay, system, given.notices),
        }
        found = [one_round(number, parts) for number in range(1, given.rounds + 1)]
    for name, ratios in zip(("p50", "p95"), zip(*found, strict=True), strict=True):
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}, n = {given.rounds} x {given.notices}"
        half = statistics.median(ratios)
        say(f"{name} beside {CALLBACKS} callbacks by {name} alone: {half:.2f}x ({spread})")


if __name__ == "__main__":
    main()
