"""The writer of a copy of the desk is killed again and again while it follows its stream."""

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from consumers.cli.background import in_background
from consumers.desk.index import ItemIndex
from consumers.editorial.log import EditorialLog
from consumers.facts.store import FactStore
from contracts import subjects
from contracts.desk.index import ItemFilter
from tests.support.editorial_world import EditorialWorld
from tests.support.live_reports import following, reports_of, store_all, whole
from tests.support.random_facts import random_facts

ROOT = Path(__file__).parents[3]
_KILLS, _ITEMS_BETWEEN, _PAUSE_S = 8, 6, 0.3
INDEX, REPORTS = "consumers.desk.index", "consumers.desk.reports"
"""The packages of both copies."""
WRITER = """
    import asyncio, sys, time
    from pathlib import Path
    from producers.bus import Bus
    from {module} import {copy}
    from {package} import follow

    follow._CHUNK = 7

    async def main():
        async with await Bus.connect(sys.argv[1]) as bus:
            following = asyncio.create_task({copy}(bus, Path(sys.argv[2])).run())
            print("ready", flush=True)
            await following

    asyncio.run(main())
"""


def index_of(bus, path: Path) -> ItemIndex:
    return ItemIndex(EditorialLog(bus), path, time.time)


def start_writer(copy: Callable, package: str, url: str, path: Path) -> subprocess.Popen[bytes]:
    names = {"module": copy.__module__, "copy": copy.__name__, "package": package}
    code = textwrap.dedent(WRITER).format(**names)
    words = [sys.executable, "-c", code, url, str(path)]
    writer = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
    assert writer.stdout and any(line == b"ready\n" for line in writer.stdout)
    return writer


async def kill_while(storing: Coroutine, writer: subprocess.Popen[bytes], chance: Random) -> None:
    """Kill the writer at any moment of its work while something is stored."""
    stored = asyncio.create_task(storing)
    await asyncio.sleep(chance.random() * _PAUSE_S)
    writer.kill()
    writer.communicate()
    await stored


@asynccontextmanager
async def followed(index: ItemIndex):
    async with in_background(index.run):
        yield index


async def store_stories(bus, seeds, chance: Random) -> None:
    """The acts of random items, mixed with each other."""
    waiting = {}
    for seed in seeds:
        world = EditorialWorld(seed)
        world.run()
        waiting[f"tin-{seed}"] = list(world.log.bodies)
    while waiting := {item: bodies for item, bodies in waiting.items() if bodies}:
        item = chance.choice(list(waiting))
        await bus.publish(subjects.editorial(item), waiting[item].pop(0))


async def all_rows(index: ItemIndex) -> list:
    async with asyncio.timeout(60):
        while not (page := await index.find(ItemFilter(limit=500))).is_current:
            await asyncio.sleep(0.05)
    return list(page.rows)


async def test_an_index_whose_writer_is_killed_anywhere_says_what_a_new_one_says(
    bus, nats_server, tmp_path, clock
):
    path, chance = tmp_path / "index.sqlite", Random(4)
    for kill in range(_KILLS):
        writer = await asyncio.to_thread(start_writer, index_of, INDEX, nats_server.url, path)
        seeds = range(kill * _ITEMS_BETWEEN, (kill + 1) * _ITEMS_BETWEEN)
        await kill_while(store_stories(bus, seeds, chance), writer, chance)
    log = EditorialLog(bus)
    async with followed(ItemIndex(log, path, clock)) as killed:
        rows = await all_rows(killed)
    async with followed(ItemIndex(log, tmp_path / "anew.sqlite", clock)) as anew:
        assert await all_rows(anew) == rows
    assert len(rows) > _KILLS * _ITEMS_BETWEEN // 2


async def test_rows_whose_writer_is_killed_anywhere_give_the_figures_of_new_ones(
    bus, nats_server, tmp_path
):
    path, chance, store = tmp_path / "reports.sqlite", Random(5), FactStore(bus)
    facts = random_facts(chance, 40)
    for kill in range(_KILLS):
        writer = await asyncio.to_thread(start_writer, reports_of, REPORTS, nats_server.url, path)
        await kill_while(store_all(store, facts[kill::_KILLS]), writer, chance)
    async with following(bus, path) as killed:
        tables = (await whole(killed)).tables
    async with following(bus, tmp_path / "anew.sqlite") as anew:
        assert (await whole(anew)).tables == tables
    assert any(cell.at for table in tables for row in table.rows for cell in row.cells)
