"""A `loa` command that kills itself with SIGKILL when it passes a crash point for the n-th time.

Point `-` arms nothing; `told` is the point that the file `next-death` names, once a page's POST
passes it; after the word `anywhere`, once anything does. The death is noted in `deaths`, beside the
data folder, just before.
"""

import os
import signal
import sys
import time
from contextvars import ContextVar
from pathlib import Path

from starlette.requests import Request

from consumers.channel_health.canary.worker import CanaryWorker
from consumers.cli import main
from consumers.ledger.wakeups import CanaryKey
from contracts.base.crash_points import arm
from contracts.delivery import ChannelName
from producers.desk.guard import Guard
from producers.desk.visit import DeskRoute, Visit
from tests.deep.crash import desk_writes, two_people, uploads
from tests.deep.crash.mutants import MUTANTS
from tests.deep.crash.short_waits import shorten_waits
from tests.support.forked_loa import become

NOTHING = "-"
DEATHS = "deaths"
MUTANT = "CRASH_MUTANT"
TOLD, NEXT_DEATH, ANYWHERE = "told", "next-death", "anywhere "
TWO_PEOPLE, UPLOAD, DESK_WRITES = "two-people", "upload", "desk-writes"
OWN_COMMANDS = {TWO_PEOPLE: two_people.main, UPLOAD: uploads.main, DESK_WRITES: desk_writes.main}
"""Commands of the campaign's own."""
OF_CANARIES = {"portal.tmp_written", "portal.file_in_place", "portal.all_in_place"}
"""Points that a canary passes, too: it writes one file. Deaths there are meant for an item."""
trying: set[CanaryKey] = set()
posting: ContextVar[bool] = ContextVar("posting", default=False)


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
            self.die(name)

    def die(self, name: str) -> None:
        os.write(self.deaths, f"{os.getpid()} {name} {time.time()}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


class KillInPost(KillAtPoint):
    """Dies at the point that it is told meanwhile, as a rule only in handling a page's POST."""

    def __init__(self, deaths: Path) -> None:
        super().__init__(TOLD, 0, deaths)
        self.told = deaths.with_name(NEXT_DEATH)

    def __call__(self, name: str) -> None:
        if self.told.exists() and self.told.read_text() in self._told_by(name):
            self.die(name)

    def _told_by(self, name: str) -> tuple[str, ...]:
        return (name, ANYWHERE + name) if posting.get() else (ANYWHERE + name,)


def notice_posts() -> None:
    """Know what is done for a page's POST; services that run beside it do the same."""
    admit = Guard._admit

    async def noticed(self: Guard, request: Request, route: DeskRoute) -> Visit:
        posting.set(request.method == "POST")
        return await admit(self, request, route)

    Guard._admit = noticed


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
    deaths = Path(os.environ["LOA_DATA_DIR"]).with_name(DEATHS)
    if point == TOLD:
        notice_posts()
        arm(KillInPost(deaths))
    elif point != NOTHING:
        arm(KillAtPoint(point, hit, deaths))
    if own := OWN_COMMANDS.get(command[0]):
        own(*command[1:])
        return
    sys.argv = ["loa", *command]
    main()


def forked(environ: dict[str, str], out: Path, point: str, hit: int, command: list[str]) -> None:
    """The same in a fork of a process that has everything imported: half a second earlier."""
    become(os.environ | environ, out)
    launch(point, hit, command)


if __name__ == "__main__":
    launch(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
