"""Bad events among good ones: each becomes one dead letter with its reason, and delays no other."""

import json

import pytest

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator, check_corrected
from contracts import subjects
from contracts.envelope import to_structured
from contracts.vocabulary import DEFAULT
from tests.support.content_consumer import content_consumer
from tests.support.events import bucket_records, event_id, submitted
from tests.support.invalid_events import POISON, InvalidMessage, good, hand_in, published, written

CLERK = Operator("Trần Thị Bình", "đã sửa")


@pytest.mark.promise("1.5")
async def test_each_kind_of_poison_is_named_by_its_field(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        stored = await hand_in(bus, [make(0) for make in POISON.values()])
        await heard.all_acknowledged()
        letters = {letter.origin.seq: letter for letter in await heard.letters()}
    assert letters.keys() == stored.keys()
    for seq, letter in letters.items():
        fields = [error.field for error in letter.errors]
        assert all(error.field and error.message and error.message_vi for error in letter.errors)
        assert stored[seq].field in ("", fields[0]), f"{stored[seq].body[:80]!r}: {fields}"
        assert (await heard.dead.load(letter.id)).original == stored[seq].body
    assert await published(bus) == []


async def test_poison_that_is_mended_and_sent_again_goes_through(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [POISON["no title"](1), POISON["half an object"](2), good(3)])
        await heard.all_acknowledged()
        decisions = DeadLetterDecisions(heard.dead)
        for letter, number in zip(await heard.letters(), (1, 2), strict=True):
            await decisions.edit(letter, check_corrected(letter, written(number), DEFAULT), CLERK)
        await heard.all_acknowledged()
        assert await heard.letters() == [], "both are dealt with"
        await heard.all_acknowledged()
    assert sorted(await published(bus)) == ["tot-3", "xau-1", "xau-2"]


async def test_poison_that_is_sent_again_as_it_was_is_a_letter_again(bus, nats_server, intake):
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [POISON["no title"](1)])
        await heard.all_acknowledged()
        [letter] = await heard.letters()
        await DeadLetterDecisions(heard.dead).replay(letter, CLERK)
        await heard.all_acknowledged()
        [again] = await heard.letters()
    assert again.ended is None, "it waits for a person once more"
    assert again.original == letter.original
    assert [one.state for one in again.decisions] == ["replayed"], "and what was done is kept"


@pytest.mark.promise("2.2")
async def test_the_same_id_with_other_contents_leaves_the_first(bus, nats_server, intake):
    """The bus cannot answer: each becomes a letter that names the id."""
    first = submitted("tin")
    others = [
        InvalidMessage(to_structured(submitted("tin", title=f"Tiêu đề khác số {n}")))
        for n in range(50)
    ]
    async with content_consumer(bus, nats_server.url, intake) as heard:
        await hand_in(bus, [InvalidMessage(to_structured(first))])
        await heard.all_acknowledged()
        await hand_in(bus, others)
        await heard.all_acknowledged()
        letters = await heard.letters()
    assert [[error.field for error in letter.errors] for letter in letters] == [["id"]] * 50
    assert (await bucket_records(bus, "events"))[event_id(first)]["refused"] == []
    found = bus.scan(subjects.PUBLICATIONS.name)
    [released] = [json.loads(one.data)["data"] async for one in found]
    assert released["title"] == first.data["title"]
