"""A spool whose writer or sender is killed again and again."""

import asyncio
import signal
import subprocess
import sys

import pytest

from producers.publisher import drain
from tests.support.spooled_events import ids, numbered, stored_ids

QUIET = """
import asyncio, sys
from pathlib import Path
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
"""
WRITER = """
from producers.publisher import Publisher
from tests.support.gateway_client import UNIT, sample_event

async def main(folder, number):
    publisher = Publisher(None, UNIT, Path(folder))
    while True:
        await publisher.publish(sample_event(id=f"e-{number}", content_id=f"tin-{number}"))
        print(number, flush=True)
        number += 1

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
DRAINER = """
from contracts.base.crash_points import arm
from producers.bus import Bus
from producers.publisher import drain

async def main(folder, url):
    arm(lambda name: name == "spool.sent" and sys.stdin.read(1))
    async with await Bus.connect(url) as bus:
        print("connected", flush=True)
        await drain(bus, Path(folder))

asyncio.run(main(*sys.argv[1:]))
"""


def run(script, *args):
    return subprocess.Popen(
        [sys.executable, "-c", QUIET + script, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.promise("1.6")
async def test_killing_the_writer_loses_nothing_that_was_said_to_be_kept(bus, spool):
    said = []
    for round_ in range(6):
        with run(WRITER, spool.folder, len(said)) as writer:
            for _ in range(5 + 7 * round_):
                said.append(int(writer.stdout.readline()))
            await asyncio.sleep(0.001 * round_)
            writer.send_signal(signal.SIGKILL)
            said += [int(line) for line in writer.stdout.read().split()]
    assert said == list(range(len(said)))
    waiting = [int(event_id.removeprefix("e-")) for event_id in ids(spool)]
    assert waiting[: len(said)] == said
    assert len(waiting) - len(said) <= 1
    await drain(bus, spool.folder)
    assert await stored_ids(bus) == [f"e-{n}" for n in waiting]


@pytest.mark.promise("1.6")
async def test_killing_the_drainer_loses_nothing_and_keeps_the_order(bus, spool, nats_server):
    count, at_once = 500, 70
    for n in range(count):
        spool.append(numbered(n))
    kills = 0
    while waiting := len(spool.waiting()):
        with run(DRAINER, spool.folder, nats_server.url) as drainer:
            assert drainer.stdout.readline() == "connected\n"
            drainer.stdin.write("." * at_once)
            drainer.stdin.flush()
            while len(spool.waiting()) > max(0, waiting - 40):
                await asyncio.sleep(0)
            drainer.send_signal(signal.SIGKILL)
            kills += drainer.wait() == -signal.SIGKILL
    assert kills >= count // at_once
    assert await stored_ids(bus) == [f"e-{n}" for n in range(count)]
