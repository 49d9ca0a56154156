"""Many readers on one Loa: every operation whose cost may grow with their number.

    python -m tests.deep.scale.readers_drill 1000000 --mails 200000

Import, directory, planning, a bounded part of the delivery, `loa status`, `loa check`, backup,
restart, restore and reconciliation. Each line tells the seconds, the processor time by reader of
Loa (and of the command) and of nats-server, and their peak memory. The last lines compare the
large mailing with a small one of the same run, and tell the seconds of the restore.
"""

import argparse
import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from bench import loa, processes
from bench.letter import TOPICS
from bench.processes import Usage
from bench.server import LoaFailed, Server, item
from bench.sink import Sink
from consumers.directory.store import DirectoryStore
from consumers.ledger.store import Ledger
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from producers.bus import Bus

EVERYONE, FEW, WARM_UP = TOPICS[:3]
MIB = 1 << 20
LOOK_S = 0.1
PATIENCE_S = 4 * 3600
LARGE, SMALL = "large", "few mails"
RESTORE = ("loa restore", "loa rebuild", "loa mail")
ACCEPTED = "from=<tin@moha.example>, size=9000, nrcpt=1 (queue active)"


@dataclass(frozen=True)
class Step:
    """One operation: its seconds, and what Loa and nats-server used meanwhile."""

    name: str
    took_s: float
    own: Usage
    bus: Usage
    facts: str = ""

    def line(self, readers: int) -> str:
        own, bus = (one.cpu_s / readers * 1e6 for one in (self.own, self.bus))
        memory = f"{self.own.peak_bytes / MIB:6.0f} + {self.bus.peak_bytes / MIB:5.0f} MB"
        used = f"{self.took_s:8.1f} s {own:7.2f} + {bus:6.2f} us {memory}"
        return f"{self.name:22} {used} {self.facts}"


@dataclass(frozen=True)
class Rate:
    """How fast the mails of one mailing came: the first one, the first ones, and all."""

    first_s: float
    early: float
    whole: float

    @classmethod
    def of(cls, sink: Sink, began: float, mails: int, early: int) -> Self:
        """Rates from the event on, in mails a second."""
        early_s, all_s = sink.early_at - began, sink.last_at - began
        return cls(sink.first_at - began, early / early_s, mails / all_s)

    def __str__(self) -> str:
        return f"{self.whole:.0f} mails/s, first after {self.first_s * 1000:.0f} ms"


@dataclass
class Drill:
    """The steps of one run, each printed when it is done."""

    readers: int
    base: int
    mails: int
    steps: list[Step] = field(default_factory=list)
    reached: int = 0
    """Readers who had the large item before the backup."""
    told: dict[str, int] = field(default_factory=dict)
    """Findings of `loa mail reconcile`."""
    rates: list[Rate] = field(default_factory=list)
    """Of the small mailing, and of the large one."""
    longest_gap_s: float = 0.0
    """The longest time between two acknowledged writes of the large plan."""

    def say(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def took_s(self, *names: str) -> float:
        return sum(step.took_s for step in self.steps if step.name in names)

    def peak_bytes(self, name: str) -> int:
        return max(step.own.peak_bytes for step in self.steps if step.name == name)

    def note(self, step: Step) -> None:
        self.steps.append(step)
        self.say(step.line(self.readers))

    @contextmanager
    def running(self, name: str, server: Server) -> Iterator[list[str]]:
        """An operation of a running Loa; the list takes facts to print."""
        before, facts = processes.used(*server.pids), list[str]()
        for pid in processes.tree(server.pid):
            processes.forget_peak(pid)
        began = time.monotonic()
        yield facts
        took_s = time.monotonic() - began
        own, bus = (
            now.since(then) for now, then in zip(processes.used(*server.pids), before, strict=True)
        )
        self.note(Step(name, took_s, own, bus, " ".join(facts)))

    def command(self, folder: Path, *words: str | Path) -> str:
        """A command, which may start a bus of its own; its answer. Raises LoaFailed."""
        began = time.monotonic()
        with (
            subprocess.Popen(
                [loa.LOA, *words],
                env=loa.environment(folder, {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
            Watched(process.pid) as watched,
        ):
            answer, errors = process.communicate()
        took_s, (own, bus) = time.monotonic() - began, watched.used
        self.note(Step(f"loa {words[0]}", took_s, own, bus))
        if process.returncode > 1:  # 1: `loa status` and `loa check` have something to say
            raise LoaFailed(f"loa {words[0]}: exit {process.returncode}: {errors[-2000:]}")
        return answer


class Watched:
    """Looks ten times a second at what a process and its children use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.used = (Usage(), Usage())
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.ended.wait(LOOK_S):
            now = processes.used(self.pid)
            self.used = tuple(
                Usage(max(one.cpu_s, was.cpu_s), max(one.peak_bytes, was.peak_bytes))
                for one, was in zip(now, self.used, strict=True)
            )

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def lines(drill: Drill) -> Iterator[str]:
    yield loa.reader("warm-up", WARM_UP)
    for number in range(drill.readers):
        few = (FEW,) if number < drill.base else ()
        yield loa.reader(f"reader{number}", EVERYONE, *few)


async def directory_is_complete(server: Server) -> None:
    """Wait until the directory has all that the bucket has."""
    async with await Bus.connect(server.nats_url, name="drill") as bus:
        last = await bus.bucket("subscribers").last_seq()
    with closing(DirectoryStore(server.folder / "directory.sqlite")) as store:
        while store.seq < last:
            await asyncio.sleep(LOOK_S)


async def planned(drill: Drill, server: Server, facts: list[str]) -> None:
    """Wait until the large item is planned; the longest time between two acknowledged writes."""
    plan, known, gaps = PlanKey(ChannelName.EMAIL, LARGE, 1), 0, list[float]()
    async with await Bus.connect(server.nats_url, name="drill") as bus:
        await loa.use_key(bus, server.folder)
        ledger, at = Ledger(bus), time.monotonic()
        while True:
            held = await ledger.plan(plan)
            now = time.monotonic()
            if held and held.value.count > known:
                gaps.append(now - at)
                known, at = held.value.count, now
            if held and held.value.complete:
                drill.longest_gap_s = max(gaps)
                facts.append(f"{known} batches, longest gap {max(gaps) * 1000:.0f} ms")
                return
            await asyncio.sleep(0.01)


def run(drill: Drill) -> None:
    """Every step, then the comparison."""
    with Sink() as sink, loa.up("readers", sink.port) as server:
        fill(drill, server)
        deliver(drill, server, sink)
        look(drill, server)
        saved = save(drill, server)
    with Sink() as sink:
        began = time.monotonic()
        with loa.up_again(server, sink.port) as again:
            own, bus = processes.used(*again.pids)
            drill.note(Step("start", time.monotonic() - began, own, bus))
    restore(drill, server.folder, saved)
    for line in compare(drill):
        drill.say(line)


def fill(drill: Drill, server: Server) -> None:
    csv = server.folder / "readers.csv"
    with csv.open("w") as file:
        file.write(f"{loa.HEADER}\n")
        file.writelines(f"{line}\n" for line in lines(drill))
    with drill.running("import (Loa)", server):
        drill.command(server.folder, "subscribers", "import", csv, "--json")
    with drill.running("directory behind", server):
        asyncio.run(directory_is_complete(server))
    csv.unlink()


def deliver(drill: Drill, server: Server, sink: Sink) -> None:
    """The small mailing before and the first part of the large one."""
    server.deliver(sink, 1, item("warm-up", WARM_UP))
    with drill.running(SMALL, server) as facts:
        began = time.monotonic()
        server.deliver(sink, drill.base, item("few", FEW))
        drill.rates.append(Rate.of(sink, began, drill.base, drill.base))
        facts.append(str(drill.rates[-1]))
    sink.expect(drill.mails, drill.base)
    began = time.monotonic()
    with drill.running("mails", server) as told:
        with drill.running("planning", server) as facts:
            server.post(item(LARGE, EVERYONE))
            asyncio.run(planned(drill, server, facts))
        sink.wait(PATIENCE_S)
        drill.rates.append(Rate.of(sink, began, drill.mails, drill.base))
        told.append(str(drill.rates[-1]))
    loa.command(server.folder, "pause", "email", "--json", "--by", "Bench")
    processes.settle(server.pid)


def compare(drill: Drill) -> Iterator[str]:
    """The large mailing beside the small one, and the restore."""
    small, large = drill.rates
    more = drill.peak_bytes("mails") - drill.peak_bytes(SMALL)
    yield f"rate, large to small     {large.whole / small.whole:.2f}"
    yield f"the same, first {drill.base:,}   {large.early / small.whole:.2f}"
    yield f"memory of Loa            {more / MIB:+.0f} MB"
    yield f"first mail               {large.first_s * 1000:.0f} ms"
    yield f"longest gap of planning  {drill.longest_gap_s:.2f} s"
    yield f"restore                  {drill.took_s(*RESTORE):.1f} s"


def look(drill: Drill, server: Server) -> None:
    drill.command(server.folder, "status", "--json")
    story = json.loads(drill.command(server.folder, "trace", LARGE, "--json"))
    drill.reached = story["channels"]["email"]["delivered"]
    drill.command(server.folder, "check", "--json")
    drill.command(server.folder, "check", "--deep", "--json")


def save(drill: Drill, server: Server) -> Path:
    saved = server.folder.with_name("readers-backup")
    shutil.rmtree(saved, ignore_errors=True)
    with drill.running("backup (Loa)", server) as facts:
        answer = json.loads(drill.command(server.folder, "backup", saved, "--json"))
        facts.append(f"{answer['bytes'] / MIB:.0f} MB")
    return saved


def restore(drill: Drill, old: Path, saved: Path) -> None:
    """On another machine: nothing is sent twice, and the logs tell what has left."""
    folder = loa.emptied("readers-restored")
    shutil.copy(old / "vault.key", folder)
    drill.command(folder, "restore", saved, "--reconcile-only", "--json")
    drill.command(folder, "rebuild", "directory", "--json")
    log = relay_log(folder / "mail.log", old / "directory.sqlite")
    words = ("mail", "reconcile", log, "--complete-since", "2d", "--by", "Bench", "--json")
    drill.told = json.loads(drill.command(folder, *words))
    drill.command(folder, "check", "--json")


def relay_log(log: Path, directory: Path) -> Path:
    """Lines of a Postfix, had every second mail left after the backup."""
    with closing(sqlite3.connect(directory)) as db, log.open("w") as file:
        for number, (id,) in enumerate(db.execute("select id from person order by id")):
            key = keys.delivery_key(LARGE, 1, ChannelName.EMAIL, id)
            named = (f"message-id={keys.message_id(key, 'moha.example')}", ACCEPTED)
            for said in named if number % 2 else ():
                file.write(f"Nov 25 01:30:00 relay postfix/qmgr[7]: {number:010}: {said}\n")
    return log


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("readers", type=int, nargs="?", default=100_000)
    parser.add_argument(
        "--base", type=int, default=20_000, help="readers of a small mailing before"
    )
    parser.add_argument("--mails", type=int, default=0, help="of the large mailing; 0: half of all")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    run(Drill(told.readers, min(told.base, told.readers), told.mails or told.readers // 2))
