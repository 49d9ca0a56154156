"""Which letters a command means: never more than were named, for any content of DEAD."""

import json

import pytest
import structlog

from consumers.dead_letters.bulk import BulkDecisions, BulkSummary
from consumers.dead_letters.decisions import DeadLetterDecisions, Operator
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery, MessageOrigin
from consumers.dead_letters.trace import letters_about
from contracts import subjects
from contracts.errors import Invalid
from producers.bus import Bus
from tests.support.dead_letters import (
    CLERK,
    SUBJECT,
    WRONG,
    bury,
    content_messages,
    letter_ids,
    letters_of,
)
from tests.support.events import ITEM

LOST = Operator("Trần Thị Bình", "gõ nhầm số")
VERBS = ("replay", "discard")
LETTER = {
    "stage": "intake",
    "at": "2026-11-25T01:00:00Z",
    "origin": {"subject": SUBJECT, "stream": "CONTENT", "seq": 1},
    "errors": [WRONG[0].model_dump()],
    "body": "ew==",
}
JUNK = {
    "no JSON": b"xin ch\xc3\xa0o",
    "something else": b'{"id": 7}',
    "nothing": b"",
    "no reason": LETTER | {"errors": []},
    "a time without an offset": LETTER | {"at": "2026-11-25T01:00:00"},
    "a body that is none": LETTER | {"body": "e"},
    "no stage": {name: value for name, value in LETTER.items() if name != "stage"},
}


async def bulk(bus: Bus, verb: str, query: DeadLetterQuery) -> BulkSummary:
    return await getattr(BulkDecisions(bus, LOST), verb)(query)


@pytest.mark.promise("9.2")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "query",
    [
        DeadLetterQuery(ids=(999,), ended=True),
        DeadLetterQuery(ids=(999, 0, -1), ended=True),
        DeadLetterQuery(ids=()),
        DeadLetterQuery(unit="khong-co-don-vi"),
        DeadLetterQuery(ids=(1,), unit="khong-co-don-vi"),
    ],
)
async def test_a_choice_that_meets_nothing_does_nothing(bus, letters, verb, query):
    for number in range(3):
        await bury(letters, b"%d" % number)
    summary = await bulk(bus, verb, query)
    assert summary.done == []
    assert [one.id for one in summary.refused] == [id for id in query.ids or () if id != 1]
    assert len(await letters_of(letters)) == 3
    assert len(await content_messages(bus)) == 3


@pytest.mark.parametrize("verb", VERBS)
async def test_the_number_of_a_later_death_means_its_letter(bus, letters, verb):
    await bury(letters, b"{")
    await bury(letters, b"other")
    [first, _] = await letters_of(letters)
    origin = await bury(letters, b"{")
    assert (await letters.load(3)).id == first.id
    summary = await bulk(bus, verb, DeadLetterQuery(ids=(3, first.id), ended=True))
    assert [one.id for one in summary.done] == [first.id]
    assert summary.refused == []
    assert await letter_ids(letters) == [2]
    assert origin.seq == 3


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_what_is_no_letter_is_named_and_stops_no_other(bus, letters, junk):
    data = junk if isinstance(junk, bytes) else json.dumps(junk).encode()
    await bury(letters, b"1")
    await bus.publish(subjects.dead("intake"), data)
    await bury(letters, b"3")
    with structlog.testing.capture_logs() as logs:
        first, stranger, third = await letters_of(letters)
    [line] = [one for one in logs if one["event"] == "dead_letter_unreadable"]
    assert (line["letter"], line["log_level"]) == (2, "warning")
    assert (stranger.id, stranger.stage) == (2, "intake")
    assert [error.field for error in stranger.errors] == ["letter"]
    assert all(error.message and error.message_vi for error in stranger.errors)
    assert (await letters.load(2)).original == data
    assert (await letters.load(third.id)).original == b"3"
    summary = await BulkDecisions(bus, CLERK).replay(DeadLetterQuery(stage="intake"))
    assert [one.id for one in summary.done] == [first.id, third.id]
    assert [one.id for one in summary.refused] == [2]
    assert len([one async for one in bus.scan(subjects.DEAD.name)]) == 3, "it was not sent on"


async def test_what_is_no_letter_can_be_given_up_and_not_be_sent(bus, letters):
    await bus.publish("dead.la", b"xin chao")
    [stranger] = await letters_of(letters)
    with pytest.raises(Invalid) as caught:
        await DeadLetterDecisions(letters).replay(stranger, CLERK)
    assert [error.field for error in caught.value.errors] == ["id"]
    await DeadLetterDecisions(letters).discard(stranger, LOST)
    assert await letters_of(letters) == []
    assert await letters_about(bus, ITEM) == []


@pytest.mark.parametrize("subject", ["content", "publication"])
async def test_a_letter_of_an_odd_subject_is_read(bus, letters, subject):
    """The first version stored no digest: what it is about is read again."""
    origin = MessageOrigin(subject=subject, stream="CONTENT", seq=1)
    old = DeadLetter.model_validate(LETTER | {"origin": origin.model_dump()})
    await bus.publish(subjects.dead("intake"), old.to_stored)
    [letter] = await letters_of(letters)
    assert (letter.about.unit, letter.about.content_id) == ("", "")
