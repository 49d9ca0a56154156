"""Postfix's own load generator with 10 sessions: the reference; and what the wire allows."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench import letter
from bench.tools import compiled, tool

SESSIONS = "10"
BUILT = Path("var/bench-programs").resolve()


@dataclass(frozen=True)
class Sent:
    """Result of a program, from its start to its end."""

    mails: int
    s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        return self.mails / self.s


def smtp_source(port: int, mails: int) -> Sent:
    """-N numbers the recipients, -d keeps the connections."""
    counts = ["-s", SESSIONS, "-m", str(mails), "-l", str(letter.length())]
    options = ["-N", "-d", "-f", letter.SENDER, "-t", "reader@example.com"]
    return timed([tool("smtp-source"), *counts, *options, f"127.0.0.1:{port}"], mails)


def blaster(port: int, mails: int) -> Sent:
    """Raises Missing where there is no C compiler."""
    return timed([str(built()), str(port), SESSIONS, str(mails), str(letter.length())], mails)


@cache
def built() -> Path:
    return compiled(Path(__file__).with_name("blaster.c"), BUILT)


def timed(command: Sequence[str], mails: int) -> Sent:
    """Raises CalledProcessError when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Sent(mails, took_s, used.ru_utime + used.ru_stime)
