"""CPU and peak memory of a process and everything it started."""

import re
import time
from pathlib import Path

import psutil

from bench.run import Usage

BUS = "nats-server"
QUIET_SHARE = 0.05  # of one core
LOOK_S = 0.5


def used(pid: int) -> tuple[Usage, Usage]:
    """What the tree of *pid* has used so far: (its own processes, its nats-server)."""
    root = psutil.Process(pid)
    tree = [root, *root.children(recursive=True)]
    buses = [process for process in tree if process.name() == BUS]
    return total([process for process in tree if process not in buses]), total(buses)


def total(processes: list[psutil.Process]) -> Usage:
    times = [process.cpu_times() for process in processes]
    return Usage(
        sum(spent.user + spent.system for spent in times),
        sum(peak_bytes(process.pid) for process in processes),
    )


def peak_bytes(pid: int) -> int:
    """The most memory *pid* ever had; 0 for a process that has ended."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(peak[1]) * 1024 if peak else 0


def spent(before: Usage, after: Usage) -> Usage:
    """CPU between two looks; the peak is the later one's."""
    return Usage(after.cpu_s - before.cpu_s, after.peak_bytes)


def settle(pid: int, timeout_s: float = 30) -> None:
    """Wait until the tree of *pid* is idle: what came before must not run into the measurement."""
    deadline = time.monotonic() + timeout_s
    busy_s = cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        busy_s, before = cpu_s(pid), busy_s
        if busy_s - before < QUIET_SHARE * LOOK_S:
            return


def cpu_s(pid: int) -> float:
    return sum(usage.cpu_s for usage in used(pid))
