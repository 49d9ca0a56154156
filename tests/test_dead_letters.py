"""Dead letters on a real bus: whole, listed once, sent again or given up, never without a trace."""

import asyncio
from typing import Any

import pytest

from consumers.dead_letters import DeadLetters, Origin
from contracts import envelope, subjects
from contracts.errors import Invalid, fault
from producers.bus import Bus
from tests.arrivals import UNIT, an_event, submitted
from tests.crashing import Crash, doomed

SUBJECT = subjects.content(UNIT, "submitted")
WRONG = (fault("data.title", "missing"), fault("data.body", "missing"))


@pytest.fixture
def letters(bus: Bus) -> DeadLetters:
    return DeadLetters(bus)


async def stored(bus: Bus, body: bytes, **headers: str) -> Origin:
    """A message on CONTENT, and where it lies."""
    ack = await bus.publish(SUBJECT, body, headers=headers)
    return Origin(subject=SUBJECT, stream=ack.stream, seq=ack.seq, headers=headers)


async def listed(letters: DeadLetters, *, ended: bool = False) -> list[Any]:
    return [letter async for letter in letters.letters(ended=ended)]


async def on_content(bus: Bus) -> list[Any]:
    return [message async for message in bus.scan(subjects.CONTENT.name)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00\xfe", "Nội dung".encode() * 1000])
async def test_a_letter_holds_the_whole_message_and_every_reason(bus, letters, body):
    origin = await stored(bus, body, **{"ce-id": "1"})
    await letters.bury("intake", origin, body, WRONG)
    [listed_one] = await listed(letters)
    letter = await letters.show(listed_one.id)
    assert letter.original == body
    assert letter.origin == origin
    assert letter.stage == "intake"
    assert [error.field for error in letter.errors] == ["data.title", "data.body"]
    assert all(error.message and error.message_vi for error in letter.errors)
    assert letter.ended is None


async def test_the_largest_message_the_stream_takes_can_be_buried_and_sent_again(bus, letters):
    body = b"x" * (1_000_000)
    origin = await stored(bus, body)
    await letters.bury("intake", origin, body, WRONG)
    [listed_one] = await listed(letters)
    assert (await letters.show(listed_one.id)).original == body
    await letters.replay(listed_one.id)
    assert [message.data for message in await on_content(bus)] == [body, body]


async def test_the_same_message_buried_again_is_listed_once(bus, letters):
    origin = await stored(bus, b"{")
    await letters.bury("intake", origin, b"{", WRONG)
    await letters.bury("intake", origin, b"{", WRONG)
    config = (await bus.stream_info("DEAD"))["config"] | {"duplicate_window": 100_000_000}
    await bus.link.api("STREAM.UPDATE.DEAD", config)
    await asyncio.sleep(0.3)  # the stream has to forget the message id
    await letters.bury("intake", origin, b"{", WRONG)
    [letter] = await listed(letters)
    await letters.discard(letter.id, "rác", "Bình")
    assert await listed(letters) == []


async def test_two_messages_are_two_letters(bus, letters):
    for _ in range(2):
        await letters.bury("intake", await stored(bus, b"{"), b"{", WRONG)
    assert len(await listed(letters)) == 2


async def test_many_letters_are_listed_in_order(bus, letters):
    for number in range(450):
        origin = Origin(subject=SUBJECT, stream="CONTENT", seq=number + 1)
        await letters.bury("intake", origin, b"{", WRONG)
    ids = [letter.id for letter in await listed(letters)]
    assert len(ids) == 450
    assert ids == sorted(ids)


async def test_a_replay_sends_the_same_event_to_the_same_subject(bus, letters):
    event = an_event("submitted", submitted().data)
    body = envelope.to_structured(event)
    headers = {"Content-Type": envelope.CONTENT_TYPE, "Nats-Msg-Id": "first"}
    origin = await stored(bus, body, **headers)
    await letters.bury("intake", origin, body, WRONG)
    [letter] = await listed(letters)
    ended = await letters.replay(letter.id, "Bình")
    assert ended.ended is not None
    assert (ended.ended.state, ended.ended.by) == ("replayed", "Bình")
    _, again = await on_content(bus)
    assert (again.subject, again.data) == (SUBJECT, body)
    assert again.headers["Content-Type"] == envelope.CONTENT_TYPE
    assert again.headers["Nats-Msg-Id"] != "first"
    assert await listed(letters) == []


async def test_what_is_dealt_with_stays_to_be_looked_at(bus, letters):
    await letters.bury("intake", await stored(bus, b"{"), b"{", WRONG)
    [letter] = await listed(letters)
    await letters.discard(letter.id, "gửi thử", "Bình")
    [kept] = await listed(letters, ended=True)
    assert kept.ended.state == "discarded"
    assert (kept.ended.by, kept.ended.reason) == ("Bình", "gửi thử")
    assert kept.original == b"{"
    for deed in (letters.replay(letter.id), letters.discard(letter.id, "again")):
        with pytest.raises(Invalid) as caught:
            await deed
        assert "discarded" in str(caught.value)
    assert len(await on_content(bus)) == 1


async def test_to_give_up_takes_a_reason(bus, letters):
    await letters.bury("intake", await stored(bus, b"{"), b"{", WRONG)
    [letter] = await listed(letters)
    with pytest.raises(Invalid) as caught:
        await letters.discard(letter.id, "  ")
    assert [error.field for error in caught.value.errors] == ["reason"]
    assert len(await listed(letters)) == 1


@pytest.mark.parametrize("deed", ["show", "replay"])
@pytest.mark.parametrize("id", [0, -1, 999])
async def test_a_letter_that_is_not_there_is_said_so(letters, deed, id):
    with pytest.raises(Invalid) as caught:
        await getattr(letters, deed)(id)
    assert [error.field for error in caught.value.errors] == ["id"]


async def test_of_two_people_at_once_one_decides(bus, letters):
    await letters.bury("intake", await stored(bus, b"{"), b"{", WRONG)
    [letter] = await listed(letters)
    deeds = [letters.discard(letter.id, f"reason {n}", f"clerk {n}") for n in range(5)]
    answers = await asyncio.gather(*deeds, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_replay_cut_short_at_any_call_sends_once(bus, letters, after):
    for calls in range(1, 20):
        await letters.bury("intake", await stored(bus, b"{"), b"{", WRONG)
        before = len(await on_content(bus))
        [letter] = await listed(letters)
        try:
            await DeadLetters(doomed(bus, calls, after=after)).replay(letter.id)
        except Crash:
            if await listed(letters):
                await letters.replay(letter.id)
            assert len(await on_content(bus)) == before + 1
            assert await listed(letters) == []
        else:
            assert calls > 3
            return
    pytest.fail("the replay never ended")
