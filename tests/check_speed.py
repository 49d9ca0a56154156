"""How long `loa check --deep` takes: a real run of many mails, then five corruptions of its ledger.

python -m tests.check_speed --mails 200000 --items 1

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

from consumers.check import Findings
from consumers.ledger import codec
from producers.bus import Bus, topology
from producers.server import NatsServer
from tests.arrivals import submitted
from tests.checked import Checked

Place = tuple[str, str]


async def one_row_cut(house: Checked, plan: str, batch: str) -> Place:
    value = await house.bucket.get(f"rows.{batch}")
    await house.rows(batch, *codec.decode_rows(value.data).ids[:-1])
    return "rows-differ", f"state.{batch}"


async def one_reader_twice(house: Checked, plan: str, batch: str) -> Place:
    value = await house.bucket.get(f"rows.{batch}")
    ids = codec.decode_rows(value.data).ids
    await house.rows(batch, ids[0], *ids[:-1])
    return "recipient-twice", f"state.{batch}"


async def one_batch_lost(house: Checked, plan: str, batch: str) -> Place:
    await house.bucket.purge(f"state.{batch}")
    return "batch-missing", f"state.{batch}"


async def closed_too_soon(house: Checked, plan: str, batch: str) -> Place:
    entry = await house.entry(batch)
    await house.state(batch, rows=b"p" + entry.rows[1:])
    return "closed-with-open-rows", f"state.{batch}"


async def newest_halted(house: Checked, plan: str, batch: str) -> Place:
    await house.cursor(plan, halt="v9")
    return "halt-wrong", f"plan.{plan}"


CORRUPTIONS = (one_row_cut, one_reader_twice, one_batch_lost, closed_too_soon, newest_halted)


def victims(items: int) -> list[tuple[str, str]]:
    """A plan and a batch for each corruption, all different ones."""
    if items < len(CORRUPTIONS):
        return [
            ("email.tin-0.1", f"email.tin-0.1.{number}") for number, _ in enumerate(CORRUPTIONS)
        ]
    return [
        (f"email.tin-{number}.1", f"email.tin-{number}.1.0") for number, _ in enumerate(CORRUPTIONS)
    ]


async def a_run(bus: Bus, folder: Path, mails: int, items: int) -> Checked:
    """*items* publications to everybody, as the services deliver them."""
    readers = [f"r{number:07d}" for number in range(mails // items)]
    house = await Checked(bus, folder, readers).open()
    for number in reversed(range(items)):
        await house.send(submitted(f"tin-{number}", channels=["portal", "email"]))
        await house.hand_out(f"tin-{number}")
    return house


async def timed(house: Checked) -> tuple[Findings, float]:
    started = time.monotonic()
    findings = await house.check()
    return findings, time.monotonic() - started


async def measure(mails: int, items: int) -> float:
    """The slowest look, in seconds. Raises AssertionError when one finds what it should not."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with (
            NatsServer(folder / "nats") as server,
            await Bus.connect(server.url) as bus,
        ):
            await topology.apply(bus)
            house = await a_run(bus, folder, mails, items)
            findings, took_s = await timed(house)
            assert findings.ok, findings
            tell(f"in order: {findings.checked}", took_s)
            slowest_s = max(took_s, await spoil(house, items))
            await house.close()
    return slowest_s


async def spoil(house: Checked, items: int) -> float:
    """One corruption after the other; each is found, and the earlier ones still are.

    Returns how long the slowest look took.
    """
    expected: list[Place] = []
    slowest_s = 0.0
    for hand, (plan, batch) in zip(CORRUPTIONS, victims(items), strict=True):
        expected.append(await hand(house, plan, batch))
        findings, took_s = await timed(house)
        found = {(one.rule, one.key) for one in findings.violations}
        assert found.issuperset(expected), (expected, found)
        tell(" at ".join(expected[-1]), took_s)
        slowest_s = max(slowest_s, took_s)
    return slowest_s


def tell(what: str, took_s: float) -> None:
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
    tell("the slowest look", slowest_s)
    if slowest_s > said.most:
        sys.exit(f"TOO SLOW: a look may take {said.most:.0f} s")
