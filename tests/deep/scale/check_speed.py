"""How long `loa check --deep` takes: a real run of many mails, then five corruptions of its ledger.

python -m tests.deep.scale.check_speed --mails 200000 --items 1

Exit code 1 when one look takes longer than --most seconds, or a corruption is not found.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

import structlog

from consumers.check.findings import Findings
from consumers.ledger import codec
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from tests.support.check_harness import CheckHarness
from tests.support.events import submitted

Place = tuple[str, str]


async def cut_one_row(harness: CheckHarness, plan: str, batch: str) -> Place:
    value = await harness.bucket.get(f"rows.{batch}")
    await harness.rows(batch, *codec.decode_rows(value.data).ids[:-1])
    return "rows-differ", f"state.{batch}"


async def duplicate_one_reader(harness: CheckHarness, plan: str, batch: str) -> Place:
    value = await harness.bucket.get(f"rows.{batch}")
    ids = codec.decode_rows(value.data).ids
    await harness.rows(batch, ids[0], *ids[:-1])
    return "recipient-twice", f"state.{batch}"


async def lose_one_batch(harness: CheckHarness, plan: str, batch: str) -> Place:
    await harness.bucket.purge(f"state.{batch}")
    return "batch-missing", f"state.{batch}"


async def close_too_soon(harness: CheckHarness, plan: str, batch: str) -> Place:
    entry = await harness.entry(batch)
    await harness.state(batch, rows=b"p" + entry.rows[1:])
    return "closed-with-open-rows", f"state.{batch}"


async def halt_newest(harness: CheckHarness, plan: str, batch: str) -> Place:
    await harness.cursor(plan, halt="v9")
    return "halt-wrong", f"plan.{plan}"


CORRUPTIONS = (cut_one_row, duplicate_one_reader, lose_one_batch, close_too_soon, halt_newest)


def victims(items: int) -> list[tuple[str, str]]:
    """A plan and a batch for each corruption, all different ones."""
    numbers = range(len(CORRUPTIONS))
    if items < len(CORRUPTIONS):
        return [("email.tin-0.1", f"email.tin-0.1.{number}") for number in numbers]
    return [(f"email.tin-{number}.1", f"email.tin-{number}.1.0") for number in numbers]


async def delivered_items(bus: Bus, folder: Path, mails: int, items: int) -> CheckHarness:
    """*items* publications to all readers, as the services deliver them."""
    readers = [f"r{number:07d}" for number in range(mails // items)]
    harness = await CheckHarness(bus, folder, readers).open()
    for number in reversed(range(items)):
        await harness.send(submitted(f"tin-{number}", channels=["portal", "email"]))
        await harness.deliver_all(f"tin-{number}")
    return harness


async def timed_check(harness: CheckHarness) -> tuple[Findings, float]:
    started = time.monotonic()
    findings = await harness.check()
    return findings, time.monotonic() - started


async def measure(mails: int, items: int) -> float:
    """The slowest look, in seconds. Raises AssertionError when one finds what it should not."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with NatsServer(folder / "nats") as server, await Bus.connect(server.url) as bus:
            await topology.apply(bus)
            harness = await delivered_items(bus, folder, mails, items)
            findings, took_s = await timed_check(harness)
            assert findings.ok, findings
            print_time(f"in order: {findings.checked}", took_s)
            slowest_s = max(took_s, await corrupt(harness, items))
            await harness.close()
    return slowest_s


async def corrupt(harness: CheckHarness, items: int) -> float:
    """One corruption after the other; each is found, and the earlier ones still are.

    Returns how long the slowest look took.
    """
    expected: list[Place] = []
    slowest_s = 0.0
    for hand, (plan, batch) in zip(CORRUPTIONS, victims(items), strict=True):
        expected.append(await hand(harness, plan, batch))
        findings, took_s = await timed_check(harness)
        found = {(one.rule, one.key) for one in findings.violations}
        assert found.issuperset(expected), (expected, found)
        print_time(" at ".join(expected[-1]), took_s)
        slowest_s = max(slowest_s, took_s)
    return slowest_s


def print_time(what: str, took_s: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{took_s:6.2f} s, peak {peak} MB: {what}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mails", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=1)
    parser.add_argument("--most", type=float, default=60.0, help="seconds that a look may take")
    said = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    slowest_s = asyncio.run(measure(said.mails, said.items))
    print_time("the slowest look", slowest_s)
    if slowest_s > said.most:
        sys.exit(f"TOO SLOW: a look may take {said.most:.0f} s")
