"""A service of `make cluster-crash`: shortened waits, a clock that jumps, a planted mistake."""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Any

from channels.email.channel import EmailChannel
from consumers.app.node import Node
from consumers.deliver.worker import DeliveryWorker
from consumers.email import pace
from contracts.delivery import ChannelName
from tests.deep.cluster.mutants import MUTANTS
from tests.deep.crash.launch import NOTHING, launch
from tests.support.forked_loa import become

CLUSTER_MUTANT = "CLUSTER_MUTANT"
CLOCK = "CLUSTER_CLOCK"
LEASE_S, REQUEST_S = 8.0, 2.0
"""Shorter than in earnest, so that mails whose worker hangs are taken over within a fault."""
SLOWER_S, QUIET_S = 1.0, 3.0
"""Between two levels of the pace, which some readers' relay slows down again and again."""
AHEAD = struct.Struct("d")


class SteppedClock:
    """The machine's clock and what the file *path* says that it is ahead."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.ahead = mmap.mmap(file.fileno(), AHEAD.size, prot=mmap.PROT_READ)

    def __call__(self) -> float:
        return time.time() + AHEAD.unpack_from(self.ahead)[0]


def set_ahead(path: Path, seconds: float) -> None:
    """Let the clocks that go by *path* be so much ahead from now on."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(AHEAD.pack(seconds))


def shorten_waits() -> None:
    pace.HOLD_S, pace.QUIET_S = SLOWER_S, QUIET_S
    begin = DeliveryWorker.__post_init__

    def shorter(self: DeliveryWorker[Any]) -> None:
        if self.channel.name == ChannelName.EMAIL:
            self.lease_s = LEASE_S
        begin(self)

    DeliveryWorker.__post_init__ = shorter
    EmailChannel.request_timeout_s = REQUEST_S


def run_service(environ: dict[str, str], out: Path, command: list[str]) -> None:
    """Be `loa` *command*, in a fork of a process that has everything imported."""
    become(os.environ | environ, out)
    shorten_waits()
    Node.clock = staticmethod(SteppedClock(Path(environ[CLOCK])))
    for where, name, replacement in MUTANTS.get(environ[CLUSTER_MUTANT], ()):
        setattr(where, name, replacement)
    launch(NOTHING, 1, command)
