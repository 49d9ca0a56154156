"""The gateway's limit of status queries, which a thousand requests must reach."""

from tests.support.gateway_client import open_gateway, sample_event


async def test_asking_without_end_is_limited_and_costs_no_event(bus, clock):
    async with open_gateway(bus, clock) as client:
        url = (await client.post(sample_event())).json()["status_url"]
        answers = [(await client.get(url)).status_code for _ in range(1201)]
        assert answers == [200] * 1200 + [429]
        assert (await client.post(sample_event())).status_code == 202
        clock.advance(0.1)
        assert (await client.get(url)).status_code == 200
