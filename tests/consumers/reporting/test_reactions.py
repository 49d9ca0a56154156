"""Readers' opinions: counted once a press, without a name, and never more than there should be."""

from functools import partial

import httpx2
import pytest
from lxml.html import fromstring

from consumers.intake.items import Item
from consumers.ledger import codec
from consumers.ledger.entry import planned_entry
from consumers.reporting.reactions import count_reactions
from consumers.reporting.reactions import portal_state as on_the_portal
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.vocabulary import DEFAULT
from producers.bus import Bus, NoReply
from producers.pages.reactions import BURST, PER_ITEM_BURST, create_reactions
from producers.pages.rendering import Renderer
from tests.support.cli import json_output
from tests.support.clock import FakeClock
from tests.support.publications import RELEASED_AT

ITEM = "lich-nghi-tet-2027"
GONE = "lich-da-go"
ADDRESS = "203.0.113.7"
PORTAL = "https://loa.test/cong"


async def standing(content_id):
    if content_id == GONE:
        return "withdrawn"
    return "released" if content_id.startswith("lich-") else ""


@pytest.fixture
def clock():
    return FakeClock(1_790_000_000)


@pytest.fixture
def client(bus, clock):
    return through(door(bus, clock))


def door(bus, clock, standing=standing):
    return create_reactions(bus, standing, Renderer(PORTAL, DEFAULT), clock)


def through(app, address=ADDRESS):
    transport = httpx2.ASGITransport(app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url="https://loa.test")


async def press(client, said="satisfied", item=ITEM, **more):
    return await client.post(f"/y-kien/{item}", data={"muc": said} | more)


async def test_a_press_is_one_message_that_names_nobody(bus, client):
    answer = await press(client, "dissatisfied")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cong/y-kien/{ITEM}/cam-on")
    assert "set-cookie" not in answer.headers
    [stored] = [one async for one in bus.scan(subjects.OPINIONS.name)]
    assert stored.subject == f"opinion.portal.{ITEM}.dissatisfied"
    assert stored.data == b""
    assert ADDRESS not in str(stored.headers)


async def test_opinions_are_told_by_item_and_channel(bus, client):
    for said, more in (("satisfied", {}), ("satisfied", {}), ("neutral", {"kenh": "email"})):
        assert (await press(client, said, **more)).status_code == 303
    await press(client, item="lich-khac")
    found = await count_reactions(bus, ITEM)
    assert [(one.channel, one.satisfied, one.neutral) for one in found] == [
        (ChannelName.PORTAL, 2, 0),
        (ChannelName.EMAIL, 0, 1),
    ]
    assert [one.content_id for one in await count_reactions(bus)] == [ITEM, "lich-khac", ITEM]


async def test_a_finger_that_does_not_stop_is_thanked_and_not_counted(bus, client, clock):
    for _ in range(int(PER_ITEM_BURST) + 3):
        assert (await press(client)).status_code == 303
    assert (await count_reactions(bus))[0].satisfied == PER_ITEM_BURST
    clock.now += 86400
    await press(client)
    assert (await count_reactions(bus))[0].satisfied == PER_ITEM_BURST + 1


async def test_one_address_does_not_flood_many_items_nor_hold_others_up(bus, clock):
    app = door(bus, clock)
    for number in range(int(BURST) + 10):
        await press(through(app), item=f"lich-{number}")
    assert len(await count_reactions(bus)) == BURST
    await press(through(app, "203.0.113.8"), item="lich-999")
    assert len(await count_reactions(bus, "lich-999")) == 1


async def test_one_customer_with_many_networks_has_a_share_of_each_item(bus, clock):
    """One IPv6 /48 has 65,536 of the /64 that are counted as one household."""
    app = door(bus, clock)
    for number in range(400):
        assert (await press(through(app, f"2001:db8:1:{number:x}::1"))).status_code == 303
    [counted] = await count_reactions(bus)
    assert counted.satisfied == 20 * PER_ITEM_BURST
    await press(through(app, "2001:db8:2::1"))
    [counted] = await count_reactions(bus)
    assert counted.satisfied == 20 * PER_ITEM_BURST + 1


async def test_what_can_not_be_counted_is_said_and_leaves_nothing(bus, client):
    for item, form, status, words in (
        *((name, {}, 404, "Không có tin này") for name in ("khong-co", "lich-ạ", "lich-*")),
        ("lich-.x", {}, 404, "Không có tin này"),
        (GONE, {}, 410, "đã được gỡ"),
        (ITEM, {"muc": "", "kenh": "portal"}, 422, "muc"),
        (ITEM, {"muc": "5"}, 422, "muc"),
        (ITEM, {"kenh": "fax"}, 422, "kenh"),
    ):
        answer = await press(client, item=item, **form)
        assert (answer.status_code, words in answer.text) == (status, True), (item, form)
    assert await count_reactions(bus) == []


async def test_looking_at_the_address_leads_to_the_item(client):
    answer = await client.get(f"/y-kien/{ITEM}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cong/tin/{ITEM}")


async def test_without_the_bus_the_reader_is_asked_to_come_back(bus, clock):
    async def silent(_content_id):
        raise NoReply("nobody")

    answer = await press(through(door(bus, clock, silent)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "thử lại" in answer.text


async def test_whoever_is_thanked_finds_the_way_back_to_the_item(client):
    answer = await client.get(f"/y-kien/{ITEM}/cam-on")
    assert answer.status_code == 200
    [back] = fromstring(answer.text).xpath("//a[. = 'Quay lại tin vừa đọc']/@href")
    assert back == f"/cong/tin/{ITEM}"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert (await client.get("/y-kien/khong-co/cam-on")).status_code == 404


async def test_what_another_site_sends_is_refused_with_the_way_to_the_item(bus, client):
    for sent in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://loa.test.evil.example"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = await client.post(f"/y-kien/{ITEM}", data={"muc": "satisfied"}, headers=sent)
        assert answer.status_code == 403, sent
        page = fromstring(answer.text)
        assert (page.get("lang"), page.findtext(".//h1")) == ("vi", "Chưa ghi nhận được ý kiến")
        assert f"/cong/tin/{ITEM}" in page.xpath("//main//a/@href")
    assert await count_reactions(bus) == []


async def test_what_the_items_own_page_sends_is_counted(bus, client):
    for number, sent in enumerate(
        (
            {},
            {"origin": "https://loa.test", "sec-fetch-site": "same-origin"},
            {"origin": "https://loa.test"},
            {"origin": "https://loa.internal", "host": "loa.internal"},
            {"sec-fetch-site": "none"},
        )
    ):
        item = f"lich-{number}"
        answer = await client.post(f"/y-kien/{item}", data={"muc": "satisfied"}, headers=sent)
        assert answer.status_code == 303, sent
        assert [one.satisfied for one in await count_reactions(bus, item)] == [1]


async def known(bus, rows, state="released", channel=ChannelName.PORTAL):
    """The item as the register has it, and its row on a channel: a position's number → a letter.

    A position without a letter was decided, and not planned there.
    """
    at = dict.fromkeys(rows, RELEASED_AT)
    item = Item(unit="van-phong-bo", state=state, revision=max(rows), released=at)
    await bus.bucket(subjects.PUBLISHED.name).put(ITEM, item.model_dump_json().encode())
    for number, letter in rows.items():
        if letter:
            entry = planned_entry(1, Lane.NORMAL, 0.0).with_rows({0: ord(letter)}, {})
            key = f"state.{BatchKey(channel, ITEM, number, 0)}"
            await bus.bucket(subjects.LEDGER.name).put(key, codec.encode_state(entry))


EMBARGOED = {1: ""}
"""Released by the desk; nothing is planned before `not_before`."""


@pytest.mark.parametrize(
    ("rows", "state", "stands"),
    [
        (EMBARGOED, "released", ""),
        (EMBARGOED | {2: ""}, "withdrawn", ""),
        ({1: "v", 2: ""}, "released", ""),
        ({1: "w", 2: "d"}, "withdrawn", "withdrawn"),
        ({1: "d"}, "released", "released"),
        ({1: "d", 2: ""}, "released", "released"),
        ({1: "d", 2: ""}, "withdrawn", "withdrawn"),
        *[({1: letter}, "released", "") for letter in "prxuewv"],
        *[({1: letter}, "released", "released") for letter in "sPSRdDkK"],
    ],
)
async def test_an_item_stands_on_the_portal_once_readers_may_see_it(bus, rows, state, stands):
    await known(bus, {1: "d"}, channel=ChannelName.EMAIL)
    assert await on_the_portal(bus, ITEM) == await on_the_portal(bus, "khong-co") == ""
    await known(bus, rows, state)
    assert await on_the_portal(bus, ITEM) == stands


async def test_nobody_learns_by_guessing_what_waits_for_its_time(bus, clock):
    await known(bus, EMBARGOED)
    client = through(door(bus, clock, partial(on_the_portal, bus)))
    for item in (ITEM, "khong-co"):
        answers = [await press(client, item=item)]
        answers += [await client.get(f"/y-kien/{item}{end}") for end in ("", "/cam-on")]
        assert [one.status_code for one in answers] == [404] * 3
        assert all("Không có tin này" in one.text for one in answers)
    assert await count_reactions(bus) == []


class PagedServer:
    """A server that tells seven subjects at a time."""

    def __init__(self, counts):
        self.counts = sorted(counts.items())

    async def repeatable_api_request(self, _call, query):
        page = dict(self.counts[query["offset"] : query["offset"] + 7])
        return {"total": len(self.counts), "state": {"subjects": page}}


@pytest.mark.parametrize("many", [0, 6, 7, 30])
async def test_more_subjects_than_the_server_tells_at_once_are_all_counted(many):
    counts = {f"opinion.portal.lich-{number}.neutral": number for number in range(many)}
    assert await Bus(PagedServer(counts)).count_by_subject("OPINIONS") == counts


async def test_the_command_tells_it(loa, client):
    await press(client)
    said = await loa("opinions", "--json")
    [told] = json_output(said)
    counts = {"satisfied": 1, "neutral": 0, "dissatisfied": 0}
    assert told == {"content_id": ITEM, "channel": "portal"} | counts
    said = await loa("opinions", ITEM)
    assert ITEM in said.stdout
    said = await loa("opinions", "khong-co")
    assert said.exit_code == 2
    assert "content_id: khong-co is not known" in said.stderr
