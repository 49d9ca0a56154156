"""Hands that corrupt a house that is checked: its bus, its records, its portal."""

import json
from datetime import UTC, datetime

from contracts import publication, subjects
from contracts.delivery import ChannelName
from contracts.keys import content_hash
from tests.support.check_harness import acknowledge_all
from tests.support.events import ITEM, UNIT, event_id, submitted
from tests.support.publications import a_publication

APPROVED, NEW = "tin-duyet-roi", "tin-moi-toanh"


async def acknowledge_unread(house):
    """Somebody acknowledges an event that intake has never seen."""
    event = submitted(NEW)
    await house.bus.publish(f"content.{UNIT}.submitted", json.dumps(event_bytes(event)).encode())
    await acknowledge_all(house.bus, "CONTENT", subjects.INTAKE)


def event_bytes(event):
    return event.model_dump(mode="json", exclude={"extensions", "time"}, exclude_none=True)


async def record_unsent_event(house):
    """The door booked an event, died, and the unit never came again."""
    event = submitted(NEW)
    at = datetime.fromtimestamp(house.clock(), UTC).isoformat()
    said = {
        "hash": content_hash(event.type, event.data), "unit": UNIT, "content_id": NEW,
        "revision": 1, "type": event.type, "at": at,
    }  # fmt: skip
    await house.bus.bucket("events").put(event_id(event), json.dumps(said).encode())


async def lose_publication(house):
    position = await house.intake.repository.position(ITEM, 2)
    await house.delete("PUBLICATIONS", position.seq)


async def forge_publication(house, revision: int):
    """Somebody writes to the bus what nobody released."""
    forged = a_publication(content_id=ITEM, revision=revision, title="Một tin giả")
    subject = subjects.publication("cai-cach-hanh-chinh", ITEM)
    await house.bus.publish(subject, publication.encode(forged))


async def decide_at_desk(house, **changes):
    key = f"{APPROVED}.1"
    said = json.loads((await house.bus.bucket("publications").get(key)).data)["decision"]
    await house.record("publications", key, decision=said | changes)


async def mark_unsent_delivered(house):
    """A row is booked as delivered that was only planned."""
    await house.send(submitted(NEW, channels=["portal"]))
    office = house.services[ChannelName.PORTAL]
    for released in await house.released(NEW):
        await office.plan(released)
    for channel in ChannelName:
        await acknowledge_all(house.bus, "PUBLICATIONS", subjects.dispatch(channel))
    await house.state(f"portal.{NEW}.1.0", rows=b"d", closed_at=house.clock())


async def write_portal_file(house, path: str, body: bytes):
    file = house.public / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


async def truncate_portal_file(house, path: str):
    await write_portal_file(house, path, (house.public / path).read_bytes()[:-200])


async def duplicate_feed_entry(house, path: str):
    """An item stands in a feed a second time."""
    body = (house.public / path).read_bytes()
    item = body[body.index(b"<item>") : body.index(b"</item>") + len(b"</item>")]
    await write_portal_file(house, path, body.replace(item, item + item))


async def lose_index(house):
    await house.close()
    for left in (house.portal / "state").glob("index.sqlite*"):
        left.unlink()


async def forge_index(house):
    """The index says what the bus never said; its page says the same."""
    with house.index() as index:
        row = index.find_item(ITEM)
        forged = row.publication_json.replace("Zalo", "Facebook")
        index._db.execute("UPDATE item SET publication = ? WHERE content_id = ?", (forged, ITEM))
