"""While a handler works, its message stays its own, for any answer of the bus."""

import asyncio
from contextlib import suppress

import pytest
import structlog
from nats.errors import ConnectionClosedError, TimeoutError

from consumers.runtime import ack
from consumers.runtime.ack import keep_alive


class FlakyMessage:
    """Counts its heartbeats; the first few fail."""

    def __init__(self, *failures):
        self.failures, self.beats = list(failures), 0

    async def in_progress(self):
        self.beats += 1
        if self.failures:
            raise self.failures.pop(0)


async def until_beats(message, count):
    async with asyncio.timeout(5):
        while message.beats < count:
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(ack, "KEEP_ALIVE_S", 0)


async def test_a_beat_that_fails_is_not_the_last():
    message = FlakyMessage(ConnectionClosedError(), TimeoutError())
    with structlog.testing.capture_logs() as logs:
        async with keep_alive(message):
            await until_beats(message, 4)
    missed = [one for one in logs if one["event"] == "beat_missed"]
    assert [one["log_level"] for one in missed] == ["debug", "debug"]


async def test_the_beat_ends_with_the_handler():
    message = FlakyMessage()
    with suppress(ZeroDivisionError):
        async with keep_alive(message):
            await until_beats(message, 2)
            raise ZeroDivisionError
    await asyncio.sleep(0)
    beats = message.beats
    for _ in range(10):
        await asyncio.sleep(0)
    assert message.beats == beats
