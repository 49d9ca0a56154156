"""Check the servers: refuse versions that are too old, and acknowledgement before fsync."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from producers.bus.bus import Bus
from producers.bus.errors import UnfitServer
from producers.bus.monitoring_endpoint import fetch_page

_MIN_VERSION = (2, 14)
SETTINGS_SUBJECT = "$SYS.REQ.SERVER.PING.JSZ"
_LAST_ANSWER_WAIT_S = 0.3
_ANSWER_WAIT_S = 5.0
_SETTINGS_NOT_VISIBLE = (
    "can't see whether sync_interval is always: name the servers' monitoring addresses, or let our "
    f"account import the service {SETTINGS_SUBJECT} from the system account"
)


class ServerReport(NamedTuple):
    """One server's own report; `sync_always` is None without JetStream.

    `at`: its clock. `used` of `most` bytes of its disk are taken; 0 of 0 if it does not say.
    `unheard`: the servers that it, as the leader of the cluster, has not heard of lately.
    """

    server_id: str
    version: str
    sync_always: bool | None
    name: str = ""
    at: datetime | None = None
    used: int = 0
    most: int = 0
    unheard: tuple[str, ...] = ()


async def verify(bus: Bus, monitors: Sequence[str] = ()) -> None:
    """Raise UnfitServer unless every server is new enough and fsyncs before it acknowledges.

    The settings are read from the running servers: from the monitoring addresses *monitors* (one
    per server), or over the bus if the account may ask for them. Raises NoReply where our server
    may be asked and keeps silent.
    """
    info = bus.connection.server_info
    check_version(info["version"])
    if monitors:
        reports = await asyncio.gather(*(_from_monitor(url) for url in monitors))
    else:
        reports = await poll_servers(bus, awaited=info["server_id"])
    check_reports(info["server_id"], reports)


def check_reports(our_server_id: str, reports: Sequence[ServerReport]) -> None:
    """Raise UnfitServer if a server is unfit, or if *our_server_id* is not among the reports."""
    if our_server_id not in {server.server_id for server in reports}:
        raise UnfitServer(
            "the monitoring addresses belong to other servers than the one we talk to"
        )
    if all(server.sync_always is None for server in reports):
        raise UnfitServer("no server has JetStream")
    for server in reports:
        check_version(server.version)
        if server.sync_always is False:
            raise UnfitServer(f"sync_interval is not always on server {server.server_id}")


def check_version(version: str) -> None:
    """Raise UnfitServer for a version older than MIN_VERSION."""
    major, minor = version.split(".")[:2]
    if (int(major), int(minor)) < _MIN_VERSION:
        oldest = ".".join(map(str, _MIN_VERSION))
        raise UnfitServer(f"nats-server {version} is older than {oldest}")


async def _from_monitor(url: str) -> ServerReport:
    _, report = await fetch_page(url, "/varz")
    return ServerReport(
        report["server_id"], report["version"], _fsyncs_always(report.get("jetstream", {}))
    )


def _fsyncs_always(jetstream: dict[str, Any]) -> bool | None:
    if "config" not in jetstream:
        return None
    return jetstream["config"].get("sync_always", False) is True


async def poll_servers(bus: Bus, awaited: str = "") -> list[ServerReport]:
    """Ask all servers at once; a pause ends the poll, because their number is unknown.

    The one whose id is *awaited* may take longer. Raises NoReply without its answer, UnfitServer
    where no server may be asked.
    """
    link = bus.connection
    replies: asyncio.Queue[Msg] = asyncio.Queue()
    async with link.awaiting_reply(SETTINGS_SUBJECT, _ANSWER_WAIT_S):
        inbox = link.nc.new_inbox()
        subscription = await link.nc.subscribe(inbox, cb=replies.put)
        try:
            await link.nc.publish(SETTINGS_SUBJECT, b'{"config":true}', reply=inbox)
            return await _gather_reports(replies, awaited)
        finally:
            await subscription.unsubscribe()


async def _gather_reports(replies: asyncio.Queue[Msg], awaited: str) -> list[ServerReport]:
    """The reports that come until a pause, the *awaited* one among them if one is."""
    reports: list[ServerReport] = []
    with suppress(TimeoutError):
        while True:
            is_whole = not awaited or any(one.server_id == awaited for one in reports)
            async with asyncio.timeout(_LAST_ANSWER_WAIT_S if is_whole else None):
                reply = await replies.get()
            if reply.data:
                reports.append(_from_reply(json.loads(reply.data)))
            elif awaited:  # no responder
                raise UnfitServer(_SETTINGS_NOT_VISIBLE)
    return reports


async def absent_servers(bus: Bus) -> list[str]:
    """The servers of the cluster that answer nothing, and whose leader hears nothing of them."""
    if not bus.connection.is_clustered:
        return []
    reports = await poll_servers(bus)
    unheard = {name for one in reports for name in one.unheard}
    return sorted(unheard - {one.name for one in reports})


def _from_reply(report: dict[str, Any]) -> ServerReport:
    server, jetstream = report["server"], report["data"]
    peers = jetstream.get("meta_cluster", {}).get("replicas", ())
    return ServerReport(
        server["id"],
        server["ver"],
        _fsyncs_always(jetstream),
        server.get("name", ""),
        datetime.fromisoformat(server["time"]) if "time" in server else None,
        jetstream.get("storage", 0),
        jetstream.get("config", {}).get("max_storage", 0),
        tuple(one["name"] for one in peers if not one["current"]),
    )
