"""The same mails with and without traces, in turn: what spans cost."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench import loa, processes
from bench.figures import Figure, Findings, at_least, at_most, ratios, typical
from bench.parts.mails import TOPIC, Run, prepare, send
from bench.server import LoaFailed, Server, item
from bench.sink import Sink
from bench.sizes import Sizes

PART = "tracing"
PLAIN, TRACED = "Loa", "Loa with traces"
EXPORT_MS = 500


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


def measure(sizes: Sizes) -> Findings:
    """Every span is sampled. CPU counts until the last one has left."""
    runs: dict[str, list[Run]] = {PLAIN: [], TRACED: []}
    cpu: dict[str, list[float]] = {PLAIN: [], TRACED: []}
    with ExitStack() as stack:
        taker = stack.enter_context(collector())
        sinks = {who: stack.enter_context(Sink()) for who in runs}
        ours = {
            PLAIN: stack.enter_context(loa.up("plain", sinks[PLAIN].port)),
            TRACED: stack.enter_context(loa.up("traced", sinks[TRACED].port, exported_to(taker))),
        }
        for who, server in ours.items():
            prepare(server, sinks[who], sizes.mails)
        for number in range(sizes.repetitions):
            order = sorted(ours, reverse=bool(number % 2))  # neither is always the second
            for who in order:
                event = item(f"{PART}-{number}", TOPIC)
                before = cpu_s(ours[who])
                runs[who].append(send(who, ours[who], sinks[who], sizes.mails, event))
                cpu[who].append((cpu_s(ours[who]) - before) / sizes.mails * 1e6)
        if not taker.taken:
            raise LoaFailed("no span came")
    return Findings(figures(runs, cpu), [run.raw(PART) for ran in runs.values() for run in ran])


def exported_to(taker: Collector) -> loa.Settings:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taker.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": str(EXPORT_MS),
    }


def cpu_s(server: Server) -> float:
    """What the process has used, once it is idle."""
    processes.settle(*server.pids)
    [own, *_] = processes.used(*server.pids)
    return own.cpu_s


def figures(runs: dict[str, list[Run]], cpu: dict[str, list[float]]) -> list[Figure]:
    plain, traced = ([run.rate for run in runs[who]] for who in (PLAIN, TRACED))
    shares = ratios(cpu[TRACED], cpu[PLAIN])
    return [
        typical(PART, f"{TRACED} ÷ {PLAIN}, mails/s", "x", ratios(traced, plain), at_least(0.98)),
        typical(PART, f"{TRACED} ÷ {PLAIN}, CPU", "x", shares, at_most(1.02)),
        typical(PART, f"{PLAIN}, CPU per mail", "us", cpu[PLAIN]),
        typical(PART, f"{TRACED}, CPU per mail", "us", cpu[TRACED]),
    ]
