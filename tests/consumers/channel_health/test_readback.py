"""Where readers can't see what was written, status, trace and readyz say so, and what to check."""

from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from channels.portal.channel import PortalChannel
from consumers.app.node import portal_readback_status
from consumers.app.web.health import health_app
from consumers.channel_health import destinations, pauses
from consumers.channel_health.breaker import Breaker, BreakerState
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.destinations import Destination
from consumers.channel_health.readback import ReadbackFailure, ReadbackStatus, describe_reason
from consumers.reporting.channel_state import channel_problems
from consumers.status.findings import Facts, find
from consumers.status.reader import StatusReader
from contracts.base.times import utc_now
from contracts.delivery import ChannelName
from contracts.trace import StatusCounts, Trace
from tests.support.portal_dir import PORTAL_SITE, send_to
from tests.support.publications import a_publication

PORTAL = ChannelName.PORTAL
ADDRESS = "https://tin.example.gov.vn"


async def seen(bus):
    return (await StatusReader(bus).report()).channels[PORTAL].unseen


def story(**counts):
    channels = {PORTAL: StatusCounts(expected=1, **counts)}
    return Trace(content_id="tin", revision=1, state="released", channels=channels, timeline=[])


async def test_status_says_where_nothing_is_seen_since_when_and_why(bus, clock):
    await destinations.write_destination(bus, PORTAL, Destination(to="folder"))
    sight = ReadbackStatus(bus, ADDRESS, clock)
    await sight.report("HTTP 404")
    began = round(clock())
    clock.advance(60)
    await sight.report("HTTP 502")
    told = await seen(bus)
    assert told == ReadbackFailure(
        address=ADDRESS, since=datetime.fromtimestamp(began, UTC), why="HTTP 404"
    )
    await sight.report("")
    assert await seen(bus) is None
    assert (await destinations.load_destinations(bus))[PORTAL].to == "folder"


async def test_a_worker_that_starts_anew_has_nothing_against_the_address(bus, clock):
    await ReadbackStatus(bus, ADDRESS, clock).report("HTTP 404")
    await destinations.write_destination(bus, PORTAL, Destination(to="folder"))
    assert await seen(bus) is None


async def test_status_trace_and_readyz_say_it_in_both_languages(bus, clock):
    await ReadbackStatus(bus, ADDRESS, clock).report("ClientConnectorDNSError")
    one = (await StatusReader(bus).report()).channels[PORTAL]
    [found] = find(Facts(utc_now(clock), {PORTAL: one}))
    assert (found.code, found.severity) == ("pages_unseen", "act")
    lines = f"{found.message}\n{found.message_vi}"
    traced = "\n".join(str(fault) for fault in await channel_problems(bus, story(in_doubt=1)))
    plain = await portal_readback_status(bus)

    async def blind():
        return plain

    body = TestClient(health_app({}, unseen=blind)).get("/readyz").json()
    assert body["status"] == "degraded"
    for said in (lines, traced, str(body["unseen"])):
        assert ADDRESS in said and "LOA_PUBLIC_URL" in said
        assert "no machine of that name" in said and "không tìm thấy máy có tên đó" in said
    assert await channel_problems(bus, story(delivered=1, complete=True)) == []


@pytest.mark.parametrize(
    ("why", "english", "vietnamese"),
    [
        ("HTTP 404", "answers with HTTP 404", "mã HTTP 404"),
        ("tat-ca.atom: without the item", "tat-ca.atom: it is without", "tat-ca.atom: chưa có"),
        ("viec-lam/2026-11.atom: HTTP 500", "viec-lam/2026-11.atom: the web", "mã HTTP 500"),
        ("SomethingNew", "SomethingNew", "SomethingNew"),
    ],
)
def test_a_finding_is_said_in_words(why, english, vietnamese):
    told = describe_reason(why)
    assert english in told.en and vietnamese in told.vi


async def test_a_channel_that_cannot_work_says_so_and_what_mends_it(bus, clock):
    await BreakerStore(bus, PORTAL, clock).update(
        lambda _: Breaker(state=BreakerState.OPEN, since=9.0, reason="index_lost")
    )
    one = (await StatusReader(bus).report()).channels[PORTAL]
    [found] = find(Facts(utc_now(clock), {PORTAL: one}))
    assert found.severity == "act" and "`loa rebuild portal`" in found.remedy
    assert "index_lost" in found.message
    [said] = await channel_problems(bus, story(pending=1))
    for message in (said.message, said.message_vi):
        assert "index_lost" in message and "`loa rebuild portal`" in message


async def test_a_paused_channel_is_why_its_rows_wait(bus):
    await pauses.pause_if_running(bus, PORTAL, "bảo trì", "binh")
    [said] = await channel_problems(bus, story(pending=1))
    assert "`loa resume portal`" in said.message and "`loa resume portal`" in said.message_vi


async def test_the_channel_tells_what_every_look_found(tmp_path, monkeypatch):
    heard = []

    async def hear(why):
        heard.append(why)

    monkeypatch.setattr("channels.portal.readback._WAIT_MAX_S", 0.0)
    away = "http://127.0.0.1:9"  # nobody listens there
    channel = PortalChannel(tmp_path, PORTAL_SITE, readback_url=away, report_readback=hear)
    with capture_logs() as log:
        await send_to(channel, a_publication())
    await channel.close()
    assert heard == ["ClientConnectorError"]
    [line] = [one for one in log if one["event"] == "portal_not_seen"]
    assert line["url"] == away
