"""What readers think is counted once a press, names nobody, and never more than it should be."""

import asyncio
import json

import httpx2
import pytest
from typer.testing import CliRunner

from consumers.cli import app
from consumers.opinions import tallies
from contracts import subjects
from contracts.delivery import ChannelName
from producers.bus import Silence, messages
from producers.opinions import AT_ONCE, BURST, opinions
from tests.conftest import Clock

ITEM = "lich-nghi-tet-2027"
ADDRESS = "203.0.113.7"


async def known(content_id):
    return content_id.startswith("lich-")


@pytest.fixture
def clock():
    return Clock(1_790_000_000)


@pytest.fixture
def client(bus, clock):
    return through(opinions(bus, known, "/cong", clock))


def through(app, address=ADDRESS):
    transport = httpx2.ASGITransport(app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://loa.test")


async def press(client, said="satisfied", item=ITEM, **more):
    return await client.post(f"/y-kien/{item}", data={"muc": said} | more)


async def test_a_press_is_one_message_that_names_nobody(bus, client):
    answer = await press(client, "dissatisfied")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cong/cam-on/")
    assert "set-cookie" not in answer.headers
    [stored] = [one async for one in bus.scan(subjects.OPINIONS.name)]
    assert stored.subject == f"opinion.portal.{ITEM}.dissatisfied"
    assert stored.data == b""
    assert ADDRESS not in str(stored.headers)


async def test_opinions_are_told_by_item_and_channel(bus, client):
    for said, more in (("satisfied", {}), ("satisfied", {}), ("neutral", {"kenh": "email"})):
        assert (await press(client, said, **more)).status_code == 303
    await press(client, item="lich-khac")
    found = await tallies(bus, ITEM)
    assert [(one.channel, one.satisfied, one.neutral) for one in found] == [
        (ChannelName.PORTAL, 2, 0),
        (ChannelName.EMAIL, 0, 1),
    ]
    assert [one.content_id for one in await tallies(bus)] == [ITEM, "lich-khac", ITEM]


async def test_a_finger_that_does_not_stop_is_thanked_and_not_counted(bus, client, clock):
    for _ in range(int(AT_ONCE) + 3):
        assert (await press(client)).status_code == 303
    assert (await tallies(bus))[0].satisfied == AT_ONCE
    clock.now += 86400
    await press(client)
    assert (await tallies(bus))[0].satisfied == AT_ONCE + 1


async def test_one_address_does_not_flood_many_items_nor_hold_others_up(bus, clock):
    app = opinions(bus, known, "", clock)
    for number in range(int(BURST) + 10):
        await press(through(app), item=f"lich-{number}")
    assert len(await tallies(bus)) == BURST
    await press(through(app, "203.0.113.8"), item="lich-999")
    assert len(await tallies(bus, "lich-999")) == 1


@pytest.mark.parametrize(
    ("item", "form", "status", "field"),
    [
        ("khong-co", {"muc": "satisfied"}, 404, "Không có tin này"),
        ("lich-ạ", {"muc": "satisfied"}, 404, "Không có tin này"),
        ("lich-*", {"muc": "satisfied"}, 404, "Không có tin này"),
        ("lich-.x", {"muc": "satisfied"}, 404, "Không có tin này"),
        (ITEM, {"kenh": "portal"}, 422, "muc"),
        (ITEM, {"muc": "5"}, 422, "muc"),
        (ITEM, {"muc": "satisfied", "kenh": "fax"}, 422, "kenh"),
    ],
)
async def test_what_can_not_be_counted_is_said_and_leaves_nothing(
    bus, client, item, form, status, field
):
    answer = await client.post(f"/y-kien/{item}", data=form)
    assert answer.status_code == status
    assert field in answer.text
    assert await tallies(bus) == []


async def test_looking_at_the_address_leads_to_the_item(client):
    answer = await client.get(f"/y-kien/{ITEM}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cong/tin/{ITEM}")


async def test_without_the_bus_the_reader_is_asked_to_come_back(bus, clock):
    async def silent(_content_id):
        raise Silence("nobody")

    answer = await press(through(opinions(bus, silent, "", clock)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


class InPages:
    """A server that tells seven subjects at a time."""

    def __init__(self, counts):
        self.counts = sorted(counts.items())

    async def insist(self, _call, query):
        page = dict(self.counts[query["offset"] : query["offset"] + 7])
        return {"total": len(self.counts), "state": {"subjects": page}}


@pytest.mark.parametrize("many", [0, 6, 7, 30])
async def test_more_subjects_than_the_server_tells_at_once_are_all_counted(many):
    counts = {f"opinion.portal.lich-{number}.neutral": number for number in range(many)}
    assert await messages.tally(InPages(counts), "OPINIONS", ">") == counts


async def test_the_command_tells_it(bus, nats_server, client):
    await press(client)
    env = {"LOA_NATS_URL": nats_server.url}
    said = await asyncio.to_thread(CliRunner().invoke, app, ["opinions", "--json"], env=env)
    [told] = json.loads(said.stdout.splitlines()[-1])
    assert told == {"content_id": ITEM, "channel": "portal", "satisfied": 1} | {
        "neutral": 0,
        "dissatisfied": 0,
    }
    said = await asyncio.to_thread(CliRunner().invoke, app, ["opinions", ITEM], env=env)
    assert ITEM in said.stdout
