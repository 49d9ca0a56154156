"""How long an urgent item takes to its reader while a bulk item is on its way to all readers."""

import time
from collections.abc import Iterator

from bench import loa
from bench.figures import Findings, at_most, percentile
from bench.letter import TOPICS
from bench.parts.mails import WARM_UP
from bench.server import LoaFailed, Server, item
from bench.sizes import Sizes
from bench.watcher import Watcher

PART = "urgent"
BULK, URGENT = TOPICS[0], TOPICS[2]
PREFIX = "urgent"
PAUSE_S = 0.1
LOOK = 10
"""After so many items: to ask where the bulk item is costs the worker time."""


def measure(sizes: Sizes) -> Findings:
    """Urgent items one after another, for as long as the bulk item is not done."""
    with Watcher(prefix=PREFIX) as relay, loa.up(PART, relay.port) as server:
        loa.import_readers(server.folder, readers(sizes.bulk))
        overtaking(server, relay, 0)  # warm
        bulk = server.post(item("bulk", BULK, lane="bulk"))
        time.sleep(PAUSE_S)
        took = beside(server, relay, sizes.urgent, bulk["status_url"])
    found_ms = [s * 1000 for s in took]
    lines = [
        percentile(PART, "POST to mail, beside a bulk send", "ms", found_ms, 50),
        percentile(PART, "POST to mail, beside a bulk send", "ms", found_ms, 95, at_most(1000)),
    ]
    return Findings(lines, [{"part": PART, "s": took}])


def beside(server: Server, relay: Watcher, urgent: int, status_url: str) -> list[float]:
    """Seconds of each urgent item. Raises LoaFailed when there was nothing to overtake."""
    took: list[float] = []
    while len(took) < urgent:
        took.append(overtaking(server, relay, len(took) + 1))
        if len(took) % LOOK == 0 and done(server, status_url):
            del took[-LOOK:]  # of these nobody knows
            break
        time.sleep(PAUSE_S)
    if not took:
        raise LoaFailed("the bulk item was done too soon")
    return took


def readers(bulk: int) -> Iterator[str]:
    yield from (loa.reader(f"reader{number}", BULK) for number in range(bulk))
    yield loa.reader(PREFIX, URGENT)
    yield loa.reader("warm-up", WARM_UP)


def overtaking(server: Server, relay: Watcher, number: int) -> float:
    """Seconds from the POST of one urgent item to its mail."""
    address = f"{PREFIX}@example.com"
    relay.came.pop(address, None)
    started = time.monotonic()
    server.post(item(f"urgent-{number}", URGENT, lane="urgent"))
    return relay.wait_for(address) - started


def done(server: Server, status_url: str) -> bool:
    return bool(server.ask(status_url)["channels"].get("email", {}).get("complete"))
