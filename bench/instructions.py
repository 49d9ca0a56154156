"""Instructions of a process in user mode, where `perf` is installed and the machine counts them."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import which

EVENT = "instructions:u"
NOT_COUNTED = "perf is missing, or this machine counts no instructions"


@dataclass
class Counted:
    """How many there were, once the counting has ended."""

    instructions: float = 0.0


def are_counted() -> bool:
    """Whether they can be counted here."""
    if which("perf") is None:
        return False
    done = subprocess.run([*_perf(), "true"], capture_output=True, text=True)
    return done.returncode == 0 and _count(done.stderr) is not None


@contextmanager
def counting(pid: int) -> Iterator[Counted]:
    """Count those of all threads of *pid*. What begins within half a second may be missed."""
    counted = Counted()
    perf = subprocess.Popen([*_perf(), "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    try:
        yield counted
    finally:
        perf.send_signal(signal.SIGINT)
        _, said = perf.communicate()
    counted.instructions = _count(said) or 0.0


def _perf() -> list[str]:
    return ["perf", "stat", "-x,", "-e", EVENT]


def _count(said: str) -> float | None:
    """The number in perf's line, if there is one: `<not supported>` is none."""
    for line in said.splitlines():
        value, _, rest = line.partition(",")
        if EVENT in rest and value.replace(".", "").isdigit():
            return float(value)
    return None
