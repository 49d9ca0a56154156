"""The process that writes the directory's file is killed; another takes over."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.directory import directory
from consumers.directory.directory import Directory, try_lock
from tests.support.directory_harness import running_directory
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
WRITER = """
    import asyncio, sys
    from pathlib import Path
    from consumers.directory.directory import Directory
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


@pytest.fixture
def refused(monkeypatch) -> asyncio.Event:
    """Set when the standby has found the lock held."""
    event = asyncio.Event()

    @contextlib.contextmanager
    def watched(path: Path) -> Iterator[bool]:
        with try_lock(path) as is_locked:
            if not is_locked:
                event.set()
            yield is_locked

    monkeypatch.setattr(directory, "try_lock", watched)
    return event


async def test_another_process_takes_over_when_the_writer_is_killed(
    bus, subscriber_bucket, nats_server, tmp_path, refused
):
    path = tmp_path / "directory.sqlite"
    reader = Directory(bus, path)
    with writer(nats_server.url, path) as first:
        await subscriber_bucket.add("an")
        await until(lambda: reader.store.seq > 0)
        async with running_directory(Directory(bus, path)) as standby:
            await refused.wait()
            first.send_signal(signal.SIGKILL)
            first.wait()
            await subscriber_bucket.add("binh")
            await standby.ready()
            await until(reader.is_fresh)
            assert list(reader.lookup(["an", "binh"])) == ["an", "binh"]
    reader.close()
