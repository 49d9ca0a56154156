"""A start waits for a bus that is not up yet, says so, and ends by a stop or a wrong setting."""

import asyncio

import pytest
from structlog.testing import capture_logs

from consumers.errors import StoppedEarly
from consumers.runtime.bus_wait import until_answered
from producers.bus.errors import Denied, NoLeader, NoReply, UnfitServer


def attempts(*results):
    """An attempt that raises or returns one of *results* after the other."""
    left = iter(results)

    async def attempt():
        result = next(left)
        if isinstance(result, Exception):
            raise result
        return result

    return attempt


async def test_silence_is_waited_for_and_logged():
    attempt = attempts(NoReply("not connected"), NoLeader("no leader"), "the bus")
    with capture_logs() as logged:
        assert await until_answered(attempt, asyncio.Event()) == "the bus"
    assert [(one["event"], one["reason"]) for one in logged] == [
        ("bus_awaited", "not connected"), ("bus_awaited", "no leader"),
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [UnfitServer("too old"), Denied("STREAM.INFO")], ids=repr)
async def test_only_an_operator_can_end_what_is_wrong(wrong):
    with pytest.raises(type(wrong)):
        await until_answered(attempts(wrong, "in vain"), asyncio.Event())


async def test_a_bus_of_our_own_is_not_waited_for():
    with pytest.raises(NoReply):
        await until_answered(attempts(NoReply("gone"), "in vain"), None)


async def test_a_stop_ends_the_wait_at_once_and_the_attempt_with_it():
    stopped, begun, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def attempt():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(until_answered(attempt, stopped))
    await begun.wait()
    stopped.set()
    with pytest.raises(StoppedEarly):
        await waiting
    assert ended.is_set()
