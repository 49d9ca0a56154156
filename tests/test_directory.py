"""The directory: a projection that is never behind unnoticed, whoever writes it."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from consumers.addresses import Contact
from consumers.directory import Directory
from consumers.settle import Later
from producers.bus import Bus
from tests.builders import a_publication
from tests.town import Town, running, until

ROOT = Path(__file__).parent.parent


@pytest.fixture
def town(bus: Bus) -> Town:
    return Town(bus)


@pytest.fixture
async def directory(bus: Bus, tmp_path: Path) -> AsyncIterator[Directory]:
    async with running(Directory(bus, tmp_path / "directory.sqlite")) as directory:
        yield directory


async def test_who_subscribed_before_is_found_once_it_is_ready(town, directory):
    await town.settle("an", topics=["viec-lam"])
    await town.settle("binh")
    await directory.ready()
    publication = a_publication(topic="viec-lam")
    assert directory.ids_after(publication, "", 10) == ["an", "binh"]
    assert directory.count(publication) == 2
    await until(directory.fresh)
    assert directory.lookup(["an", "nobody"]) == {"an": Contact("an", "an@example.com", "AN")}


async def test_changes_are_followed(town, directory):
    await town.settle("an", topics=["viec-lam"])
    await directory.ready()
    await town.settle("an", topics=["lich-nghi-le"], name="Nguyễn Văn An")
    await directory.ready()
    await until(directory.fresh)
    assert directory.count(a_publication(topic="viec-lam")) == 0
    assert directory.count(a_publication(topic="lich-nghi-le")) == 1
    assert directory.lookup(["an"])["an"].name == "Nguyễn Văn An"


@pytest.mark.parametrize("how", ["erased", "left"])
async def test_who_is_gone_is_in_no_answer(town, directory, how):
    await town.settle("an")
    await directory.ready()
    seq = await (town.erase("an") if how == "erased" else town.settle("an", active=False))
    assert await directory.caught_up(seq, 5)
    await until(directory.fresh)
    assert directory.lookup(["an"]) == {}
    assert directory.ids_after(a_publication(), "", 10) == []
    assert directory.count(a_publication()) == 0


async def test_an_erased_address_leaves_the_file(town, directory, tmp_path):
    await town.settle("an", email="rat-rieng-tu@example.com")
    await directory.ready()
    await town.erase("an")
    await directory.ready()

    def on_disk() -> bool:
        return any(b"rat-rieng-tu" in path.read_bytes() for path in tmp_path.iterdir())

    await until(lambda: not on_disk())
    assert (tmp_path / "directory.sqlite").stat().st_mode & 0o777 == 0o600


async def test_an_entry_nobody_can_read_stops_nothing(bus, town, directory):
    for number, junk in enumerate(
        [b"{", b"[]", b'{"active": true}', b'{"active": true, "email": 1}']
    ):
        await town.bucket.put(f"s.junk{number}", junk)
    await town.settle("an")
    await directory.ready()
    assert directory.ids_after(a_publication(), "", 10) == ["an"]


async def test_a_look_up_without_a_sign_of_life_for_ten_seconds_is_refused(bus, town, tmp_path):
    now = [time.time()]
    directory = Directory(bus, tmp_path / "directory.sqlite", lambda: now[0])
    async with running(directory):
        await town.settle("an")
        await directory.ready()
        await until(directory.fresh)
    reader = Directory(bus, tmp_path / "directory.sqlite", lambda: now[0])
    now[0] += 9
    assert "an" in reader.lookup(["an"])
    now[0] += 2
    with pytest.raises(Later):
        reader.lookup(["an"])
    now[0] -= 3600  # a clock that was set back proves nothing either
    assert not reader.fresh()
    reader.close()


async def test_ready_says_later_while_nobody_follows(bus, town, tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.directory.READY_S", 0.05)
    await town.settle("an")
    reader = Directory(bus, tmp_path / "directory.sqlite")
    with pytest.raises(Later):
        await reader.ready()
    reader.close()


async def test_it_stays_fresh_while_changes_pour_in(bus, town, directory):
    async def pour() -> None:
        for number in range(1500):
            await town.settle(f"p{number}")

    await directory.ready()
    await until(directory.fresh)
    before = directory.store.confirmed
    pouring = asyncio.create_task(pour())
    await until(lambda: directory.store.confirmed > before)
    assert directory.fresh()
    await pouring


async def test_another_reader_sees_what_the_writer_took_in(bus, town, directory, tmp_path):
    reader = Directory(bus, tmp_path / "directory.sqlite")
    await town.settle("an")
    await reader.ready()
    assert reader.ids_after(a_publication(), "", 10) == ["an"]
    await town.settle("binh", topics=["lich-nghi-le"])
    await reader.ready()
    assert reader.ids_after(a_publication(), "", 10) == ["an", "binh"]
    reader.close()


async def test_after_a_restart_it_goes_on_where_it_was(bus, town, tmp_path):
    path = tmp_path / "directory.sqlite"
    async with running(Directory(bus, path)) as directory:
        await town.settle("an")
        await directory.ready()
    await town.settle("binh")
    await town.erase("an")
    async with running(Directory(bus, path)) as directory:
        await directory.ready()
        assert directory.ids_after(a_publication(), "", 10) == ["binh"]


async def test_a_projection_of_another_bucket_is_made_anew(bus, town, tmp_path):
    path = tmp_path / "directory.sqlite"
    async with running(Directory(bus, path)) as directory:
        await town.settle("an", topics=["lich-nghi-le"])
        await directory.ready()
        config = (await bus.stream_info(town.bucket.stream))["config"]
        await bus.link.api(f"STREAM.DELETE.{town.bucket.stream}")
        await bus.link.api(f"STREAM.CREATE.{town.bucket.stream}", config)
    await town.settle("binh")
    async with running(Directory(bus, path)) as directory:
        await until(lambda: directory.ids_after(a_publication(), "", 10) == ["binh"])


WRITER = """
    import asyncio, sys
    from pathlib import Path
    from consumers.directory import Directory
    from producers.bus import Bus

    async def main():
        async with await Bus.connect(sys.argv[1]) as bus:
            await Directory(bus, Path(sys.argv[2])).run()

    asyncio.run(main())
"""


@contextlib.contextmanager
def writer(url: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    code = [sys.executable, "-c", textwrap.dedent(WRITER), url, str(path)]
    with subprocess.Popen(code, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_another_process_takes_over_when_the_writer_is_killed(
    bus, town, nats_server, tmp_path
):
    path = tmp_path / "directory.sqlite"
    reader = Directory(bus, path)
    with writer(nats_server.url, path) as first:
        await town.settle("an")
        await until(lambda: reader.as_of() > 0)
        async with running(Directory(bus, path)) as standby:
            await asyncio.sleep(0.1)
            first.send_signal(signal.SIGKILL)
            first.wait()
            await town.settle("binh")
            await standby.ready()
            await until(reader.fresh)
            assert list(reader.lookup(["an", "binh"])) == ["an", "binh"]
    reader.close()
