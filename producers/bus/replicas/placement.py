"""Where the servers of a cluster keep Loa's streams, and which are not on all of them yet."""

import asyncio
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from contracts.subjects import STREAMS, inbound_stream, unit_of_inbound
from producers.bus import topology
from producers.bus.bus import Bus
from producers.bus.errors import BusError, Denied, NoReply

_CONSUMER_PATIENCE_S = 2.0
Info = Mapping[str, Any]


class Placement(NamedTuple):
    """The info of each stream with a leader, and the faults of the placement.

    *unled*: streams that are missing, or that no server leads. *growing*: other streams, and
    consumers as STREAM/NAME, that are not on all their servers yet.
    """

    infos: Mapping[str, Info]
    unled: list[str]
    growing: list[str]


async def read_placement(bus: Bus, present: Set[str]) -> Placement:
    """Ask for all streams and their consumers; *present*: the servers that answer.

    Raises BusError.
    """
    infos = await topology.led_infos(bus)
    names = topology.stream_names() + await topology.inbound_stream_names(bus)
    known = infos | await _consumer_infos(bus, infos)
    growing = [name for name, info in known.items() if is_growing(info, present)]
    return Placement(infos, [name for name in names if name not in infos], growing)


def is_growing(info: Info, present: Set[str]) -> bool:
    """Whether a stream or a consumer has yet to get onto servers that it shall be on.

    Of one that moves or grows nats-server 2.15 tells `desired`. By an earlier one, a replica that
    has not joined is not current, and has no lag that the leader could count.
    """
    cluster = info.get("cluster") or {}
    others = cluster.get("replicas") or ()
    apart = [one["name"] for one in others if not one["current"] and not one.get("lag")]
    is_short = len(others) < info["config"]["num_replicas"] - 1
    return "desired" in cluster or is_short or not present.isdisjoint(apart)


async def _consumer_infos(bus: Bus, infos: Mapping[str, Info]) -> dict[str, Info]:
    """The info of each consumer of *infos* that we may ask for; it has its stream's replicas."""
    inbound = (inbound_stream(unit) for unit in map(unit_of_inbound, infos) if unit)
    specs = [spec for spec in (*STREAMS, *inbound) if spec.name in infos]
    pairs = [(spec.name, one.durable) for spec in specs for one in spec.consumers]
    found = await asyncio.gather(*(_consumer_info(bus, *pair) for pair in pairs))
    return {
        f"{stream}/{durable}": {**info, "config": infos[stream]["config"]}
        for (stream, durable), info in zip(pairs, found, strict=True)
        if info is not None
    }


async def _consumer_info(bus: Bus, stream: str, durable: str) -> Info | None:
    """The info of a consumer; empty while no server leads it, None if there is none for us."""
    call = f"CONSUMER.INFO.{stream}.{durable}"
    try:
        return await bus.connection.api_request(call, timeout_s=_CONSUMER_PATIENCE_S)
    except Denied:
        return None
    except NoReply:
        return {}
    except BusError as error:
        if error.err_code != topology.NO_CONSUMER_CODE:
            raise
        return None
