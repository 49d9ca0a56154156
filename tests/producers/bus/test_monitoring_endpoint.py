"""Monitoring pages of a server that is not what its address promises."""

import pytest

from producers.bus import NoReply, monitoring_endpoint
from producers.bus.monitoring_endpoint import fetch_page
from tests.support.endless_server import endless_server


async def test_a_page_without_end_is_no_reply_and_costs_no_memory(monkeypatch):
    monkeypatch.setattr(monitoring_endpoint, "_PAGE_MAX_BYTES", 1 << 20, raising=False)
    async with endless_server() as server:
        with pytest.raises(NoReply):
            await fetch_page(server.url, "/varz")
        assert server.sent < 32 << 20
