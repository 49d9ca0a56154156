"""Random histories through a real ledger: facts equal what happened, and a mistake is found."""

from collections.abc import Iterator
from random import Random

import pytest

from consumers.facts.compare import differences
from contracts import subjects
from producers.bus import Bus
from tests.conftest import reset_streams
from tests.deep.reports.fact_mistakes import MISTAKES
from tests.deep.reports.ledger_history import LedgerHistory
from tests.support.server_clock import ServerClock, message_times

SEEDS = 10
TRIES = 3
"""Histories within which each planted mistake has to be found; as a rule the first one does."""


@pytest.fixture
def clock() -> Iterator[ServerClock]:
    """The clock of the stored messages, too."""
    clock = ServerClock()
    with message_times(clock):
        yield clock


async def problems(history: LedgerHistory) -> list[str]:
    """Wrong facts: when all has ended, without the ledger's rows, and rebuilt."""
    await history.play()
    found = await named(history, "at the end")
    await history.clean_all()
    await history.start_again()
    found += await named(history, "without the ledger's rows")
    stored = await last_fact(history.bus)
    await history.new_process().rebuild()
    if await last_fact(history.bus) != stored:
        found.append("rebuild changed something")
    return found + await named(history, "rebuilt")


async def last_fact(bus: Bus) -> int:
    return int((await bus.stream_info(subjects.FACTS.name))["state"]["last_seq"])


async def named(history: LedgerHistory, when: str) -> list[str]:
    found = await history.recount.problems()
    process = history.new_process()
    for source in process.sources:
        found += [f"compare: {one.key}" async for one in differences(process.store, source)]
    return [f"{when}: {one}" for one in found]


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_facts_equal_what_happened_and_what_the_ledger_says(bus, tmp_path, clock, seed):
    history = LedgerHistory(bus, tmp_path, Random(seed), clock)
    assert await problems(history) == [], f"seed {seed}"


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_planted_mistake_is_found(bus, tmp_path, clock, mistake):
    for seed in range(TRIES):
        await reset_streams(bus)
        history = LedgerHistory(bus, tmp_path / str(seed), Random(seed), clock)
        with MISTAKES.planted(mistake):
            if await problems(history):
                return
    pytest.fail(f"{mistake} survives {TRIES} histories")
