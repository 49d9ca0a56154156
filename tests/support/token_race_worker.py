"""One of two processes that race for a token refresh; takes orders line by line.

python -m tests.support.token_race_worker. The first line names the stores, each further one is an
order.
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
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.clock import ProviderClock
from channels.zalo.client.errors import Refused
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.rate_limit import RateLimits, TokenBucket
from channels.zalo.client.store import NO_REVISION, GrantCipher
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport
from consumers.zalo.stores import BusKeyValueStore
from contracts.base import crash_points
from producers.bus import Bus

PLENTY = 1e9
BEFORE_NOTE = "vault.before_note"
"""A moment of this test's own: nothing is stored yet that says "a refresh is under way"."""


@dataclass
class RaceOrder:
    """Call Zalo once, at *now*; at the moment *at* the process with the *lot* does *action*."""

    now: float
    read_s: float
    at: str = ""
    action: str = ""
    lot: str = ""

    def applies_at(self, moment: str) -> bool:
        """Only one of the two processes draws the lot."""
        if moment != self.at:
            return False
        with suppress(FileExistsError):
            os.close(os.open(self.lot, os.O_CREAT | os.O_EXCL))
            return True
        return False


class TokenProcess:
    """A process of the channel as far as its token goes; all its parts are the real ones."""

    def __init__(self, bus: Bus, place: dict[str, str]) -> None:
        self.order = RaceOrder(0.0, 15.0)
        self.transport = AiohttpTransport()
        oauth = OAuthClient(place["url"], place["app_id"], place["app_secret"], self.transport)
        vault = MarkedVault(bus, self.pass_moment)
        tokens = TokenStore(oauth, vault, GrantCipher(place["key"].encode()), self.clock)
        bucket = TokenBucket(self.clock, RateLimits(PLENTY, PLENTY))
        self.api = ZaloClient(
            place["url"], tokens, self.transport, ProviderClock(self.clock), bucket
        )
        crash_points.arm(self.pass_moment)

    def clock(self) -> float:
        return self.order.now

    def pass_moment(self, moment: str) -> None:
        """Die, or stand still as a frozen process does, until a line comes."""
        if not self.order.applies_at(moment):
            return
        if self.order.action == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        print_line(said="halted")
        sys.stdin.readline()

    async def call(self, order: RaceOrder) -> dict[str, Any]:
        """One harmless call with the token that is good now."""
        self.order = order
        self.transport.timeout = AiohttpTransport(read_s=order.read_s).timeout
        try:
            await self.api.read(self.api.get_data_call("/v2.0/oa/getoa"))
        except Unreachable as why:
            return {"said": "later", "reason": why.reason}
        except Misconfigured as why:
            return {"said": "lost", "reason": why.reason}
        except Refused as why:
            return {"said": "refused", "reason": why.reason}
        return {"said": "ok"}


class MarkedVault(BusKeyValueStore):
    """A store that reports when the first record of a refresh is about to be written."""

    def __init__(self, bus: Bus, passes: Any) -> None:
        super().__init__(bus)
        self.passes = passes

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        if revision != NO_REVISION:
            self.passes(BEFORE_NOTE)
        return await super().swap(key, data, revision)


def print_line(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def serve(place: dict[str, str]) -> None:
    events: list[str] = []

    def noted(_: Any, level: str, fact: dict[str, Any]) -> dict[str, Any]:
        events.append(f"{level} {fact['event']}")
        raise structlog.DropEvent

    structlog.configure(processors=[noted])
    async with await Bus.connect(place["nats"], name="racer") as bus:
        racer = TokenProcess(bus, place)
        print_line(said="here")
        while line := await asyncio.to_thread(sys.stdin.readline):
            events.clear()
            said = await racer.call(RaceOrder(**json.loads(line)))
            print_line(**said, events=events)
        await racer.transport.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
