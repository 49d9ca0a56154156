"""CPU and peak memory of a process and everything it started, read from /proc."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
BUS = "nats-server"
QUIET_SHARE = 0.15  # of one core; a Loa with nothing to do takes a third of that
LOOK_S = 0.5
RESET_PEAK = "5"
LISTENING = "0A"
GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far, and the most memory a group of processes had together."""

    cpu_s: float = 0.0
    peak_bytes: int = 0

    def since(self, before: "Usage") -> "Usage":
        """CPU between two looks; the peak is the later one's."""
        return Usage(self.cpu_s - before.cpu_s, self.peak_bytes)


def used(*roots: int) -> tuple[Usage, Usage]:
    """Usage of the trees of *roots* so far: (their own processes, their nats-servers)."""
    family = [pid for root in roots for pid in tree(root)]
    buses = [pid for pid in family if name(pid) == BUS]
    return total(pid for pid in family if pid not in buses), total(buses)


def total(pids: Iterable[int]) -> Usage:
    known = list(pids)
    return Usage(sum(map(cpu_s, known)), sum(map(peak_bytes, known)))


def tree(pid: int) -> Iterator[int]:
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(*GONE):
            for child in children.read_text().split():
                yield from tree(int(child))


def name(pid: int) -> str:
    with suppress(*GONE):
        return (PROC / str(pid) / "comm").read_text().strip()
    return ""


def cpu_s(pid: int) -> float:
    """CPU time of all threads; the scheduler counts nanoseconds, not ticks of 10 ms."""
    spent_ns = 0
    for counters in (PROC / str(pid) / "task").glob("*/schedstat"):
        with suppress(*GONE):
            spent_ns += int(counters.read_text().split()[0])
    return spent_ns / 1e9


def peak_bytes(pid: int) -> int:
    """The most memory *pid* had since its start or `forget_peak`; 0 when it has ended."""
    with suppress(*GONE):
        peak = re.search(r"VmHWM:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
        return int(peak[1]) * 1024 if peak else 0
    return 0


def forget_peak(pid: int) -> None:
    """From now on the peak counts from what is used at this moment."""
    (PROC / str(pid) / "clear_refs").write_text(RESET_PEAK)


def settle(*roots: int, timeout_s: float = 30) -> None:
    """Wait until the trees are idle: what came before must not run into the measurement."""
    deadline = time.monotonic() + timeout_s
    busy_s = all_cpu_s(roots)
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        busy_s, before = all_cpu_s(roots), busy_s
        if busy_s - before < QUIET_SHARE * LOOK_S:
            return


def all_cpu_s(roots: Iterable[int]) -> float:
    return sum(usage.cpu_s for usage in used(*roots))


def listening_port(pid: int) -> int:
    """The TCP port of 127.0.0.1 on which *pid* listens; 0 while there is none."""
    sockets = set()
    for file in (PROC / str(pid) / "fd").iterdir():
        with suppress(*GONE):
            sockets.add(str(file.readlink()))
    for line in (PROC / str(pid) / "net" / "tcp").read_text().splitlines()[1:]:
        (_, local, _, state, *_) = fields = line.split()
        if state == LISTENING and f"socket:[{fields[9]}]" in sockets:
            return int(local.partition(":")[2], 16)
    return 0
