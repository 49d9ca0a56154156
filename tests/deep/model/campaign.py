"""Runs seeds: the product's constants made small, its log counted, its crash points armed."""

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import structlog

from consumers.dispatch import audience, planner
from consumers.ledger import cursor
from contracts import publication
from contracts.base import crash_points
from producers.bus import messages, retry
from tests.deep.model import simulated_bus
from tests.deep.model.final_check import FinalCheck
from tests.deep.model.scenario import scenario
from tests.deep.model.virtual_loop import ACTOR
from tests.deep.model.world import Simulation

BATCH_ROWS, CHUNK_BATCHES, CHUNK = 4, 2, 5


@dataclass
class Result:
    """Results of some seeds."""

    seen: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str, str]] = field(default_factory=list)
    runs: int = 0
    steps: int = 0
    digest: str = ""


class SeedRunner:
    """Where seeds run; one at a time."""

    def __init__(self) -> None:
        self.result = Result()
        self.world: Simulation | None = None
        self.tracing = self.is_clustered = False

    def count_event(self, _: Any, __: str, event: dict[str, Any]) -> Any:
        self.result.seen[f"log: {event['event']}"] += 1
        if self.world:
            self.world.monitor.note(event)
        raise structlog.DropEvent

    def at_crash_point(self, name: str) -> None:
        self.result.seen[f"passed {name}"] += 1
        if self.world:
            self.world.nemesis.at_crash_point(ACTOR.get(), name)

    def run(self, seed: int) -> Simulation:
        """One seed; what was wrong is in the result."""
        story = scenario(seed, is_clustered=self.is_clustered)
        self.world = world = Simulation(story, self.result.seen)
        world.monitor.tracing = self.tracing
        try:
            world.run()
            FinalCheck(world).check()
        finally:
            world.loop.close()
            self.world = None
        for rule, detail in world.monitor.violations:
            self.result.violations.append((seed, rule, detail))
        self.result.runs += 1
        self.result.steps += world.loop.steps
        return world


@contextmanager
def seed_runner() -> Iterator[SeedRunner]:
    """Set the stage, and put everything back afterwards."""
    runner = SeedRunner()
    before = structlog.get_config()
    structlog.configure(processors=[runner.count_event], cache_logger_on_first_use=False)
    crash_points.arm(runner.at_crash_point)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with (
            patch.object(cursor, "MAX_BATCH_ROWS", BATCH_ROWS),
            patch.object(planner, "MAX_BATCH_ROWS", BATCH_ROWS),
            patch.object(planner, "CHUNK_BATCHES", CHUNK_BATCHES),
            patch.object(audience, "READ_CHUNK", CHUNK),
            patch.object(publication, "decode", lru_cache(64)(publication.decode)),
            patch.object(messages, "read_message", simulated_bus.read_message),
            patch.object(messages, "direct_get", simulated_bus.direct_get),
            patch.object(retry, "_MAX_JITTER_S", 0.0),
        ):
            yield runner
    finally:
        crash_points.arm(None)
        structlog.configure(**before)
        gc.unfreeze()
        gc.enable()


def run(
    seeds: Sequence[int],
    stop_after: int | None = None,
    *,
    tracing: bool = False,
    is_clustered: bool = False,
) -> Result:
    """Run *seeds*, or fewer when *stop_after* violations are found."""
    with seed_runner() as runner:
        runner.tracing, runner.is_clustered = tracing, is_clustered
        result, worlds = runner.result, hashlib.sha256()
        for seed in seeds:
            worlds.update(fingerprint(runner.run(seed)))
            gc.collect()
            if stop_after is not None and len(result.violations) >= stop_after:
                break
        result.digest = worlds.hexdigest()[:16]
        return result


def fingerprint(world: Simulation) -> bytes:
    """All that a run left behind: the same seed must leave the same."""
    ledger = world.server.buckets["ledger"].slots
    effects = {
        name: sorted((*key, *times) for key, times in receiver.effects.items())
        for name, receiver in world.receivers.items()
    }
    stored = {key: (slot.revision, (slot.data or b"").decode()) for key, slot in ledger.items()}
    return json.dumps([stored, effects], sort_keys=True).encode()


def joined(results: Iterable[Result]) -> Result:
    """Several results as one."""
    whole, worlds = Result(), hashlib.sha256()
    for part in results:
        whole.seen.update(part.seen)
        whole.violations += part.violations
        whole.runs += part.runs
        whole.steps += part.steps
        worlds.update(part.digest.encode())
    whole.digest = worlds.hexdigest()[:16]
    return whole
