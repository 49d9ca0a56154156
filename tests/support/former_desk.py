"""Drafts as versions before the editorial log left them: in the bucket `desk`."""

from consumers.intake.approval import Draft
from consumers.intake.handler import Intake
from contracts import subjects
from contracts.cloudevent import CloudEvent
from contracts.editorial import ItemState
from producers.bus import Bus, topology
from tests.support.events import UNIT


async def make_former_desk(bus: Bus) -> None:
    """Create the bucket, if it is not there."""
    name = f"KV_{subjects.DESK.name}"
    config = topology.wanted_configs()[f"KV_{subjects.UNITS.name}"]
    config |= {"name": name, "subjects": [f"$KV.{subjects.DESK.name}.>"]}
    if not await topology.stream_exists(bus, name):
        await bus.connection.api_request(f"STREAM.CREATE.{name}", config)


async def leave_on_former_desk(intake: Intake, event: CloudEvent) -> Draft:
    """Take an event in as an earlier version did; its draft."""
    await make_former_desk(intake.bus)
    bucket, left = intake.bus.bucket(subjects.DESK.name), []

    async def add_draft(draft: Draft) -> None:
        await bucket.create(draft.key, draft.model_dump_json().encode())
        left.append(draft)

    async def receive(*_: object, **__: object) -> ItemState:
        return ItemState()

    desk = intake.decisions
    keep = desk.add_draft, desk.receive
    desk.add_draft, desk.receive = add_draft, receive
    try:
        await intake.handle(event, UNIT)
    finally:
        desk.add_draft, desk.receive = keep
    return left[0]
