"""Mails end to end: one event through the HTTP door to all readers, with a durable ledger."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench import bus, loa, processes, smtp_source
from bench.figures import Figure, Findings, Target, at_least, at_most, ratios, typical
from bench.letter import TOPICS
from bench.processes import Usage
from bench.server import SEND_S, Server, item
from bench.sink import Sink
from bench.sizes import Sizes

PART = "mails"
SOURCE, ALWAYS, DEFAULT = "smtp-source -s 10", "Loa, fsync always", "Loa, sync_interval default"
TOPIC, WARM_UP = TOPICS[:2]
MIB = 1 << 20
NOTHING = Usage()


@dataclass(frozen=True)
class Run:
    """Times run from the event's POST (or the program's start) to the sink's counter."""

    who: str
    mails: int
    first_s: float
    last_s: float
    wire_bytes: int
    own: Usage
    bus: Usage = NOTHING

    @property
    def rate(self) -> float:
        return self.mails / self.last_s

    @property
    def cpu_us(self) -> float:
        return self.own.cpu_s / self.mails * 1e6

    def raw(self, part: str) -> dict[str, Any]:
        return {
            "part": part,
            "who": self.who,
            "mails": self.mails,
            "first_s": self.first_s,
            "s": self.last_s,
            "bytes": self.wire_bytes,
            "cpu_s": self.own.cpu_s,
            "peak_bytes": self.own.peak_bytes,
            "bus_cpu_s": self.bus.cpu_s,
            "bus_peak_bytes": self.bus.peak_bytes,
        }


def measure(sizes: Sizes) -> Findings:
    """Two Loas run all the time; the one whose turn it is gets an event."""
    runs: dict[str, list[Run]] = {SOURCE: [], ALWAYS: [], DEFAULT: []}
    with ExitStack() as stack:
        sinks = {who: stack.enter_context(Sink()) for who in runs}
        ours = {
            ALWAYS: stack.enter_context(loa.up("always", sinks[ALWAYS].port)),
            DEFAULT: stack.enter_context(loa.joined("default", sinks[DEFAULT].port, bus.DEFAULT)),
        }
        for who, server in ours.items():
            prepare(server, sinks[who], sizes.mails)
        for number in range(sizes.repetitions):
            runs[SOURCE].append(reference(sinks[SOURCE], sizes.mails))
            for who, server in ours.items():
                event = item(f"{PART}-{number}", TOPIC)
                runs[who].append(send(who, server, sinks[who], sizes.mails, event))
    return Findings(figures(runs), [run.raw(PART) for ran in runs.values() for run in ran])


def prepare(server: Server, sink: Sink, mails: int) -> None:
    """Import *mails* readers, and warm up with one mail to another reader."""
    loa.import_readers(server.folder, readers(mails))
    server.deliver(sink, 1, item("warm-up", WARM_UP))


def readers(mails: int) -> Iterator[str]:
    yield from (loa.reader(f"reader{number}", TOPIC) for number in range(mails))
    yield loa.reader("warm-up", WARM_UP)


def send(who: str, server: Server, sink: Sink, mails: int, event: dict[str, Any]) -> Run:
    """One event from its POST until its ledger is closed."""
    processes.settle(*server.pids)
    processes.forget_peak(server.pid)
    read, before = sink.wire_bytes, processes.used(*server.pids)
    started = time.monotonic()
    server.deliver(sink, mails, event)
    own, bus = (
        now.since(then) for now, then in zip(processes.used(*server.pids), before, strict=True)
    )
    first_s, last_s = sink.first_at - started, sink.last_at - started
    return Run(who, mails, first_s, last_s, sink.wire_bytes - read, own, bus)


def reference(sink: Sink, mails: int) -> Run:
    """smtp-source, timed at the same kind of counter."""
    read = sink.wire_bytes
    sink.expect(mails)
    started = time.monotonic()
    sent = smtp_source.smtp_source(sink.port, mails)
    sink.wait(SEND_S)
    times = (sink.first_at - started, sink.last_at - started)
    return Run(SOURCE, mails, *times, sink.wire_bytes - read, Usage(sent.cpu_s))


def figures(runs: dict[str, list[Run]]) -> list[Figure]:
    rates = {who: [run.rate for run in ran] for who, ran in runs.items()}
    always, default = runs[ALWAYS], rates[DEFAULT]

    def line(name: str, unit: str, found: Sequence[float], target: Target | None = None) -> Figure:
        return typical(PART, name, unit, found, target)

    return [
        line(f"{SOURCE}, mails/s", "/s", rates[SOURCE]),
        line(f"fsync always ÷ {SOURCE}", "x", ratios(rates[ALWAYS], rates[SOURCE]), at_least(0.9)),
        line(f"sync default ÷ {SOURCE}", "x", ratios(default, rates[SOURCE]), at_least(1.2)),
        line("fsync always ÷ sync default", "x", ratios(rates[ALWAYS], default), at_least(0.8)),
        line("first mail", "ms", [run.first_s * 1000 for run in always], at_most(30)),
        line("worker CPU per mail", "us", [run.cpu_us for run in always], at_most(30)),
        line("nats-server CPU per mail", "us", [run.bus.cpu_s / run.mails * 1e6 for run in always]),
        line("peak memory", "MB", [run.own.peak_bytes / MIB for run in always]),
        line("bytes per mail", "B", [run.wire_bytes / run.mails for run in always]),
    ]
