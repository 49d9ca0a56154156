"""A `loa` command that kills itself with SIGKILL when it passes a crash point for the n-th time.

Point `-` arms nothing. The death is noted in `deaths`, beside the data folder, just before.
"""

import os
import signal
import sys
import time
from pathlib import Path

from consumers.channel_health.canary.worker import CanaryWorker
from consumers.cli import main
from consumers.ledger.wakeups import CanaryKey
from contracts.base.crash_points import arm
from contracts.delivery import ChannelName
from tests.deep.crash import two_people, uploads
from tests.deep.crash.mutants import MUTANTS
from tests.deep.crash.short_waits import shorten_waits
from tests.support.forked_loa import become

NOTHING = "-"
DEATHS = "deaths"
MUTANT = "CRASH_MUTANT"
TWO_PEOPLE, UPLOAD = "two-people", "upload"
"""Commands of the campaign's own."""
OF_CANARIES = {"portal.tmp_written", "portal.file_in_place", "portal.all_in_place"}
"""Points that a canary passes, too: it writes one file. Deaths there are meant for an item."""
trying: set[CanaryKey] = set()


class KillAtPoint:
    """The hook that an armed process carries."""

    def __init__(self, point: str, hit: int, deaths: Path) -> None:
        self.point = point
        self.left = hit
        self.deaths = os.open(deaths, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, name: str) -> None:
        if name != self.point or (trying and name in OF_CANARIES):
            return
        self.left -= 1
        if not self.left:
            os.write(self.deaths, f"{os.getpid()} {name} {time.time()}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def notice_canaries() -> None:
    """Know when the portal is being tried; the message alone does not tell."""
    take = CanaryWorker.handle

    async def noticed(self: CanaryWorker, key: CanaryKey) -> None:
        if key.channel == ChannelName.PORTAL:
            trying.add(key)
        try:
            await take(self, key)
        finally:
            trying.discard(key)

    CanaryWorker.handle = noticed


def launch(point: str, hit: int, command: list[str]) -> None:
    shorten_waits()
    notice_canaries()
    if mutant := os.environ.get(MUTANT):
        for where, name, replacement in MUTANTS[mutant]:
            setattr(where, name, replacement)
    if point != NOTHING:
        arm(KillAtPoint(point, hit, Path(os.environ["LOA_DATA_DIR"]).with_name(DEATHS)))
    if command[0] == UPLOAD:
        uploads.main(*command[1:])
        return
    if command[0] == TWO_PEOPLE:
        two_people.main(command[1])
        return
    sys.argv = ["loa", *command]
    main()


def forked(environ: dict[str, str], out: Path, point: str, hit: int, command: list[str]) -> None:
    """The same in a fork of a process that has everything imported: half a second earlier."""
    become(os.environ | environ, out)
    launch(point, hit, command)


if __name__ == "__main__":
    launch(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
