"""One of two processes that race for a token: it does what it is told, line by line.

python -m tests.zalo_racer; the first line says where everything is, each further one is an order.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from channels.errors import Misconfigured, Unreachable
from channels.zalo.api import ZaloApi
from channels.zalo.codes import Refused
from channels.zalo.hours import ProviderClock
from channels.zalo.oauth import OAuth
from channels.zalo.rate import Limits, TokenBucket
from channels.zalo.tokens import TokenKeeper
from channels.zalo.transport import AioTransport
from channels.zalo.vault import NEVER, Seal
from consumers.vault import BusVault
from contracts import crash
from producers.bus import Bus

PLENTY = 1e9
BEFORE_NOTE = "vault.before_note"
"""A moment of this test's own: nothing is stored yet that says "a refresh is under way"."""


@dataclass
class Order:
    """Call Zalo once, at *now*. At the moment *at* whoever draws the *lot* does the *deed*."""

    now: float
    read_s: float
    at: str = ""
    deed: str = ""
    lot: str = ""

    def strikes(self, moment: str) -> bool:
        """Only one of the two processes draws the lot."""
        if moment != self.at:
            return False
        with suppress(FileExistsError):
            os.close(os.open(self.lot, os.O_CREAT | os.O_EXCL))
            return True
        return False


class Racer:
    """A process of the channel as far as its token goes; all its parts are the real ones."""

    def __init__(self, bus: Bus, place: dict[str, str]) -> None:
        self.order = Order(0.0, 15.0)
        self.transport = AioTransport()
        oauth = OAuth(place["url"], place["app_id"], place["app_secret"], self.transport)
        vault = Marked(bus, self.passes)
        tokens = TokenKeeper(oauth, vault, Seal(place["key"].encode()), self.clock)
        bucket = TokenBucket(self.clock, Limits(PLENTY, PLENTY))
        self.api = ZaloApi(place["url"], tokens, self.transport, ProviderClock(self.clock), bucket)
        crash.arm(self.passes)

    def clock(self) -> float:
        return self.order.now

    def passes(self, moment: str) -> None:
        """Die, or stand still as a frozen process does, until a line comes."""
        if not self.order.strikes(moment):
            return
        if self.order.deed == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        say(said="halted")
        sys.stdin.readline()

    async def call(self, order: Order) -> dict[str, Any]:
        """One harmless call with the token that is good now."""
        self.order = order
        self.transport.timeout = AioTransport(read_s=order.read_s).timeout
        try:
            await self.api.ask(self.api.get_data("/v2.0/oa/getoa"))
        except Unreachable as why:
            return {"said": "later", "reason": why.reason}
        except Misconfigured as why:
            return {"said": "lost", "reason": why.reason}
        except Refused as why:
            return {"said": "refused", "reason": why.reason}
        return {"said": "ok"}


class Marked(BusVault):
    """The vault, which tells when the first note of a refresh is about to be stored."""

    def __init__(self, bus: Bus, passes: Any) -> None:
        super().__init__(bus)
        self.passes = passes

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        if revision != NEVER:
            self.passes(BEFORE_NOTE)
        return await super().swap(key, data, revision)


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def serve(place: dict[str, str]) -> None:
    events: list[str] = []

    def noted(_: Any, level: str, fact: dict[str, Any]) -> dict[str, Any]:
        events.append(f"{level} {fact['event']}")
        raise structlog.DropEvent

    structlog.configure(processors=[noted])
    async with await Bus.connect(place["nats"], name="racer") as bus:
        racer = Racer(bus, place)
        say(said="here")
        while line := await asyncio.to_thread(sys.stdin.readline):
            events.clear()
            said = await racer.call(Order(**json.loads(line)))
            say(**said, events=events)
        await racer.transport.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
