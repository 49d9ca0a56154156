"""A thousand events, each several times, in any order."""

import asyncio
import json
import random

import pytest

from contracts import subjects
from contracts.envelope import to_structured
from tests.support import events
from tests.support.content_consumer import content_consumer
from tests.support.events import submitted
from tests.support.pipeline_harness import PipelineHarness


@pytest.mark.timeout(300)
async def test_a_thousand_events_each_some_times_in_any_order_have_one_publication_each(
    bus, nats_server, tmp_path
):
    await events.register_unit(bus)
    chance = random.Random(20261125)
    copies = [n for n in range(1000) for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))]
    copies += [0] * 99
    chance.shuffle(copies)
    subject = subjects.content(events.UNIT, "submitted")
    async with content_consumer(
        bus, nats_server.url, PipelineHarness(bus, tmp_path).intake
    ) as heard:
        for start in range(0, len(copies), 100):
            bodies = [to_structured(submitted(f"tin-{n}")) for n in copies[start : start + 100]]
            await asyncio.gather(*(bus.publish(subject, body) for body in bodies))
        await heard.all_acknowledged()
        assert await heard.letters() == []
    found = bus.scan(subjects.PUBLICATIONS.name)
    items = [json.loads(one.data)["data"]["content_id"] async for one in found]
    assert sorted(items) == sorted(f"tin-{n}" for n in range(1000))
