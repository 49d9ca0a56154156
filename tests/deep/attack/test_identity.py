"""A unit with a key of its own is never taken for another one, and a flood of it harms none."""

import json
from collections import Counter

import httpx2

from consumers.intake.handler import Intake
from contracts import envelope, subjects
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from tests.support.events import bucket_records
from tests.support.foreign_identities import VICTIM_EVENT, VICTIM_ITEM, Try, all_tries, of_readers
from tests.support.gateway_client import OTHER, UNIT, GatewayClient, open_gateway, sample_event

LEAST_TRIES = 1000
FLOOD = 10_000


async def of_the_victim(client: GatewayClient) -> tuple[str, str]:
    """Register the other unit, and have it publish an item; its key, and the event's id."""
    key = await client.registry.add(OTHER, release="automatic")
    event = sample_event(id=VICTIM_EVENT, content_id=VICTIM_ITEM) | {"source": f"/units/{OTHER}"}
    answer = await client.post(event, key=key)
    assert answer.status_code == 202
    return key, answer.json()["event_id"]


async def send(client: GatewayClient, one: Try) -> httpx2.Response:
    keys = one.keys or (f"Bearer {client.key}",)
    said = [("Authorization", key) for key in keys]
    said += [("Content-Type", one.content_type), *one.headers]
    raw = [(name.encode(), value.encode()) for name, value in said]
    return await client.client.post(one.path, content=one.body, headers=raw)


async def take_in_everything(bus: Bus, clock) -> None:
    """Run intake over what the door has stored, and over nothing else."""
    intake = Intake(bus, DEFAULT, clock)
    async for message in bus.scan(subjects.CONTENT.name):
        _, unit, kind = message.subject.split(".")
        try:
            event = envelope.decode(None, message.headers, message.data)
            await intake.handle(event, unit, kind, seq=message.seq)
        except ContractError:
            continue


async def published_units(bus: Bus) -> Counter[str]:
    """The publisher of each publication."""
    scan = bus.scan(subjects.PUBLICATIONS.name)
    return Counter([json.loads(one.data)["data"]["unit"] async for one in scan])


async def test_a_thousand_tries_to_publish_as_another_unit_all_fail(bus, clock):
    async with open_gateway(bus, clock) as client:
        _, event_id = await of_the_victim(client)
        tries = all_tries(client.key)
        assert len(tries) >= LEAST_TRIES
        statuses: Counter[int] = Counter()
        for one in tries:
            clock.advance(6)  # no limit answers in place of the check
            statuses[(await send(client, one)).status_code] += 1
        reads = [await client.client.get(path, headers={"Authorization": f"Bearer {client.key}"})
                 for path in of_readers(event_id)]  # fmt: skip
    stored = Counter([one.subject.split(".")[1] async for one in bus.scan(subjects.CONTENT.name)])
    await take_in_everything(bus, clock)
    owners = {key: one["unit"] for key, one in (await bucket_records(bus, "publications")).items()}
    published = await published_units(bus)
    story = f"{len(tries)} tries, {len(reads)} reads: {dict(statuses)}, stored {dict(stored)}"
    assert statuses.keys() <= {202, 400, 401, 403, 409, 413, 415, 422}, story
    assert statuses[202] > 0, "some of them publish as themselves"
    assert stored[OTHER] == 1, story
    assert stored.keys() == {UNIT, OTHER}, story
    assert published[OTHER] == 1, f"{story}, published {published}"
    assert [key for key, unit in owners.items() if unit == OTHER] == [
        VICTIM_ITEM,
        f"{VICTIM_ITEM}.1",
    ], story
    assert not [one.url for one in reads if one.status_code == 200], story


async def test_beside_a_flood_of_one_unit_every_event_of_another_is_accepted(bus, clock):
    """The flood is refused at the count, before its body is read."""
    async with open_gateway(bus, clock) as client:
        key = await client.registry.add(OTHER, release="automatic")
        flooded, own = Counter[int](), Counter[int]()
        body = json.dumps(sample_event()).encode()
        said = {"Authorization": f"Bearer {client.key}", "Content-Type": envelope.CONTENT_TYPE}
        for number in range(FLOOD):
            answer = await client.client.post("/v1/events", content=body, headers=said)
            flooded[answer.status_code] += 1
            if number % 100 == 0:
                event = sample_event(id=f"e-{number}", content_id=f"tin-{number}")
                event |= {"source": f"/units/{OTHER}"}
                own[(await client.post(event, key=key)).status_code] += 1
    story = f"{FLOOD} requests: {dict(flooded)}; beside them {dict(own)}"
    assert own == {202: FLOOD // 100}, story
    assert flooded[429] >= FLOOD - 201, story
    assert flooded.total() == FLOOD, story
    stored = Counter([one.subject.split(".")[1] async for one in bus.scan(subjects.CONTENT.name)])
    assert stored[OTHER] == FLOOD // 100, story
