"""The operator's port: metrics for who reaches it, and on no public face."""

import asyncio
import socket
from datetime import datetime
from types import SimpleNamespace

import httpx2
import pytest
from prometheus_client.utils import floatToGoString

from consumers.app.web import health
from consumers.app.web.health import health_app
from consumers.app.wiring import metrics
from contracts.base.times import utc_time
from contracts.errors import Invalid

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
async def scrape(node):
    """Asks the operator's port of a process without services for a path."""
    app = health_app(node.checks, findings=node.findings)
    node.web_apps.add(app, "livez", "readyz")
    await metrics.serve_metrics(node)
    async with httpx2.AsyncClient(base_url=node.addresses["metrics"]) as prometheus:
        yield prometheus.get


async def test_metrics_are_beside_readyz_and_on_no_public_face(node, scrape):
    page = await scrape("/metrics")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/plain")
    assert "loa_bus_connected 1.0\n" in page.text and "process_open_fds " in page.text
    assert "loa_backlog_rows" not in page.text, "this process reads no facts"
    assert [(await scrape(path)).status_code for path in ("/readyz", "/livez", "/v1/events")] == [
        200, 200, 404,
    ]  # fmt: skip
    public = httpx2.ASGITransport(node.web_apps)
    async with httpx2.AsyncClient(transport=public, base_url="http://127.0.0.1:1") as face:
        assert (await face.get("/metrics")).status_code == 404


async def test_prometheus_may_ask_for_openmetrics(scrape):
    page = await scrape("/metrics", headers={"Accept": f"{OPENMETRICS},text/plain;q=0.5"})
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert page.text.endswith("# EOF\n")


async def test_a_scrape_tells_of_facts_where_they_are_read_and_keeps_them_without_a_bus(
    node, scrape, monkeypatch
):
    await node.status.refresh()
    monkeypatch.setattr(node.status, "fresh_until", 0.0)
    assert "loa_dead_letters 0.0\n" in (await scrape("/metrics")).text
    await node.bus.close()
    monkeypatch.setattr(metrics, "_FRESH_S", 0.0)
    monkeypatch.setattr(metrics, "_TIMEOUT_S", 0.2)
    page = (await scrape("/metrics")).text
    assert "loa_dead_letters 0.0\n" in page and "loa_bus_connected 0.0\n" in page


async def test_readyz_says_when_the_facts_of_its_findings_were_read(node, scrape):
    assert "findings_read" not in (await scrape("/readyz")).json()
    await node.status.refresh()
    read = datetime.fromisoformat((await scrape("/readyz")).json()["findings_read"])
    assert read == utc_time(round(node.status_monitor.read_at))


async def test_a_first_reading_that_fails_tells_what_is_wrong_and_calls_nothing_well(node, scrape):
    await node.bus.bucket("control").put("outlet.portal", b"not a record")
    await node.status.refresh()
    page = (await scrape("/metrics")).text
    assert 'loa_status_findings{code="facts_unreadable",severity="act"} 1.0\n' in page
    assert "loa_status_needs_person 1.0\n" in page and "loa_bus_can_store 1.0\n" in page
    assert "loa_dead_letters" not in page and "\nloa_status_read_timestamp_seconds " not in page


async def test_the_clock_is_read_before_what_a_scrape_waits_for(node, clock, scrape):
    node.clock, began = clock, clock()

    async def silent():
        clock.advance(60)

    node.checks["bus"] = silent
    assert (
        f"loa_clock_timestamp_seconds {floatToGoString(began)}\n" in (await scrape("/metrics")).text
    )


async def test_a_scrape_asks_for_everything_at_once(node, scrape, monkeypatch):
    monkeypatch.setattr(metrics, "_TIMEOUT_S", 60.0)
    monkeypatch.setattr(health, "_CHECK_TIMEOUT_S", 60.0)
    met = asyncio.Barrier(3)

    async def arrive(*_):
        await met.wait()
        return SimpleNamespace(grant=SimpleNamespace(missing_consent=True))

    async def check():
        await met.wait()

    node.checks["bus"], node.zalo_tokens = check, SimpleNamespace(read=arrive)
    node.status.refresh_if_old = arrive
    async with asyncio.timeout(30):  # less than one of them is given
        assert 'loa_check_failing{check="bus"} 0.0\n' in (await scrape("/metrics")).text


async def test_a_check_without_an_answer_fails(node, scrape, monkeypatch):
    node.checks["bus"] = asyncio.Event().wait
    monkeypatch.setattr(health, "_CHECK_TIMEOUT_S", 0.02)
    async with asyncio.timeout(30):
        assert 'loa_check_failing{check="bus"} 1.0\n' in (await scrape("/metrics")).text
        assert (await scrape("/readyz")).json()["failing"] == {"bus": "no answer"}


async def test_where_the_usual_port_is_taken_loa_starts_and_a_named_one_is_refused(
    node, monkeypatch
):
    node.web_apps.add(health_app(node.checks), "livez", "readyz")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        node.settings = node.settings.model_copy(update={"http_port": taken - 30})
        await metrics.serve_metrics(node)
        assert node.addresses["metrics"] != f"http://127.0.0.1:{taken}"
        monkeypatch.setenv("LOA_METRICS_PORT", str(taken))
        with pytest.raises(Invalid, match="LOA_METRICS_PORT"):
            await metrics.serve_metrics(node)
