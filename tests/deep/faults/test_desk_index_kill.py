"""The process that writes the desk's index is killed again and again while it follows the log."""

import asyncio
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from consumers.desk.index import ItemIndex
from consumers.editorial.log import EditorialLog
from contracts import subjects
from contracts.desk.index import ItemFilter
from tests.support.editorial_world import EditorialWorld

ROOT = Path(__file__).parents[3]
_KILLS, _ITEMS_BETWEEN, _PAUSE_S = 8, 6, 0.3
WRITER = """
    import asyncio, sys, time
    from pathlib import Path
    from consumers.desk.index import ItemIndex, follow
    from consumers.editorial.log import EditorialLog
    from producers.bus import Bus

    follow._CHUNK = 7

    async def main():
        async with await Bus.connect(sys.argv[1]) as bus:
            following = asyncio.create_task(
                ItemIndex(EditorialLog(bus), Path(sys.argv[2]), time.time).run()
            )
            print("ready", flush=True)
            await following

    asyncio.run(main())
"""


def start_writer(url: str, path: Path) -> subprocess.Popen[bytes]:
    code = [sys.executable, "-c", textwrap.dedent(WRITER), url, str(path)]
    writer = subprocess.Popen(code, cwd=ROOT, stdout=subprocess.PIPE)
    assert writer.stdout and any(line == b"ready\n" for line in writer.stdout)
    return writer


@asynccontextmanager
async def followed(index: ItemIndex):
    following = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


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
        writer = await asyncio.to_thread(start_writer, nats_server.url, path)
        seeds = range(kill * _ITEMS_BETWEEN, (kill + 1) * _ITEMS_BETWEEN)
        storing = asyncio.create_task(store_stories(bus, seeds, chance))
        await asyncio.sleep(chance.random() * _PAUSE_S)  # at any moment of its work
        writer.kill()
        writer.communicate()
        await storing
    log = EditorialLog(bus)
    async with followed(ItemIndex(log, path, clock)) as killed:
        rows = await all_rows(killed)
    async with followed(ItemIndex(log, tmp_path / "anew.sqlite", clock)) as anew:
        assert await all_rows(anew) == rows
    assert len(rows) > _KILLS * _ITEMS_BETWEEN // 2
