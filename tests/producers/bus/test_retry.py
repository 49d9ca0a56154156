"""Retries after a missing answer: until there is one, until patience ends, until a close."""

import asyncio

import pytest

from producers.bus import Denied, NoReply, RevisionConflict, retry

LONG_S = 60.0


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(retry, "_MAX_JITTER_S", 0.0)


class Attempts:
    """Gives or raises *results* in turn; the last one again and again."""

    def __init__(self, *results):
        self.results, self.count = results, 0

    async def __call__(self):
        result = self.results[min(self.count, len(self.results) - 1)]
        self.count += 1
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize("patience_s", [LONG_S, None])
async def test_a_request_is_repeated_until_it_is_answered(patience_s):
    attempts = Attempts(NoReply("one"), NoReply("two"), "answer")
    assert await retry.retry_until(attempts, patience_s, asyncio.Event()) == "answer"
    assert attempts.count == 3


async def test_when_patience_ends_the_last_reason_is_told():
    attempts = Attempts(NoReply("one"), NoReply("two"))
    with pytest.raises(NoReply, match=r"no answer within 0\.05 s; last: two") as given_up:
        await retry.retry_until(attempts, 0.05, asyncio.Event())
    assert str(given_up.value.__cause__) == "two"


async def test_a_key_without_the_right_is_told_from_an_absent_server():
    attempts = Attempts(Denied("one"), Denied("two"))
    with pytest.raises(Denied, match=r"^two: this key"):
        await retry.retry_until(attempts, 0.05, asyncio.Event())


async def test_an_attempt_that_never_ends_ends_with_patience():
    with pytest.raises(NoReply, match=r"^no answer within [0-9.]+ s$"):
        await retry.retry_until(asyncio.Event().wait, 0.01, asyncio.Event())


async def test_after_the_close_nothing_is_repeated():
    closed = asyncio.Event()
    closed.set()
    attempts = Attempts(NoReply("one"), "answer")
    with pytest.raises(NoReply, match=r"^one$"):
        await retry.retry_until(attempts, None, closed)
    assert attempts.count == 1


async def test_a_close_ends_the_wait_for_the_next_attempt(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 2 * LONG_S)
    closed, attempts = asyncio.Event(), Attempts(NoReply("silent"))
    asyncio.get_running_loop().call_later(0.01, closed.set)
    with pytest.raises(NoReply, match=r"^silent$"):
        await retry.retry_until(attempts, LONG_S, closed)


async def test_any_other_error_is_raised_at_once():
    attempts = Attempts(RevisionConflict("changed"), "answer")
    with pytest.raises(RevisionConflict):
        await retry.retry_until(attempts, LONG_S, asyncio.Event())
    assert attempts.count == 1
