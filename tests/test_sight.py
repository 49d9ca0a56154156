"""Where readers can't see what was written, status, trace and readyz say so, and what to check."""

from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from channels.portal.channel import PortalChannel
from consumers import control, outlets
from consumers.app.node import unseen_plainly
from consumers.app.web import health
from consumers.breaker import Breaker, State
from consumers.circuit import Circuit
from consumers.cli.channels import trouble
from consumers.ledger.store import Ledger
from consumers.outlets import Outlet
from consumers.sight import Sight, Unseen, words
from consumers.status import Status
from consumers.story import Count, Story
from consumers.waits import waits
from contracts.delivery import ChannelName
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, sent

PORTAL = ChannelName.PORTAL
ADDRESS = "https://tin.example.gov.vn"


async def seen(bus):
    return (await Status(bus, Ledger(bus)).report()).channels[PORTAL].unseen


def story(**counts):
    channels = {PORTAL: Count(expected=1, **counts)}
    return Story(content_id="tin", revision=1, state="released", channels=channels, timeline=[])


async def test_status_says_where_nothing_is_seen_since_when_and_why(bus, clock):
    await outlets.note(bus, PORTAL, Outlet(to="folder"))
    sight = Sight(bus, ADDRESS, clock)
    await sight.found("HTTP 404")
    began = round(clock())
    clock.advance(60)
    await sight.found("HTTP 502")
    told = await seen(bus)
    assert told == Unseen(address=ADDRESS, since=datetime.fromtimestamp(began, UTC), why="HTTP 404")
    await sight.found("")
    assert await seen(bus) is None
    assert (await outlets.outlets(bus))[PORTAL].to == "folder"


async def test_a_worker_that_starts_anew_has_nothing_against_the_address(bus, clock):
    await Sight(bus, ADDRESS, clock).found("HTTP 404")
    await outlets.note(bus, PORTAL, Outlet(to="folder"))
    assert await seen(bus) is None


async def test_status_trace_and_readyz_say_it_in_both_languages(bus, clock):
    await Sight(bus, ADDRESS, clock).found("ClientConnectorDNSError")
    one = (await Status(bus, Ledger(bus)).report()).channels[PORTAL]
    lines = "\n".join(trouble(one))
    traced = "\n".join(str(fault) for fault in await waits(bus, story(in_doubt=1)))
    plain = await unseen_plainly(bus)

    async def blind():
        return plain

    body = TestClient(health({}, unseen=blind)).get("/readyz").json()
    assert body["status"] == "degraded"
    for said in (lines, traced, str(body["unseen"])):
        assert ADDRESS in said and "LOA_PUBLIC_URL" in said
        assert "no machine of that name" in said and "không tìm thấy máy có tên đó" in said
    assert await waits(bus, story(delivered=1, complete=True)) == []


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
    told = words(why)
    assert english in told.en and vietnamese in told.vi


async def test_a_channel_that_cannot_work_says_so_and_what_mends_it(bus, clock):
    await Circuit(bus, PORTAL, clock).change(lambda _: Breaker(State.OPEN, 9.0, "index_lost"))
    one = (await Status(bus, Ledger(bus)).report()).channels[PORTAL]
    assert "index_lost, now: `loa rebuild portal`" in "".join(trouble(one))
    [said] = await waits(bus, story(pending=1))
    for message in (said.message, said.message_vi):
        assert "index_lost" in message and "`loa rebuild portal`" in message


async def test_a_paused_channel_is_why_its_rows_wait(bus):
    await control.hold(bus, PORTAL, "bảo trì", "binh")
    [said] = await waits(bus, story(pending=1))
    assert "`loa resume portal`" in said.message and "`loa resume portal`" in said.message_vi


async def test_the_channel_tells_what_every_look_found(tmp_path, monkeypatch):
    heard = []

    async def hear(why):
        heard.append(why)

    monkeypatch.setattr("channels.portal.echo.Echo.__init__.__defaults__", (0.0,))
    away = "http://127.0.0.1:9"  # nobody listens there
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS, read_at=away, found=hear)
    with capture_logs() as log:
        await sent(channel, a_publication())
    await channel.close()
    assert heard == ["ClientConnectorError"]
    [line] = [one for one in log if one["event"] == "portal_not_seen"]
    assert line["url"] == away
