"""Differences that a comparison of the facts with the logs and the ledger names, or leaves out."""

import pytest

from consumers.email.bounce_records import BounceRecords
from consumers.facts.compare import differences
from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import BatchKey
from tests.conftest import create_stream
from tests.consumers.facts.test_follow import (
    DELIVERY,
    PLAN,
    RELEASE,
    a_delivered_item,
    follower,
    newest,
    release,
)


@pytest.fixture
async def followed(bus):
    await a_delivered_item(bus)
    found = follower(bus)
    await found.follow()
    return found


async def named(bus) -> list[tuple[str, str]]:
    fresh = follower(bus)
    found = [one for source in fresh.sources async for one in differences(fresh.store, source)]
    return [(one.key, one.problem) for one in found]


async def overwrite(bus, key: str, **changes) -> None:
    stored = await follower(bus).store.read(key)
    assert await follower(bus).store.add(stored.fact.model_copy(update=changes), stored.seq)


async def test_facts_that_say_what_their_sources_say_are_not_named(bus, followed):
    assert await named(bus) == []


async def test_what_was_not_written_yet_is_not_named(bus, followed):
    await release(bus, content_id="tin-2")
    await BounceRecords(Ledger(bus).bucket).record_bounce(BatchKey(*PLAN, 0), 0, "5.1.1", 1.0)
    assert await named(bus) == []
    await followed.follow()
    assert (await newest(bus, DELIVERY)).bounced == 1
    assert await named(bus) == []


async def test_a_fact_that_says_something_else_is_named_and_rebuilt(bus, followed):
    await overwrite(bus, DELIVERY, copies=7)
    await overwrite(bus, RELEASE, unit="don-vi-khac")
    assert await named(bus) == [(RELEASE, "differs"), (DELIVERY, "differs")]
    counts = await follower(bus).rebuild()
    assert {kind: one.written for kind, one in counts.items() if one.written} == {
        "release": 1, "delivery": 1,
    }  # fmt: skip
    assert await named(bus) == []


async def test_a_lost_fact_is_named(bus, followed):
    await bus.connection.api_request(f"STREAM.DELETE.{subjects.FACTS.name}")
    await create_stream(bus, subjects.FACTS.name)
    assert await named(bus) == [(RELEASE, "missing"), (DELIVERY, "missing")]
    await follower(bus).rebuild()
    assert await named(bus) == []


async def test_before_the_first_round_nothing_is_named(bus):
    await a_delivered_item(bus)
    assert await named(bus) == []
