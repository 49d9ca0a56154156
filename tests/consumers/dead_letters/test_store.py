"""Dead letters on a real bus: whole, one for one cause, never without a trace."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.dead_letters import store
from consumers.dead_letters.decisions import Operator
from consumers.dead_letters.letter import MessageOrigin
from contracts import envelope, keys, subjects
from contracts.errors import NotFound, field_error
from producers.bus import BusError
from tests.support.dead_letters import (
    CLERK,
    SUBJECT,
    WRONG,
    buried,
    bury,
    content_messages,
    letter_ids,
    letters_of,
)
from tests.support.events import ITEM, UNIT, submitted
from tests.support.expired_message_ids import expire_message_ids


@pytest.mark.promise("9.1")
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00\xfe", "Nội dung".encode() * 1000])
async def test_a_letter_holds_the_whole_message_and_every_reason(letters, body):
    origin = await bury(letters, body, **{"ce-id": "1"})
    letter = await letters.load(1)
    assert (letter.original, letter.origin, letter.stage) == (body, origin, "intake")
    assert [error.field for error in letter.errors] == ["data.title", "data.body"]
    assert all(error.message and error.message_vi for error in letter.errors)
    assert letter.ended is None


async def test_the_largest_message_of_the_stream_can_be_buried_and_resent(bus, letters, decisions):
    body = b"x" * (1_000_000)
    listed_one = await buried(letters, body)
    assert (await letters.load(listed_one.id)).original == body
    await decisions.replay(listed_one, CLERK)
    assert [message.data for message in await content_messages(bus)] == [body, body]


async def test_a_burial_repeated_after_a_crash_is_one_and_opens_nothing(bus, letters, decisions):
    origin = await bury(letters, b"{")
    await letters.bury("intake", origin, b"{", WRONG)
    [letter] = await letters_of(letters)
    await decisions.discard(letter, Operator("Bình", "rác"))
    await expire_message_ids(bus, subjects.DEAD.name)
    await letters.bury("intake", origin, b"{", WRONG)
    assert await letters_of(letters) == []
    [kept] = await letters_of(letters, ended=True)
    assert kept.times == 1


async def test_a_letter_whose_message_id_a_foreign_message_has_is_stored_all_the_same(bus, letters):
    await bus.publish(subjects.dead("intake"), b"foreign", msg_id="CONTENT.1")
    await bury(letters, b"{")
    assert sorted(one.original for one in await letters_of(letters)) == [b"foreign", b"{"]


async def test_different_messages_are_different_letters(letters):
    await bury(letters, b"{")
    await bury(letters, b"{ ")
    await bury(letters, b"{", subject=subjects.content("vu-to-chuc-can-bo", "submitted"))
    await bury(letters, b"{", **{"ce-id": "1"})
    assert len(await letters_of(letters)) == 4


async def test_the_same_message_again_is_the_same_letter_and_counts_up(bus, letters, decisions):
    start = datetime(2026, 11, 25, 1, tzinfo=UTC)
    letters.now = lambda: start
    first = await buried(letters, b"{")
    await decisions.replay(first, CLERK)
    assert await letters_of(letters) == []
    letters.now = lambda: start + timedelta(hours=3)
    one = (await content_messages(bus))[-1]
    origin = MessageOrigin(subject=one.subject, stream="CONTENT", seq=one.seq, headers=one.headers)
    await letters.bury("intake", origin, one.data, WRONG)
    [letter] = await letters_of(letters)
    assert (letter.id, letter.times) == (first.id, 2)
    assert (letter.at, letter.last) == (start, start + timedelta(hours=3))
    assert [one.state for one in letter.decisions] == ["replayed"]
    assert (await letters.load(letter.latest)).id == first.id, "by the place of any death"
    await decisions.replay(letter, CLERK)
    assert [message.data for message in await content_messages(bus)] == [b"{"] * 3
    states = [decision.state for decision in (await letters.load(first.id)).decisions]
    assert states == ["replayed", "replayed"]


async def test_many_letters_are_listed_in_order(letters, monkeypatch):
    monkeypatch.setattr(store, "_CHUNK_LETTERS", 4)
    for number in range(10):
        origin = MessageOrigin(subject=SUBJECT, stream="CONTENT", seq=number + 1)
        await letters.bury("intake", origin, b"%d" % number, WRONG)
    ids = [letter.id for letter in await letters_of(letters)]
    assert len(ids) == 10
    assert ids == sorted(ids)


async def test_a_letter_says_who_sent_it_and_what_it_is_about(letters):
    event = submitted()
    await bury(letters, envelope.to_structured(event))
    headers, body = envelope.to_binary(event)
    await bury(letters, body, **headers)
    for letter in await letters_of(letters):
        assert letter.about.unit == UNIT
        assert (letter.about.source, letter.about.id) == (event.source, event.id)
        assert letter.about.event_id == keys.event_id(UNIT, event.source, event.id)
        assert letter.about.content_id == ITEM


async def test_letters_are_found_by_what_they_have_in_common(letters):
    morning = datetime(2026, 11, 25, 1, tzinfo=UTC)
    other = subjects.content("vu-to-chuc-can-bo", "submitted")
    letters.now = lambda: morning
    await bury(letters, '{"data": {"title": "Bổ nhiệm Vụ trưởng"}}'.encode())
    letters.now = lambda: morning + timedelta(hours=1)
    await bury(letters, b"{ ", (field_error("data.links.0.url", "missing"),), subject=other)
    letters.now = lambda: morning + timedelta(hours=2)
    await letters.bury(
        "dispatch", MessageOrigin(subject="publication.x.y", stream="P", seq=1), b"1", WRONG
    )
    first, second, third = await letter_ids(letters)
    assert await letter_ids(letters, unit="vu-to-chuc-can-bo") == [second]
    assert await letter_ids(letters, stage="dispatch") == [third]
    assert await letter_ids(letters, field="data.title") == [first, third]
    assert await letter_ids(letters, field="data.links") == [second]
    assert await letter_ids(letters, field="data.link") == []
    assert await letter_ids(letters, text="bổ NHIỆM") == [first]
    assert await letter_ids(letters, since=morning + timedelta(hours=1)) == [second, third]
    assert await letter_ids(letters, until=morning + timedelta(hours=1)) == [first]
    assert await letter_ids(letters, ids=(third, first)) == [first, third]


@pytest.mark.parametrize("id", [0, -1, 999])
async def test_a_letter_that_is_not_there_is_said_so(letters, id):
    with pytest.raises(NotFound) as caught:
        await letters.load(id)
    assert [error.field for error in caught.value.errors] == ["id"]


@pytest.mark.promise("9.2")
async def test_nobody_can_take_a_letter_out_of_the_stream(bus, letters):
    await bury(letters, b"{")
    for call, query in (("STREAM.PURGE.DEAD", {}), ("STREAM.MSG.DELETE.DEAD", {"seq": 1})):
        with pytest.raises(BusError):
            await bus.connection.api_request(call, query)
    config = (await bus.stream_info("DEAD"))["config"]
    limits = [config[name] for name in ("max_age", "max_msgs", "max_msgs_per_subject", "discard")]
    assert limits == [0, -1, -1, "new"]
    assert len(await letters_of(letters)) == 1
