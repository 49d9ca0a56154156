"""The same mails with and without traces, in turn: what spans cost."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench import instructions, loa, processes, switched_tracing
from bench.figures import Figure, Findings, at_least, at_most, ratios, typical
from bench.parts.mails import TOPIC, Run, prepare, send
from bench.server import LoaFailed, Server, item
from bench.sink import Sink
from bench.sizes import Sizes
from bench.switched_tracing import SWITCH_OFF, SWITCH_ON

PART = "tracing"
PLAIN, TRACED = "Loa", "Loa with traces"
SWITCHED_LOA = (sys.executable, "-P", switched_tracing.__file__)


class Collector(ThreadingHTTPServer):
    """Takes OTLP and counts its bytes."""

    taken = 0


class Taker(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.taken += len(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass
class Cost:
    """Cost of each event's mails for one Loa: microseconds, and instructions if counted."""

    runs: list[Run] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    instructions: list[float] = field(default_factory=list)


def measure(sizes: Sizes) -> Findings:
    """One Loa, told before each event whether it traces: two would differ by more than spans cost.

    Every span is sampled. A cost counts until the last one has left, in batches as they fill up.
    """
    costs = {PLAIN: Cost(), TRACED: Cost()}
    with ExitStack() as stack:
        taker, sink = stack.enter_context(collector()), stack.enter_context(Sink())
        own = stack.enter_context(loa.up(PART, sink.port, exported_to(taker), SWITCHED_LOA))
        os.kill(own.pid, SWITCH_OFF)
        prepare(own, sink, sizes.mails)
        for number in range(sizes.repetitions):
            order = sorted(costs, reverse=bool(number % 2))  # neither is always the second
            for turn, who in enumerate(order):
                event, taken = item(f"{PART}-{number}-{turn}", TOPIC), taker.taken
                with counted(costs[who], own, sizes.mails), tracing(own, who == TRACED):
                    costs[who].runs.append(send(who, own, sink, sizes.mails, event))
                if (taker.taken > taken) != (who == TRACED):
                    raise LoaFailed(f"{who}: {taker.taken - taken} bytes of spans came")
    runs = [run.raw(PART) for cost in costs.values() for run in cost.runs]
    return Findings(figures(costs[PLAIN], costs[TRACED]), runs)


@contextmanager
def tracing(own: Server, is_on: bool) -> Iterator[None]:
    """Trace meanwhile, or not; at the end every span is on its way."""
    os.kill(own.pid, SWITCH_ON if is_on else SWITCH_OFF)
    yield
    os.kill(own.pid, SWITCH_OFF)


@contextmanager
def counted(cost: Cost, server: Server, mails: int) -> Iterator[None]:
    """Add what *server* uses meanwhile to *cost*, for each of *mails*."""
    counts = instructions.are_counted()
    with instructions.counting(server.pid) if counts else nullcontext() as found:
        before = cpu_s(server)
        yield
        used_s = cpu_s(server) - before
    cost.cpu_us.append(used_s / mails * 1e6)
    if found:
        cost.instructions.append(found.instructions / mails)


def exported_to(taker: Collector) -> loa.Settings:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taker.server_port}"}


def cpu_s(server: Server) -> float:
    """CPU time of the process, read once it is idle."""
    processes.settle(*server.pids)
    [own, *_] = processes.used(*server.pids)
    return own.cpu_s


def figures(plain: Cost, traced: Cost) -> list[Figure]:
    rates = ratios([run.rate for run in traced.runs], [run.rate for run in plain.runs])
    shares = ratios(traced.cpu_us, plain.cpu_us)
    what = f"{TRACED} ÷ {PLAIN}"
    decides = at_most(1.02)
    counts = Figure.left_out(PART, f"{what}, instructions", instructions.NOT_COUNTED)
    if plain.instructions:
        exact = ratios(traced.instructions, plain.instructions)
        counts = typical(PART, f"{what}, instructions", "x", exact, decides)
    return [
        counts,
        typical(PART, f"{what}, CPU", "x", shares, None if plain.instructions else decides),
        typical(PART, f"{what}, mails/s", "x", rates, at_least(0.98)),
        typical(PART, f"{PLAIN}, CPU per mail", "us", plain.cpu_us),
        typical(PART, f"{TRACED}, CPU per mail", "us", traced.cpu_us),
    ]
