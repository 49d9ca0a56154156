"""The index of dead letters says the same as the stream, after each death and each decision."""

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator
from consumers.dead_letters.index import DeadLetterIndex
from consumers.dead_letters.letter import DeadLetterQuery
from tests.support.dead_letters import CLERK, bury, letters_of

ALL = DeadLetterQuery(ended=True)


async def assert_same(index, letters):
    known = await letters_of(letters, ended=True)
    light = [one.model_copy(update={"body": None}) for one in known]
    assert await index.find(ALL) == light[::-1]
    for one in known:
        assert await index.load(one.id) == await letters.load(one.id)


async def test_the_index_follows_deaths_and_decisions(letters):
    index, decisions = DeadLetterIndex(letters), DeadLetterDecisions(letters)
    await assert_same(index, letters)
    for body in (b"{1", b"{2", b"{3"):
        await bury(letters, body)
    await assert_same(index, letters)
    first, second, _ = await letters_of(letters)
    await decisions.replay(first, CLERK)
    await decisions.discard(second, Operator("Bình", "gửi hai lần"))
    await assert_same(index, letters)
    await bury(letters, b"{1")
    await assert_same(index, letters)
    assert [one.id for one in await index.find(DeadLetterQuery())] == [3, 1], "it died again"


async def test_a_letter_whose_body_stays_at_its_origin_is_loaded_from_there(letters):
    await bury(letters, b"{" + b"x" * (600 << 10))
    await assert_same(DeadLetterIndex(letters), letters)
