"""One of two processes that race for a token refresh; takes orders line by line.

python -m tests.deep.scale.token_race_worker. The first line names the stores, each further one is
an order: call Zalo at `now`; at the moment `at` the process that draws the `lot` dies or halts.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import structlog

from channels.errors import Misconfigured, Unreachable
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.rate_limit import TokenBucket
from channels.zalo.client.store import NO_REVISION, GrantCipher
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport
from channels.zalo.clock import ProviderClock
from consumers.zalo.stores import BusKeyValueStore
from contracts.base import crash_points
from producers.bus import Bus
from tests.support.zalo_account import MemoryKeyValueStore

PLENTY = 1e9
BEFORE_NOTE = "vault.before_note"
"""A moment of this test's own: nothing is stored yet that says "a refresh is under way"."""


class TokenProcess:
    """A process of the channel as far as its token goes; all its parts are the real ones."""

    def __init__(self, bus: Bus, place: dict[str, str]) -> None:
        self.order: dict[str, Any] = {}
        self.transport = AiohttpTransport()
        oauth = OAuthClient(place["url"], place["app_id"], place["app_secret"], self.transport)
        cipher = GrantCipher(place["key"].encode())
        tokens = TokenStore(oauth, MarkedVault(bus, self), cipher, self.clock)
        bucket = TokenBucket(self.clock, PLENTY, MemoryKeyValueStore())
        clock = ProviderClock(self.clock)
        self.api = ZaloClient(place["url"], tokens, self.transport, clock, bucket)
        crash_points.arm(self.pass_moment)

    def clock(self) -> float:
        return float(self.order["now"])

    def pass_moment(self, moment: str) -> None:
        """Die, or halt as a frozen process does, until a line comes."""
        if moment != self.order["at"]:
            return
        try:
            Path(self.order["lot"]).touch(exist_ok=False)
        except FileExistsError:
            return
        if self.order["action"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        print_line(result="halted")
        sys.stdin.readline()

    async def call(self, order: dict[str, Any]) -> str:
        """One harmless call with the token that is good now."""
        self.order = order
        try:
            await self.api.read(self.api.get_data_call("/v2.0/oa/getoa"))
        except Unreachable:
            return "later"
        except Misconfigured:
            return "lost"
        return "ok"


class MarkedVault(BusKeyValueStore):
    """A store that reports when the first record of a refresh is about to be written."""

    def __init__(self, bus: Bus, process: TokenProcess) -> None:
        super().__init__(bus)
        self.process = process

    async def swap(self, key: str, data: bytes, revision: int) -> int:
        if revision != NO_REVISION:
            self.process.pass_moment(BEFORE_NOTE)
        return await super().swap(key, data, revision)


def print_line(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def serve(place: dict[str, str]) -> None:
    events: list[str] = []

    def collect(_: Any, level: str, line: dict[str, Any]) -> dict[str, Any]:
        events.append(f"{level} {line['event']}")
        raise structlog.DropEvent

    structlog.configure(processors=[collect])
    async with await Bus.connect(place["nats"], name="racer") as bus:
        process = TokenProcess(bus, place)
        print_line(result="ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            events.clear()
            print_line(result=await process.call(json.loads(line)), events=events)
        await process.transport.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
