"""What is over before it comes is refused at the HTTP door, where a repeat can be told from it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.gateway_client import BATCH, open_gateway, sample_event


@pytest.fixture
async def client(bus, clock):
    async with open_gateway(bus, clock) as door:
        yield door


async def test_a_new_event_that_is_over_is_refused_and_a_repeat_gets_its_old_answer(client, clock):
    now = datetime.fromtimestamp(clock(), UTC)
    soon = (now + timedelta(seconds=30)).isoformat()
    event = sample_event(expires_at=soon)
    first = await client.post(event)
    clock.advance(31)
    again = await client.post(event)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    late = sample_event(id="e-2", content_id="tin-muon", expires_at=soon)
    refused = await client.post(late)
    assert refused.status_code == 422
    [wrong] = refused.json()["errors"]
    assert wrong["field"] == "data.expires_at"
    assert "has passed" in wrong["message"] and "đã qua" in wrong["message_vi"]
    batch = await client.post([sample_event(id="e-3", content_id="tin-khac"), late], BATCH)
    assert [one["field"] for one in batch.json()["errors"]] == ["[1].data.expires_at"]
    assert len(await client.stored_events()) == 1
