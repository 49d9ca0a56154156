"""Celery and Redis doing the same work: one event, the same mails, a durable record of each."""

from contextlib import ExitStack
from pathlib import Path

from bench import loa, peer, processes
from bench.figures import Figure, Findings, at_least, ratios, typical
from bench.parts.mails import ALWAYS, TOPIC, Run, prepare, send
from bench.peer import Peer
from bench.server import SEND_S, item
from bench.sink import Sink
from bench.sizes import Sizes
from bench.tools import Missing

PART = "celery"
READY, BUILDING = "Celery, mails rendered before", "Celery, EmailMessage for each"
TARGETS = {READY: at_least(18), BUILDING: at_least(35)}


def measure(sizes: Sizes) -> Findings:
    """Loa with everything fsynced; Redis as it usually is: its log reaches the disk each second."""
    names = {who: f"Loa ÷ {who}" for who in TARGETS}
    try:
        with ExitStack() as stack:
            runs = compete(stack, sizes)
    except Missing as missing:
        return Findings([Figure.left_out(PART, name, str(missing)) for name in names.values()])
    mine = [run.rate for run in runs[ALWAYS]]
    figures = []
    for who, name in names.items():
        theirs = runs[who]
        gains = ratios(mine, [run.rate for run in theirs])
        figures.append(typical(PART, name, "x", gains, TARGETS[who]))
        figures.append(typical(PART, f"{who}, mails/s", "/s", [run.rate for run in theirs]))
        figures.append(typical(PART, f"{who}, CPU", "us", [run.cpu_us for run in theirs]))
    return Findings(figures, [run.raw(PART) for ran in runs.values() for run in ran])


def compete(stack: ExitStack, sizes: Sizes) -> dict[str, list[Run]]:
    """Run every contestant in turn, each with a sink of its own. Raises Missing."""
    mails, folder = sizes.peer_mails, loa.emptied(PART)
    peer.lay_ready(folder, mails)
    sinks = {who: stack.enter_context(Sink()) for who in (ALWAYS, *TARGETS)}
    peers = {who: worker(stack, folder, sinks[who], building=who == BUILDING) for who in TARGETS}
    server = stack.enter_context(loa.up("beside-celery", sinks[ALWAYS].port))
    prepare(server, sinks[ALWAYS], mails)
    runs: dict[str, list[Run]] = {who: [] for who in sinks}
    for number in range(sizes.repetitions):
        event = f"{PART}-{number}"
        runs[ALWAYS].append(send(ALWAYS, server, sinks[ALWAYS], mails, item(event, TOPIC)))
        for who, one in peers.items():
            runs[who].append(sent(who, one, sinks[who], mails, event))
    return runs


def worker(stack: ExitStack, folder: Path, sink: Sink, *, building: bool) -> Peer:
    """A worker that has sent its first mails: each of its processes is warm."""
    one = stack.enter_context(peer.running(folder, sink.port, build=building))
    warm = 4 * peer.CONCURRENCY
    sink.expect(warm)
    one.fire("warm-up", warm)
    sink.wait(peer.START_S)
    return one


def sent(who: str, one: Peer, sink: Sink, mails: int, event: str) -> Run:
    """From the order until every mail is at the sink and recorded."""
    processes.settle(*one.pids)
    read, before = sink.wire_bytes, [processes.total(processes.tree(pid)) for pid in one.pids]
    sink.expect(mails)
    started = one.fire(event, mails)
    sink.wait(SEND_S)
    one.recorded(event, mails)
    after = [processes.total(processes.tree(pid)) for pid in one.pids]
    own, store = (now.since(then) for now, then in zip(after, before, strict=True))
    times = (sink.first_at - started, sink.last_at - started)
    return Run(who, mails, *times, sink.wire_bytes - read, own, store)
