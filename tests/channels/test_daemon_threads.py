"""Work that may hang: on a thread that neither a caller nor the end of the process waits for."""

import asyncio
import threading
from pathlib import Path

import pytest

from channels.daemon_threads import begin


async def test_a_result_and_an_error_come_back():
    assert await begin(lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        await begin(lambda: Path("/nowhere/at/all").read_bytes())


async def test_what_is_given_up_ends_later_without_a_word():
    hung, ended = threading.Event(), threading.Event()

    def work() -> None:
        hung.wait(60)
        ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await begin(work)
    hung.set()
    assert await begin(lambda: ended.wait(60))


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_ends_before_its_work():
    hung, threads = threading.Event(), list[threading.Thread]()

    def work() -> None:
        threads.append(threading.current_thread())
        hung.wait(60)

    async def give_up() -> None:
        begin(work)
        while not threads:
            await asyncio.sleep(0)

    asyncio.run(give_up())
    hung.set()
    threads[0].join(60)
    assert threads[0].daemon and not threads[0].is_alive()
