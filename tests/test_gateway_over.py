"""What is over before it comes is refused at the HTTP door, where a repeat can be told from it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.doors import BATCH, an_event, open_door


@pytest.fixture
async def door(bus, clock):
    async with open_door(bus, clock) as door:
        yield door


async def test_a_new_event_that_is_over_is_refused_and_a_repeat_gets_its_old_answer(door, clock):
    now = datetime.fromtimestamp(clock(), UTC)
    soon = (now + timedelta(seconds=30)).isoformat()
    event = an_event(expires_at=soon)
    first = await door.post(event)
    clock.advance(31)
    again = await door.post(event)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    late = an_event(id="e-2", content_id="tin-muon", expires_at=soon)
    refused = await door.post(late)
    assert refused.status_code == 422
    [wrong] = refused.json()["errors"]
    assert wrong["field"] == "data.expires_at"
    assert "has passed" in wrong["message"] and "đã qua" in wrong["message_vi"]
    batch = await door.post([an_event(id="e-3", content_id="tin-khac"), late], BATCH)
    assert [one["field"] for one in batch.json()["errors"]] == ["[1].data.expires_at"]
    assert len(await door.stored()) == 1
