"""Dead letters on a real bus: whole, one for one cause, never without a trace."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.dead_letters import DeadLetters, Decisions, Origin, Person, Query, mend
from consumers.dead_letters.bulk import Bulk
from contracts import envelope, keys, subjects
from contracts.errors import Forbidden, Invalid, fault
from contracts.vocabulary import DEFAULT
from producers.bus import Bus, BusError
from tests.arrivals import ITEM, UNIT, an_event, submitted
from tests.crashing import Crash, doomed

SUBJECT = subjects.content(UNIT, "submitted")
WRONG = (fault("data.title", "missing"), fault("data.body", "missing"))
CLERK = Person("Trần Thị Bình")


@pytest.fixture
def letters(bus: Bus) -> DeadLetters:
    return DeadLetters(bus)


@pytest.fixture
def decisions(letters: DeadLetters) -> Decisions:
    return Decisions(letters)


async def stored(bus: Bus, body: bytes, subject: str = SUBJECT, **headers: str) -> Origin:
    """A message on CONTENT, and where it lies."""
    ack = await bus.publish(subject, body, headers=headers)
    return Origin(subject=subject, stream=ack.stream, seq=ack.seq, headers=headers)


async def died(letters: DeadLetters, body: bytes, errors=WRONG, **where: str) -> Origin:
    """A message that came in and was buried."""
    origin = await stored(letters.bus, body, **where)
    await letters.bury("intake", origin, body, errors)
    return origin


async def listed(letters: DeadLetters, *, ended: bool = False) -> list[Any]:
    return [letter async for letter in letters.letters(ended=ended)]


async def found(letters: DeadLetters, **query: Any) -> list[int]:
    return [letter.id async for letter in letters.letters(Query(**query))]


async def on_content(bus: Bus) -> list[Any]:
    return [message async for message in bus.scan(subjects.CONTENT.name)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00\xfe", "Nội dung".encode() * 1000])
async def test_a_letter_holds_the_whole_message_and_every_reason(letters, body):
    origin = await died(letters, body, **{"ce-id": "1"})
    [listed_one] = await listed(letters)
    letter = await letters.show(listed_one.id)
    assert letter.original == body
    assert letter.origin == origin
    assert letter.stage == "intake"
    assert [error.field for error in letter.errors] == ["data.title", "data.body"]
    assert all(error.message and error.message_vi for error in letter.errors)
    assert letter.ended is None


async def test_the_largest_message_the_stream_takes_can_be_buried_and_sent_again(
    bus, letters, decisions
):
    body = b"x" * (1_000_000)
    await died(letters, body)
    [listed_one] = await listed(letters)
    assert (await letters.show(listed_one.id)).original == body
    await decisions.replay(listed_one, CLERK)
    assert [message.data for message in await on_content(bus)] == [body, body]


async def forget_message_ids(bus: Bus) -> None:
    config = (await bus.stream_info("DEAD"))["config"] | {"duplicate_window": 100_000_000}
    await bus.link.api("STREAM.UPDATE.DEAD", config)
    await asyncio.sleep(0.3)  # the stream has to forget the message id


async def test_a_burial_repeated_after_a_crash_is_one_death_and_opens_nothing(
    bus, letters, decisions
):
    origin = await died(letters, b"{")
    await letters.bury("intake", origin, b"{", WRONG)
    [letter] = await listed(letters)
    await decisions.discard(letter, Person("Bình", "rác"))
    await forget_message_ids(bus)
    await letters.bury("intake", origin, b"{", WRONG)
    assert await listed(letters) == []
    [kept] = await listed(letters, ended=True)
    assert kept.times == 1


async def test_different_messages_are_different_letters(letters):
    await died(letters, b"{")
    await died(letters, b"{ ")
    await died(letters, b"{", subject=subjects.content("vu-to-chuc-can-bo", "submitted"))
    await died(letters, b"{", **{"ce-id": "1"})
    assert len(await listed(letters)) == 4


async def test_the_same_message_again_is_the_same_letter_and_counts_up(bus, letters, decisions):
    start = datetime(2026, 11, 25, 1, tzinfo=UTC)
    letters.now = lambda: start
    await died(letters, b"{")
    [first] = await listed(letters)
    await decisions.replay(first, CLERK)
    assert await listed(letters) == []
    letters.now = lambda: start + timedelta(hours=3)
    again = (await on_content(bus))[-1]
    origin = Origin(subject=again.subject, stream="CONTENT", seq=again.seq, headers=again.headers)
    await letters.bury("intake", origin, again.data, WRONG)
    [letter] = await listed(letters)
    assert (letter.id, letter.times) == (first.id, 2)
    assert (letter.at, letter.last) == (start, start + timedelta(hours=3))
    assert [one.state for one in letter.decisions] == ["replayed"]
    assert (await letters.show(letter.latest)).id == first.id, "by the place of any death"
    await decisions.replay(letter, CLERK)
    assert [message.data for message in await on_content(bus)] == [b"{"] * 3
    await decisions_are(letters, first.id, "replayed", "replayed")


async def decisions_are(letters: DeadLetters, id: int, *states: str) -> None:
    assert tuple(one.state for one in (await letters.show(id)).decisions) == states


async def test_many_letters_are_listed_in_order(bus, letters):
    for number in range(450):
        origin = Origin(subject=SUBJECT, stream="CONTENT", seq=number + 1)
        await letters.bury("intake", origin, b"%d" % number, WRONG)
    ids = [letter.id for letter in await listed(letters)]
    assert len(ids) == 450
    assert ids == sorted(ids)


async def test_a_letter_says_who_sent_it_and_what_it_is_about(letters):
    event = submitted()
    await died(letters, envelope.to_structured(event))
    headers, body = envelope.to_binary(event)
    await died(letters, body, **headers)
    for letter in await listed(letters):
        assert letter.about.unit == UNIT
        assert (letter.about.source, letter.about.id) == (event.source, event.id)
        assert letter.about.event_id == keys.event_id(UNIT, event.source, event.id)
        assert letter.about.content_id == ITEM


async def test_letters_are_found_by_what_they_have_in_common(letters):
    morning = datetime(2026, 11, 25, 1, tzinfo=UTC)
    other = subjects.content("vu-to-chuc-can-bo", "submitted")
    letters.now = lambda: morning
    await died(letters, '{"data": {"title": "Bổ nhiệm Vụ trưởng"}}'.encode())
    letters.now = lambda: morning + timedelta(hours=1)
    await died(letters, b"{ ", (fault("data.links.0.url", "missing"),), subject=other)
    letters.now = lambda: morning + timedelta(hours=2)
    await letters.bury(
        "dispatch", Origin(subject="publication.x.y", stream="P", seq=1), b"1", WRONG
    )
    first, second, third = await found(letters)
    assert await found(letters, unit="vu-to-chuc-can-bo") == [second]
    assert await found(letters, stage="dispatch") == [third]
    assert await found(letters, field="data.title") == [first, third]
    assert await found(letters, field="data.links") == [second]
    assert await found(letters, field="data.link") == []
    assert await found(letters, text="bổ NHIỆM") == [first]
    assert await found(letters, since=morning + timedelta(hours=1)) == [second, third]
    assert await found(letters, until=morning + timedelta(hours=1)) == [first]
    assert await found(letters, since=datetime(2026, 11, 25, 3)) == [third]  # noqa: DTZ001
    assert await found(letters, ids=(third, first)) == [first, third]


async def test_a_replay_sends_the_same_event_to_the_same_subject(bus, letters, decisions):
    event = an_event("submitted", submitted().data)
    body = envelope.to_structured(event)
    headers = {"Content-Type": envelope.CONTENT_TYPE, "Nats-Msg-Id": "first"}
    await died(letters, body, **headers)
    [letter] = await listed(letters)
    ended = (await decisions.replay(letter, Person("Bình", "đã thêm chủ đề"))).ended
    _, again = await on_content(bus)
    assert (ended.state, ended.by, ended.reason) == ("replayed", "Bình", "đã thêm chủ đề")
    assert ended.sent_to == f"CONTENT #{again.seq}"
    assert ended.before == ended.after != ""
    assert (again.subject, again.data) == (SUBJECT, body)
    assert again.headers["Content-Type"] == envelope.CONTENT_TYPE
    assert again.headers["Nats-Msg-Id"] != "first"
    assert await listed(letters) == []


async def test_a_mended_event_takes_the_originals_place_and_the_original_stays(
    bus, letters, decisions
):
    event = submitted()
    await died(letters, b'{"id": "x"}', subject=subjects.content(UNIT, "withdrawn"))
    [listed_one] = await listed(letters)
    body = envelope.to_structured(event)
    ended = (await decisions.edit(listed_one, mend(listed_one, body, DEFAULT), CLERK)).ended
    _, sent = await on_content(bus)
    assert (sent.subject, sent.data) == (SUBJECT, body), "where its type belongs"
    assert ended.before != ended.after
    kept = await letters.show(listed_one.id)
    assert kept.original == b'{"id": "x"}'
    assert kept.ended.state == "edited"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"{", Exception),
        (envelope.to_structured(submitted(title="")), Invalid),
        (
            envelope.to_structured(
                submitted().model_copy(update={"source": "/units/vu-to-chuc-can-bo"})
            ),
            Forbidden,
        ),
    ],
)
async def test_what_is_still_broken_is_not_sent(letters, body, refusal):
    await died(letters, b"{}")
    [letter] = await listed(letters)
    with pytest.raises(refusal):
        mend(letter, body, DEFAULT)


async def test_what_is_dealt_with_stays_to_be_looked_at(bus, letters, decisions):
    await died(letters, b"{")
    [letter] = await listed(letters)
    await decisions.discard(letter, Person("Bình", "gửi thử"))
    [kept] = await listed(letters, ended=True)
    assert kept.ended.state == "discarded"
    assert (kept.ended.by, kept.ended.reason) == ("Bình", "gửi thử")
    assert kept.original == b"{"
    deeds = (
        decisions.replay(letter, CLERK),
        decisions.discard(letter, Person("Mai", "again")),
    )
    for deed in deeds:
        with pytest.raises(Invalid) as caught:
            await deed
        assert "discarded by Bình" in str(caught.value)
    assert len(await on_content(bus)) == 1


async def test_to_give_up_takes_a_reason_and_a_name(letters, decisions):
    await died(letters, b"{")
    [letter] = await listed(letters)
    with pytest.raises(Invalid) as caught:
        await decisions.discard(letter, Person("Bình", "  "))
    assert [error.field for error in caught.value.errors] == ["reason"]
    with pytest.raises(Invalid) as caught:
        Person(" ")
    assert [error.field for error in caught.value.errors] == ["by"]
    assert len(await listed(letters)) == 1


@pytest.mark.parametrize("id", [0, -1, 999])
async def test_a_letter_that_is_not_there_is_said_so(letters, id):
    with pytest.raises(Invalid) as caught:
        await letters.show(id)
    assert [error.field for error in caught.value.errors] == ["id"]


async def test_of_two_people_at_once_one_decides(letters, decisions):
    await died(letters, b"{")
    [letter] = await listed(letters)
    deeds = [decisions.discard(letter, Person(f"clerk {n}", f"reason {n}")) for n in range(5)]
    answers = await asyncio.gather(*deeds, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert len((await letters.show(letter.id)).decisions) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_replay_cut_short_at_any_call_sends_once_and_leaves_a_trace(
    bus, letters, decisions, after
):
    for calls in range(1, 20):
        await died(letters, b"%d" % calls)
        before = len(await on_content(bus))
        [letter] = await listed(letters)
        try:
            await Decisions(DeadLetters(doomed(bus, calls, after=after))).replay(letter, CLERK)
        except Crash:
            sent = len(await on_content(bus)) > before
            shown = await letters.show(letter.id)
            assert not sent or shown.decisions, "what was sent is on record"
            if await listed(letters):
                await decisions.replay(letter, CLERK)
            assert len(await on_content(bus)) == before + 1
            assert await listed(letters) == []
        else:
            assert calls > 4
            return
    pytest.fail("the replay never ended")


async def test_many_are_sent_again_at_once_and_what_stops_one_stops_no_other(
    bus, letters, decisions
):
    for number in range(5):
        await died(letters, b"%d" % number)
    ids = [letter.id for letter in await listed(letters)]
    await decisions.discard(await letters.show(ids[2]), Person("Bình", "rác"))
    dry = await Bulk(bus, None).replay(Query(unit=UNIT))
    assert [one.id for one in dry.done] == [ids[0], ids[1], ids[3], ids[4]]
    assert len(await on_content(bus)) == 5
    summary = await Bulk(bus, CLERK).replay(Query(ids=(*ids, 999), ended=True))
    assert [one.id for one in summary.done] == [ids[0], ids[1], ids[3], ids[4]]
    assert sorted(one.id for one in summary.refused) == [ids[2], 999]
    assert [one.data for one in await on_content(bus)][5:] == [b"0", b"1", b"3", b"4"]
    assert (await Bulk(bus, CLERK).replay(Query(unit=UNIT))).done == []


async def test_when_the_bus_goes_away_the_rest_waits(bus, letters, monkeypatch):
    for number in range(3):
        await died(letters, b"%d" % number)
    ids = await found(letters)
    publish, calls = bus.publish, []

    async def once(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            raise BusError("away")
        return await publish(*args, **kwargs)

    monkeypatch.setattr(bus, "publish", once)
    summary = await Bulk(bus, CLERK).replay(Query(unit=UNIT))
    assert ([one.id for one in summary.done], summary.left) == (ids[:1], ids[1:])
    assert summary.away == "away"
    assert len(calls) == 2, "nobody is asked again and again"
    assert await found(letters) == ids[1:]


async def test_nobody_can_take_a_letter_out_of_the_stream(bus, letters):
    await died(letters, b"{")
    for call, query in (("STREAM.PURGE.DEAD", {}), ("STREAM.MSG.DELETE.DEAD", {"seq": 1})):
        with pytest.raises(BusError):
            await bus.link.api(call, query)
    config = (await bus.stream_info("DEAD"))["config"]
    limits = [config[name] for name in ("max_age", "max_msgs", "max_msgs_per_subject", "discard")]
    assert limits == [0, -1, -1, "new"]
    assert len(await listed(letters)) == 1


async def test_a_decision_of_the_first_version_still_counts(bus, letters):
    await died(letters, b"{")
    [letter] = await listed(letters)
    old = (
        b'{"state": "discarded", "at": "2026-11-20T02:00:00Z", "by": "B\xc3\xacnh", "reason": "x"}'
    )
    await bus.bucket(subjects.CONTROL.name).put(f"dead.{letter.id}", old)
    assert await listed(letters) == []
    [kept] = await listed(letters, ended=True)
    assert (kept.ended.state, kept.ended.by) == ("discarded", "Bình")
