"""Fixtures of the gateway's tests."""

import pytest

from tests.support.gateway_client import open_gateway


@pytest.fixture
async def client(bus, clock):
    """A unit's system in front of a gateway."""
    async with open_gateway(bus, clock) as gateway:
        yield gateway
