"""Checks of a cluster: replicas, leaders, replicas that are behind, servers, clocks, disks."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from typing import Any

from consumers.doctor.finding import DoctorFinding, new_finding
from producers.bus import Bus
from producers.bus.replicas.placement import Placement, read_placement
from producers.bus.server_check import ServerReport, poll_servers

_MAX_SKEW_S = 1.0
"""Servers are asked at once, but may answer 0.3 s apart."""
_MAX_LAG = 100
"""Writes that a replica may lack for a moment, under load."""
_LOW_PERCENT = 80
Infos = Mapping[str, Mapping[str, Any]]


async def examine_cluster(bus: Bus, wanted: int) -> AsyncIterator[DoctorFinding]:
    """Every stream on *wanted* servers, led, and alike on all; clocks and disks of the servers."""
    servers = await poll_servers(bus)
    present = {one.name for one in servers}
    placement = await read_placement(bus, present)
    told = bus.connection.server_info.get("connect_urls") or ()
    known = present | {one["name"] for one in _followers(placement.infos)}
    in_streams = find_in_streams(placement, present, wanted)
    for finding in (*in_streams, *find_in_servers(servers), *find_in_addresses(told, known)):
        yield finding


def find_in_streams(
    placement: Placement, present: Set[str], wanted: int
) -> Iterator[DoctorFinding]:
    """Faults in the replicas of streams, or the finding that there are none.

    *present*: the names of the servers that answer.
    """
    infos = placement.infos
    missing = [*_few(infos, wanted), *_unplaced(placement), *_away(infos, present)]
    found = [*missing, *_behind(infos, present)]
    yield from found
    if not found:
        leaders = Counter(info["cluster"]["leader"] for info in infos.values())
        shown = ", ".join(f"{name} {count}" for name, count in sorted(leaders.items()))
        yield new_finding("bus_replicas_ok", count=len(infos), replicas=wanted, leaders=shown)


def find_in_servers(servers: Sequence[ServerReport]) -> Iterator[DoctorFinding]:
    """Clocks that differ, and disks that fill up."""
    clocks = sorted((one.at, one.name) for one in servers if one.at)
    if clocks and (skew_s := (clocks[-1][0] - clocks[0][0]).total_seconds()) > _MAX_SKEW_S:
        facts = {"late": clocks[0][1], "early": clocks[-1][1], "seconds": round(skew_s, 1)}
        yield new_finding("bus_clocks_differ", **facts)
    for one in servers:
        if one.most and one.used * 100 >= one.most * _LOW_PERCENT:
            sizes = {"used": one.used >> 20, "most": one.most >> 20}
            yield new_finding("bus_server_low", server=one.name, **sizes)


def find_in_addresses(told: Sequence[str], servers: Set[str]) -> Iterator[DoctorFinding]:
    """More addresses that clients are *told* than there are servers."""
    if len(told) > len(servers):
        facts = {"count": len(told), "servers": len(servers), "addresses": ", ".join(sorted(told))}
        yield new_finding("bus_addresses", **facts)


def _few(infos: Infos, wanted: int) -> Iterator[DoctorFinding]:
    has = {name: info["config"]["num_replicas"] for name, info in infos.items()}
    if few := [name for name, count in has.items() if count < wanted]:
        yield new_finding("bus_replicas_few", names=", ".join(few), wanted=wanted)
    if lone := [name for name, count in has.items() if count == wanted == 1]:
        yield new_finding("bus_replicas_lone", count=len(lone))


def _unplaced(placement: Placement) -> Iterator[DoctorFinding]:
    for code, names in (("bus_growing", placement.growing), ("bus_unled", placement.unled)):
        if names:
            yield new_finding(code, names=", ".join(names))


def _away(infos: Infos, present: Set[str]) -> Iterator[DoctorFinding]:
    away = Counter(one["name"] for one in _followers(infos) if one["name"] not in present)
    for server, count in sorted(away.items()):
        yield new_finding("bus_server_away", server=server, count=count)


def _behind(infos: Infos, present: Set[str]) -> Iterator[DoctorFinding]:
    behind = Counter[str]()
    for one in _followers(infos):
        lag = one.get("lag", 0)
        if one["name"] in present and not one["current"] and lag > _MAX_LAG:
            behind[one["name"]] = max(behind[one["name"]], lag)
    for server, lag in sorted(behind.items()):
        yield new_finding("bus_server_behind", server=server, lag=lag)


def _followers(infos: Infos) -> Iterator[Mapping[str, Any]]:
    for info in infos.values():
        yield from info.get("cluster", {}).get("replicas", ())
