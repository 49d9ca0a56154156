"""The gateway's rate limits under many requests."""

from tests.producers.gateway.test_limits import a_batch, client
from tests.support.gateway_client import BATCH, sample_event

__all__ = ["client"]


async def test_a_batch_counts_its_events_and_waits_until_all_may_pass(client, clock):
    await client.post(a_batch(100), BATCH)
    await client.post(a_batch(99), BATCH)
    answer = await client.post(a_batch(50), BATCH)
    assert answer.status_code == 429
    clock.advance(int(answer.headers["retry-after"]))
    assert (await client.post(a_batch(50), BATCH)).status_code == 202


async def test_asking_without_end_is_limited_and_costs_no_event(client, clock):
    url = (await client.post(sample_event())).json()["status_url"]
    answers = [(await client.get(url)).status_code for _ in range(1201)]
    assert answers == [200] * 1200 + [429]
    assert (await client.post(sample_event())).status_code == 202
    clock.advance(0.1)
    assert (await client.get(url)).status_code == 200
