"""Refusing a server that can't keep Loa's promises: too old, or acknowledging before its disk."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from producers.bus.bus import Bus
from producers.bus.errors import Unfit
from producers.bus.link import Link
from producers.bus.monitor import look

OLDEST = (2, 14)
SETTINGS_CALL = "$SYS.REQ.SERVER.PING.JSZ"
QUIET_S = 0.3
BLIND = (
    "can't see whether sync_interval is always: name the servers' monitoring addresses, or let our "
    f"account import the service {SETTINGS_CALL} from the system account"
)


class Seen(NamedTuple):
    """What one server says about itself; `sync_always` is None where it has no JetStream."""

    server_id: str
    version: str
    sync_always: bool | None


async def verify(bus: Bus, monitors: Sequence[str] = ()) -> None:
    """Raise Unfit unless every server is new enough and fsyncs before it acknowledges.

    The settings are read from the running servers: from the monitoring addresses *monitors* (one
    per server), or over the bus where our account may ask for them.
    """
    info = bus.link.server_info
    judge_version(info["version"])
    if monitors:
        seen = await asyncio.gather(*(_from_monitor(url) for url in monitors))
    else:
        seen = await _Poll(bus.link).ask()
    judge(info["server_id"], seen)


def judge(ours: str, seen: Sequence[Seen]) -> None:
    """Raise Unfit when one of the servers is unfit, or when *ours* isn't among them."""
    if not seen:
        raise Unfit(BLIND)
    if ours not in {server.server_id for server in seen}:
        raise Unfit("the monitoring addresses belong to other servers than the one we talk to")
    if all(server.sync_always is None for server in seen):
        raise Unfit("no server has JetStream")
    for server in seen:
        judge_version(server.version)
        if server.sync_always is False:
            raise Unfit(f"sync_interval is not always on server {server.server_id}")


def judge_version(version: str) -> None:
    """Raise Unfit for a server that is older than what Loa relies on."""
    major, minor = version.split(".")[:2]
    if (int(major), int(minor)) < OLDEST:
        raise Unfit(f"nats-server {version} is older than {OLDEST[0]}.{OLDEST[1]}")


async def _from_monitor(url: str) -> Seen:
    _, said = await look(url, "/varz")
    return Seen(said["server_id"], said["version"], _sync_always(said.get("jetstream", {})))


def _sync_always(jetstream: dict[str, Any]) -> bool | None:
    if "config" not in jetstream:
        return None
    return jetstream["config"].get("sync_always", False) is True


class _Poll:
    """Asks all servers at once; how many will answer is unknown, so quiet ends it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seen: list[Seen] = []
        self._heard = asyncio.Event()

    async def ask(self) -> list[Seen]:
        nc = self._link.nc
        async with self._link.answering(SETTINGS_CALL, 5.0):
            inbox = nc.new_inbox()
            answers = await nc.subscribe(inbox, cb=self._hear)
            await nc.publish(SETTINGS_CALL, b'{"config":true}', reply=inbox)
            await self._until_quiet()
            await answers.unsubscribe()
        return self._seen

    async def _until_quiet(self) -> None:
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._heard.wait()
            except TimeoutError:
                return

    async def _hear(self, msg: Msg) -> None:
        self._heard.set()
        if msg.data:
            said = json.loads(msg.data)
            server = said["server"]
            self._seen.append(Seen(server["id"], server["ver"], _sync_always(said["data"])))
