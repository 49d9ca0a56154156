"""How fast the HTTP door answers: to Markdown bombs, and to one unit while others flood it.

    python -m tests.deep.scale.door_load bombs --repeats 20
    python -m tests.deep.scale.door_load flood --peers 2000 --seconds 60

Each prints n, median, p99 and the greatest latency, and ends with 1 where p99 is over its target.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from contracts.envelope import MAX_EVENT_BYTES
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.deep.crash.setup import register_unit
from tests.support.loa_process import LoaProcess
from tests.support.markdown_bombs import BODY_MAX, BOMBS, mixed_bomb
from tests.support.seals import use_key

UNITS = [unit for unit, known in DEFAULT.units.items() if not known.until]
BOMB_TARGET_MS, EVENT_TARGET_MS = 50.0, 200.0
PER_UNIT = 190
"""Events that a unit may send at once; more are 429."""
PAUSE_S = 0.12
"""Between two events of the unit that sends as units do: below its limit of 10 a second."""
MIXED, SEED = 100, 29
FEED = b"GET /nguon-tin/tat-ca.rss HTTP/1.1\r\nHost: loa\r\n\r\n"
SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: loa\r\nX-Slow: "
FILES_MAX = 20_000
BYTES_MAX = MAX_EVENT_BYTES - 4_096
"""Of a body; a larger event is a 413."""
AT_ONCE = 4
"""Connections of the unit that floods."""


class Sender:
    """One unit on one connection that stays open."""

    def __init__(self, url: str, unit: str, key: str) -> None:
        parts = urlsplit(url)
        self.http = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self.unit = unit
        self.headers = {
            "Content-Type": "application/cloudevents+json",
            "Authorization": f"Bearer {key}",
        }

    def post(self, name: str, **data: Any) -> tuple[int, float]:
        """The status of one event, and how many milliseconds the answer took."""
        data = {"content_id": name, "channels": ["portal"], **data}
        event = sample("submitted", **data) | {"id": name, "source": f"/units/{self.unit}"}
        body = json.dumps(event | {"subject": name}, ensure_ascii=False).encode()
        began = time.perf_counter()
        try:
            status = self._answer(body)
        except ConnectionError:  # the server ends a connection that was idle
            self.http.close()
            status = self._answer(body)
        return status, 1000 * (time.perf_counter() - began)

    def _answer(self, body: bytes) -> int:
        self.http.request("POST", "/v1/events", body, self.headers)
        answer = self.http.getresponse()
        answer.read()
        return answer.status


@contextmanager
def running() -> Iterator[tuple[LoaProcess, list[Sender]]]:
    """A Loa of its own, and a sender for every unit."""
    with tempfile.TemporaryDirectory(prefix="loa-load-") as place, LoaProcess(Path(place)) as loa:
        keys = asyncio.run(register_all(loa))
        yield loa, [Sender(loa.ready().url, unit, key) for unit, key in keys.items()]


async def register_all(loa: LoaProcess) -> dict[str, str]:
    async with await Bus.connect(loa.ready().nats_url, name="load") as bus:
        await use_key(bus, loa.data)
        return {unit: await register_unit(bus, unit, "automatic") for unit in UNITS}


def report(what: str, found: Sequence[float], target_ms: float = 0.0) -> bool:
    """Print one line; whether p99 is within the target."""
    p99 = quantiles(found, n=100, method="inclusive")[98]
    verdict = ("reached" if p99 <= target_ms else "MISSED") if target_ms else "for comparison"
    figures = f"median {median(found):.1f} ms, p99 {p99:.1f} ms, max {max(found):.1f} ms"
    sys.stdout.write(f"{what}: n {len(found)}, {figures} ({verdict})\n")
    sys.stdout.flush()
    return not target_ms or p99 <= target_ms


# --- bombs


def all_bombs() -> dict[str, str]:
    """Known bombs in their greatest size, and mixtures of them, as far as the door refuses them."""
    random = Random(SEED)
    bodies = {name: bomb(BODY_MAX) for name, bomb in BOMBS.items()}
    bodies |= {f"mixture {n}": mixed_bomb(random, BODY_MAX) for n in range(MIXED)}
    fitting = {name: body for name, body in bodies.items() if len(body.encode()) < BYTES_MAX}
    return {name: body for name, body in fitting.items() if rendered_size(body) > RENDERED_MAX}


def bombs(repeats: int) -> bool:
    bodies = all_bombs()
    with running() as (_, senders):
        posts = [(name, body) for _ in range(repeats) for name, body in bodies.items()]
        if len(posts) > PER_UNIT * len(senders):
            raise SystemExit(f"at most {PER_UNIT * len(senders) // len(bodies)} repeats")
        took: dict[str, list[float]] = {name: [] for name in bodies}
        for number, (name, body) in enumerate(posts):
            status, ms = senders[number // PER_UNIT].post(f"bom-{number}", body=body)
            assert status == 422, (status, name)
            took[name].append(ms)
    slowest = sorted(took, key=lambda name: -median(took[name]))[:3]
    for name in slowest:
        report(f"slowest: {name}", took[name])
    return report("Markdown bombs, 422", [ms for found in took.values() for ms in found],
                  BOMB_TARGET_MS)  # fmt: skip


# --- a flood


def hold_connections(address: tuple[str, int], count: int, is_open: Any) -> None:
    """Half of them leave a hundred answers unread, the others send their head byte by byte."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    with ExitStack() as stack:
        slow = []
        for number in range(count):
            peer = stack.enter_context(_peer(address))
            peer.sendall(FEED * 100 if number % 2 else SLOW_HEAD)
            if number % 2 == 0:
                slow.append(peer)
        is_open.set()
        while True:
            time.sleep(3)
            slow = [peer for peer in slow if _sends_on(peer)]


def _peer(address: tuple[str, int]) -> socket.socket:
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(60)
    peer.connect(address)
    return peer


def _sends_on(peer: socket.socket) -> bool:
    try:
        peer.sendall(b"a")
    except OSError:
        return False
    return True


def flood_with_events(sender: Sender, statuses: Any) -> None:
    """One unit sends as fast as it gets answers: its burst is refused events, then all are 429."""
    number = 0
    while True:
        status, _ = sender.post(f"lu-{number}", title="")
        with statuses.get_lock():
            statuses[status == 429] += 1
        number += 1


@contextmanager
def processes(*works: tuple[Callable[..., None], tuple[Any, ...]]) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=work, args=given, daemon=True) for work, given in works]
    for process in started:
        process.start()
    yield
    for process in started:
        process.kill()
        process.join()


def measured(sender: Sender, prefix: str, seconds: float) -> list[float]:
    """The latencies of accepted events of a unit that keeps to its limit."""
    found: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status, ms = sender.post(f"{prefix}-{len(found)}")
        statuses[status] += 1
        if status == 202:
            found.append(ms)
        time.sleep(PAUSE_S)
    assert set(statuses) == {202}, statuses
    return found


def flood(peers: int, seconds: float) -> bool:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    with running() as (loa, (steady, flooding, *_)):
        steady.post("tin-dau", body="Nội dung " * 5_000)
        loa.key = steady.headers["Authorization"].split()[1]
        loa.trace_when_complete("tin-dau")
        report("events alone", measured(steady, "truoc", max(5.0, seconds / 4)))
        parts = urlsplit(loa.ready().url)
        is_open, statuses = multiprocessing.Event(), multiprocessing.Array("i", 2)
        with processes(
            (hold_connections, ((parts.hostname, parts.port), peers, is_open)),
            *[(flood_with_events, (flooding, statuses))] * AT_ONCE,
        ):
            found = measured(steady, "trong", seconds)
        dropped = Counter[str]()
        for line in loa.logged("connections_dropped"):
            dropped.update({why: line[why] for why in ("all", "client", "unread") if why in line})
        words = f"{peers if is_open.is_set() else 'FEWER'} connections opened"
        sys.stdout.write(f"{words}, {statuses[1]} answers 429, dropped {dict(dropped)}\n")
        return report("accepted events beside the flood", found, EVENT_TARGET_MS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("bombs").add_argument("--repeats", type=int, default=20)
    flooding_parser = commands.add_parser("flood")
    flooding_parser.add_argument("--peers", type=int, default=2_000)
    flooding_parser.add_argument("--seconds", type=float, default=60.0)
    options = vars(parser.parse_args())
    is_reached = {"bombs": bombs, "flood": flood}[options.pop("command")](**options)
    sys.exit(0 if is_reached else 1)
