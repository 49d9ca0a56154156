"""Mails end to end on one nats-server, on a cluster of three, and with three workers on that."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import bus, loa
from bench.bus import OwnBus, Traffic
from bench.figures import Figure, Findings, Target, at_least, at_most, ratios, typical
from bench.parts.mails import TOPIC, Run, prepare, send
from bench.server import Server, item
from bench.sink import Sink
from bench.sizes import Sizes

PART = "cluster"
SIZE = 3
WORKER = "deliver-email"
ONE, THREE, WORKERS = "1 server", "3 servers", "3 servers, 3 workers"
SHAPES = {ONE: (1, 1), THREE: (SIZE, 1), WORKERS: (SIZE, 3)}
"""How many nats-servers, and how many processes that deliver mail."""
BETWEEN = "between servers, per mail"


@dataclass(frozen=True)
class ClusterRun:
    """One event to all readers; copies are mails beyond one for each reader."""

    run: Run
    traffic: Traffic
    copies: int

    @property
    def rate(self) -> float:
        return self.run.rate

    def raw(self) -> dict[str, Any]:
        counted = {"copies": self.copies, "client_bytes": self.traffic.clients}
        return self.run.raw(PART) | counted | {"server_bytes": self.traffic.servers}


def measure(sizes: Sizes) -> Findings:
    """One after another, on empty stores: servers that wait would take their share of the cores."""
    runs: dict[str, list[ClusterRun]] = {who: [] for who in SHAPES}
    for number in range(sizes.repetitions):
        for who, ran in runs.items():
            with Sink() as sink, running(who, sink.port) as (own, server):
                prepare(server, sink, sizes.mails)
                ran.append(counted(who, own, server, sink, sizes.mails, f"{PART}-{number}"))
    return Findings(figures(runs), [run.raw() for ran in runs.values() for run in ran])


@contextmanager
def running(who: str, relay_port: int) -> Iterator[tuple[OwnBus, Server]]:
    """A bus, and a Loa on it with as many workers as *who* has."""
    servers, workers = SHAPES[who]
    folder = loa.emptied(f"{PART}-{servers}-{workers}")
    settings = loa.relay(relay_port) | {"LOA_NATS_REPLICAS": str(servers)}
    with ExitStack() as stack:
        own = stack.enter_context(open_bus(folder, servers))
        server = stack.enter_context(loa.on_bus(folder, own, settings))
        for number in range(1, workers):
            server = stack.enter_context(loa.joined_by(server, settings, WORKER, number))
        yield own, server


@contextmanager
def open_bus(folder: Path, servers: int) -> Iterator[OwnBus]:
    opened = bus.own_bus(folder, bus.ALWAYS) if servers == 1 else bus.own_cluster(folder, servers)
    with opened as own:
        yield own


def counted(
    who: str, own: OwnBus, server: Server, sink: Sink, mails: int, content_id: str
) -> ClusterRun:
    """One event, with what went to and between the servers meanwhile."""
    before, came = bus.traffic(own.monitors), sink.count
    run = send(who, server, sink, mails, item(content_id, TOPIC))
    return ClusterRun(run, bus.traffic(own.monitors).since(before), sink.count - came - mails)


def figures(runs: dict[str, list[ClusterRun]]) -> list[Figure]:
    rates = {who: [one.rate for one in ran] for who, ran in runs.items()}
    found = [line for who, ran in runs.items() for line in of_shape(who, ran)]
    ratio, more = ratios(rates[THREE], rates[ONE]), ratios(rates[WORKERS], rates[ONE])
    found.append(typical(PART, f"{THREE} ÷ {ONE}", "x", ratio, at_least(0.7)))
    found.append(typical(PART, f"{WORKERS} ÷ {ONE}", "x", more))
    return found


def of_shape(who: str, ran: Sequence[ClusterRun]) -> Iterator[Figure]:
    def line(name: str, unit: str, found: Sequence[float], target: Target | None = None) -> Figure:
        return typical(PART, f"{who}: {name}", unit, found, target)

    def each(amounts: Iterator[float]) -> list[float]:
        return [amount / one.run.mails for amount, one in zip(amounts, ran, strict=True)]

    yield line("mails/s", "/s", [one.rate for one in ran])
    yield line("copies", "copies", [float(one.copies) for one in ran], at_most(0))
    yield line("Loa’s CPU per mail", "us", each(one.run.own.cpu_s * 1e6 for one in ran))
    yield line("nats-servers’ CPU per mail", "us", each(one.run.bus.cpu_s * 1e6 for one in ran))
    yield line("between Loa and servers, per mail", "B", each(one.traffic.clients for one in ran))
    yield line(BETWEEN, "B", each(one.traffic.servers for one in ran))
