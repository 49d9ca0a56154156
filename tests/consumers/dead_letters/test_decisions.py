"""Decisions of a person about a letter: it is sent once, as they want it, and is on record."""

import asyncio
from typing import Any

import pytest

from consumers.dead_letters.bulk import BulkDecisions
from consumers.dead_letters.decisions import DeadLetterDecisions, Operator, check_corrected
from consumers.dead_letters.letter import EDITED_HEADER, DeadLetterQuery, MessageOrigin
from consumers.dead_letters.redaction import RedactedMessage
from consumers.dead_letters.store import DeadLetterStore
from contracts import envelope, subjects
from contracts.errors import Forbidden, Invalid, field_error
from contracts.vocabulary import DEFAULT
from producers.bus import BusError
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.dead_letters import (
    CLERK,
    SUBJECT,
    buried,
    bury,
    content_messages,
    letter_ids,
    letters_of,
)
from tests.support.events import UNIT, submitted, unit_event

WRONG = field_error("data.title", "missing")


@pytest.mark.parametrize(
    ("stream", "subject"),
    [
        ("CONTENT", "$JS.API.STREAM.DELETE.CONTENT"),
        ("X", "content.a.submitted"),
        ("DEAD", "dead.a"),
    ],
)
async def test_a_forged_letter_sends_nothing_to_a_subject_of_no_stream_of_its(
    bus, letters, decisions, stream, subject
):
    origin = MessageOrigin(subject=subject, stream=stream, seq=1)
    forged = letters.new_letter("intake", origin, RedactedMessage({}, b"{}"), [WRONG])
    await bus.publish("dead.intake", forged.to_stored)
    with pytest.raises(Invalid):
        await decisions.replay(await letters.load(1), CLERK)
    assert await letters.bus.stream_info("CONTENT"), "it is still there"


@pytest.mark.promise("9.2")
async def test_a_replay_sends_the_same_event_to_the_same_subject(bus, letters, decisions):
    event = unit_event("submitted", submitted().data)
    body = envelope.to_structured(event)
    headers = {"Content-Type": envelope.CONTENT_TYPE, "Nats-Msg-Id": "first"}
    letter = await buried(letters, body, **headers)
    ended = (await decisions.replay(letter, Operator("Bình", "đã thêm chủ đề"))).ended
    _, again = await content_messages(bus)
    assert (ended.state, ended.by, ended.reason) == ("replayed", "Bình", "đã thêm chủ đề")
    assert ended.sent_to == f"CONTENT #{again.seq}"
    assert ended.before == ended.after != ""
    assert (again.subject, again.data) == (SUBJECT, body)
    assert again.headers["Content-Type"] == envelope.CONTENT_TYPE
    assert again.headers["Nats-Msg-Id"] != "first"
    assert await letters_of(letters) == []


async def test_a_mended_event_replaces_the_original_which_stays(bus, letters, decisions):
    listed_one = await buried(letters, b'{"id": "x"}', subject=subjects.content(UNIT, "withdrawn"))
    body = envelope.to_structured(submitted())
    event = check_corrected(listed_one, body, DEFAULT)
    ended = (await decisions.edit(listed_one, event, CLERK)).ended
    _, sent = await content_messages(bus)
    by_clerk = event.submitted_by(CLERK.name).body
    assert (sent.subject, sent.data) == (SUBJECT, by_clerk), "where its type belongs"
    assert EDITED_HEADER in sent.headers, "another person approves it"
    assert ended.before != ended.after
    kept = await letters.load(listed_one.id)
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
    letter = await buried(letters, b"{}")
    with pytest.raises(refusal):
        check_corrected(letter, body, DEFAULT)


async def test_what_is_dealt_with_stays_to_be_looked_at(bus, letters, decisions):
    letter = await buried(letters)
    await decisions.discard(letter, Operator("Bình", "gửi thử"))
    [kept] = await letters_of(letters, ended=True)
    assert kept.ended.state == "discarded"
    assert (kept.ended.by, kept.ended.reason) == ("Bình", "gửi thử")
    assert kept.original == b"{"
    deeds = (decisions.replay(letter, CLERK), decisions.discard(letter, Operator("Mai", "again")))
    for deed in deeds:
        with pytest.raises(Invalid) as caught:
            await deed
        assert "discarded by Bình" in str(caught.value)
    assert len(await content_messages(bus)) == 1


async def test_to_give_up_takes_a_reason_and_a_name(letters, decisions):
    letter = await buried(letters)
    with pytest.raises(Invalid) as caught:
        await decisions.discard(letter, Operator("Bình", "  "))
    assert [error.field for error in caught.value.errors] == ["reason"]
    with pytest.raises(Invalid) as caught:
        Operator(" ")
    assert [error.field for error in caught.value.errors] == ["by"]
    assert len(await letters_of(letters)) == 1


async def test_of_two_people_at_once_one_decides(letters, decisions):
    letter = await buried(letters)
    deeds = [decisions.discard(letter, Operator(f"clerk {n}", f"reason {n}")) for n in range(5)]
    answers = await asyncio.gather(*deeds, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert len((await letters.load(letter.id)).decisions) == 1


@pytest.mark.promise("9.2")
@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_replay_cut_short_anywhere_sends_once_and_is_traced(bus, letters, decisions, after):
    for calls in range(1, 20):
        await bury(letters, b"%d" % calls)
        before = len(await content_messages(bus))
        [letter] = await letters_of(letters)
        try:
            await DeadLetterDecisions(
                DeadLetterStore(crashing_bus(bus, calls, after=after))
            ).replay(letter, CLERK)
        except SimulatedCrash:
            sent = len(await content_messages(bus)) > before
            shown = await letters.load(letter.id)
            assert not sent or shown.decisions, "what was sent is on record"
            if await letters_of(letters):
                await decisions.replay(letter, CLERK)
            assert len(await content_messages(bus)) == before + 1
            assert await letters_of(letters) == []
        else:
            assert calls > 4
            return
    pytest.fail("the replay never ended")


async def test_many_are_sent_again_at_once_and_one_failure_stops_no_other(bus, letters, decisions):
    for number in range(5):
        await bury(letters, b"%d" % number)
    ids = [letter.id for letter in await letters_of(letters)]
    await decisions.discard(await letters.load(ids[2]), Operator("Bình", "rác"))
    dry = await BulkDecisions(bus, None).replay(DeadLetterQuery(unit=UNIT))
    assert [one.id for one in dry.done] == [ids[0], ids[1], ids[3], ids[4]]
    assert len(await content_messages(bus)) == 5
    summary = await BulkDecisions(bus, CLERK).replay(DeadLetterQuery(ids=(*ids, 999), ended=True))
    assert [one.id for one in summary.done] == [ids[0], ids[1], ids[3], ids[4]]
    assert sorted(one.id for one in summary.refused) == [ids[2], 999]
    assert [one.data for one in await content_messages(bus)][5:] == [b"0", b"1", b"3", b"4"]
    assert (await BulkDecisions(bus, CLERK).replay(DeadLetterQuery(unit=UNIT))).done == []


async def test_when_the_bus_goes_away_the_rest_waits(bus, letters, monkeypatch):
    for number in range(3):
        await bury(letters, b"%d" % number)
    ids = await letter_ids(letters)
    publish, calls = bus.publish, []

    async def once(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            raise BusError("away")
        return await publish(*args, **kwargs)

    monkeypatch.setattr(bus, "publish", once)
    summary = await BulkDecisions(bus, CLERK).replay(DeadLetterQuery(unit=UNIT))
    assert ([one.id for one in summary.done], summary.left) == (ids[:1], ids[1:])
    assert summary.away == "away"
    assert len(calls) == 2, "nobody is asked again and again"
    assert await letter_ids(letters) == ids[1:]


async def test_a_decision_of_the_first_version_still_counts(bus, letters):
    letter = await buried(letters)
    old = (
        b'{"state": "discarded", "at": "2026-11-20T02:00:00Z", "by": "B\xc3\xacnh", "reason": "x"}'
    )
    await bus.bucket(subjects.CONTROL.name).put(f"dead.{letter.id}", old)
    assert await letters_of(letters) == []
    [kept] = await letters_of(letters, ended=True)
    assert (kept.ended.state, kept.ended.by) == ("discarded", "Bình")
