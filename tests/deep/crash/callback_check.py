"""Whether a unit's system has taken what its unit was told: each fact, and in order."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from consumers.callbacks.status_store import StatusStore, StoredStatus, item_of
from contracts import subjects
from producers.bus import Bus

PATIENCE_S = 120.0


async def missed_callbacks(bus: Bus, unit: str, record: Path) -> list[str]:
    """Errors that stay: a unit is told a moment behind what the ledger says."""
    end = time.monotonic() + PATIENCE_S
    while True:
        facts = [one async for one in StatusStore(bus).scan(subjects.status(unit, "*"))]
        errors = [*callback_errors(facts, record)]
        if not errors or time.monotonic() > end:
            return errors
        await asyncio.sleep(0.5)


def callback_errors(facts: list[StoredStatus], record: Path) -> Iterator[str]:
    """Each fact has arrived under its id, those of an item in their order, and nothing else."""
    lines = record.read_text().rpartition("\n")[0].splitlines() if record.exists() else []
    arrived = list(dict.fromkeys(map(json.loads, lines)))
    items = {one.fact.id: item_of(one.fact) for one in facts}
    yield from (f"callback: {id} was never told" for id in arrived if id not in items)
    wanted, met = defaultdict(list), defaultdict(list)
    for id, item in items.items():
        wanted[item].append(id)
    for id in arrived:
        met[items.get(id)].append(id)
    for item, ids in wanted.items():
        if met[item] != ids:
            yield f"callback: of {item} {met[item]} arrived, told were {ids}"
