"""Replicas of a cluster that lack messages, or can't read them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from consumers.check.findings import Violation
from consumers.progress import report_progress
from producers.bus import Bus, topology
from producers.bus.replicas.missing import MOST_NAMED, Missing, find_missing

_ROUNDS = 3
"""A message that is replaced, or on its way, is missing in one round only."""


async def find_damaged_replicas(bus: Bus, recheck_after_s: float) -> AsyncIterator[Violation]:
    """The replicas of each stream that lack messages which another one has.

    Work queues are left out: their servers remove a message at different moments.
    """
    infos = await topology.led_infos(bus) if bus.connection.is_clustered else {}
    kept = [info for info in infos.values() if info["config"]["retention"] == "limits"]
    for number, info in enumerate(kept, 1):
        for violation in _violations(info, await _missing(bus, info, recheck_after_s)):
            yield violation
        report_progress("replicas", number, len(kept))


async def _missing(bus: Bus, info: Mapping[str, Any], recheck_after_s: float) -> set[Missing]:
    """The messages that are missing in every round."""
    missing = await find_missing(bus, info)
    for _ in range(1, _ROUNDS):
        if missing:
            await asyncio.sleep(recheck_after_s)
            missing &= await find_missing(bus, info, min(one.seq for one in missing))
    return missing


def _violations(info: Mapping[str, Any], missing: set[Missing]) -> list[Violation]:
    by_server: dict[str, list[int]] = defaultdict(list)
    for server, seq in sorted(missing):
        by_server[server].append(seq)
    stream, most = info["config"]["name"], f"{MOST_NAMED} or more"
    return [
        Violation(
            rule="replica-damaged",
            key=f"{stream} {server}",
            detail=f"{most if len(missing) >= MOST_NAMED else len(seqs)} missing, first {seqs[0]}",
        )
        for server, seqs in by_server.items()
    ]
