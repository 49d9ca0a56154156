"""Events as units send them, valid by default; and what a run of intake leaves behind."""

import json
from collections.abc import Awaitable
from typing import Any

import pytest

from consumers.editorial.log import EditorialLog
from consumers.intake.handler import Intake
from contracts import events, keys, subjects
from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError
from producers.bus import Bus

UNIT = "van-phong-bo"
ITEM = "ra-mat-kenh-zalo"


def unit_event(kind: str, data: dict[str, Any], **changes: Any) -> CloudEvent:
    """A CloudEvent of `UNIT`; its id says item, kind and revision."""
    name = f"{data['content_id']}-{kind}-{data.get('revision', 'x')}"
    fields = {
        "specversion": "1.0",
        "id": name,
        "source": f"/units/{UNIT}",
        "type": getattr(events, kind.upper()),
        "data": data,
    }
    return CloudEvent.model_validate(fields | changes)


def submitted(content_id: str = ITEM, revision: int = 1, **changes: Any) -> CloudEvent:
    """A unit hands in a revision; *changes* are fields of the data."""
    data = {
        "content_id": content_id,
        "revision": revision,
        "topic": "cai-cach-hanh-chinh",
        "title": "Bộ Nội vụ ra mắt kênh thông tin trên Zalo",
        "body": "Từ hôm nay, người dân có thể **quan tâm** kênh của Bộ.",
    }
    return unit_event("submitted", data | changes)


def corrected(content_id: str = ITEM, revision: int = 2, **changes: Any) -> CloudEvent:
    older = submitted(content_id, revision).data
    return unit_event("corrected", older | {"corrects_revision": revision - 1} | changes)


def withdrawn(content_id: str = ITEM, reason: str = "Nội dung chưa chính xác", **changes: Any):
    return unit_event("withdrawn", {"content_id": content_id, "reason": reason}, **changes)


def event_id(event: CloudEvent, unit: str = UNIT) -> str:
    return keys.event_id(unit, event.source, event.id)


async def register_unit(bus: Bus, unit: str = UNIT, **rules: Any) -> None:
    """Register a unit: release automatic or desk, urgent or not."""
    known = {"release": "automatic", "urgent": False, "keys": []} | rules
    await bus.bucket(subjects.UNITS.name).put(unit, json.dumps(known).encode())


async def bucket_records(bus: Bus, name: str, prefix: str = "") -> dict[str, Any]:
    """Contents of a bucket, read as JSON."""
    values = bus.bucket(name).values(prefix)
    return {key: json.loads(value.data) async for key, value in values if key.startswith(prefix)}


async def open_drafts(bus: Bus) -> list[str]:
    """The drafts that wait, or whose approval is not carried out, by the editorial log."""
    items = await EditorialLog(bus).open_items()
    numbers = {
        name: {*one.approved, *([one.revision] * one.is_undecided)} for name, one in items.items()
    }
    return sorted(f"{name}.{number}" for name, found in numbers.items() for number in found)


async def carry_out_acts(intake: Intake, content_id: str = ITEM) -> None:
    """Carry out every act on an item, as the follower of the editorial log does."""
    async for message in intake.bus.scan(subjects.EDITORIAL.name, subjects.editorial(content_id)):
        await intake.on_act(message)


async def stored_position(bus: Bus, revision: int = 1, item: str = ITEM) -> dict[str, Any]:
    """The record of one position."""
    return (await bucket_records(bus, "publications"))[f"{item}.{revision}"]


async def released_actions(bus: Bus, content_id: str = ITEM) -> list[str]:
    """The actions of an item's publications, oldest first."""
    return [one["action"] for one in await released_publications(bus, content_id)]


async def refusal(work: Awaitable[Any], kind: type[ContractError] = ContractError) -> list[str]:
    """The fields for which *work* is refused."""
    with pytest.raises(kind) as caught:
        await work
    return [error.field for error in caught.value.errors]


async def released_publications(bus: Bus, content_id: str = ITEM) -> list[dict[str, Any]]:
    """The publications of an item, oldest first; each with its `seq`."""
    found = bus.scan(subjects.PUBLICATIONS.name, f"publication.*.{content_id}")
    return [json.loads(one.data)["data"] | {"seq": one.seq} async for one in found]
