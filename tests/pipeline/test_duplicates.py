"""The same thing any number of times, at every door and at every station: one effect each."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from channels.base import Outcome, Verdict
from consumers.feedback.handler import DeliveryReceipt, FeedbackHandler
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.envelope import from_structured, to_binary
from contracts.errors import Conflict
from producers.bus import Bus
from producers.gateway.access import AccessControl
from producers.publisher import Publisher
from tests.support import events
from tests.support.clock import FakeClock
from tests.support.content_consumer import content_consumer
from tests.support.decisions import approve_item
from tests.support.events import (
    corrected,
    open_drafts,
    register_unit,
    released_publications,
    submitted,
    withdrawn,
)
from tests.support.gateway_client import UNIT, open_gateway, sample_event
from tests.support.pipeline_harness import PipelineHarness

CLERK = "Trần Thị Bình"
ITEM = "tin"
FORGETFUL_NS = 100_000_000
ONCE = {
    ChannelName.EMAIL: [(1, "r1"), (1, "r2"), (1, "r3")],
    ChannelName.PORTAL: [(1, "portal")],
    ChannelName.ZALO: [(1, "article"), (1, "broadcast")],
}
EVENT = sample_event(content_id=ITEM)
BODY = json.dumps(EVENT).encode()


@dataclass
class EverySender:
    """A unit's system, with every way in that there is."""

    bus: Bus
    door: Any
    folder: Path


Door = Callable[[EverySender, int], Awaitable[None]]


async def by_http(sender: EverySender, times: int) -> None:
    """All at once; where the door says "come back" its sender comes back."""

    async def posted() -> bytes:
        while (answer := await sender.door.post(EVENT)).status_code == 503:
            await asyncio.sleep(0.01)
        assert answer.status_code == 202
        return answer.content

    answers = await asyncio.gather(*(posted() for _ in range(times)))
    assert len(set(answers)) == 1, "always the same answer"


async def by_the_bus(sender: EverySender, times: int) -> None:
    """A system that knows nothing of message ids."""
    subject = subjects.content(UNIT, "submitted")
    await asyncio.gather(*(sender.bus.publish(subject, BODY) for _ in range(times)))


async def by_the_bus_in_another_form(sender: EverySender, times: int) -> None:
    """The same event, now as headers and now as one object, under ids of the sender's own."""
    headers, data = to_binary(from_structured(BODY))
    subject = subjects.content(UNIT, "submitted")
    for number in range(times):
        if number % 2:
            await sender.bus.publish(subject, data, headers=headers, msg_id=f"mine-{number}")
        else:
            await sender.bus.publish(subject, BODY, msg_id=f"mine-{number}")


async def by_the_client(sender: EverySender, times: int) -> None:
    async with Publisher(sender.bus, UNIT) as publisher:
        for _ in range(times):
            await publisher.publish(EVENT)


async def by_the_spool(sender: EverySender, times: int) -> None:
    """The bus was away all the time; several folders are drained when it is back."""
    for number in range(times):
        async with Publisher(None, UNIT, sender.folder / f"spool-{number % 3}") as away:
            await away.publish(EVENT)
    for number in range(min(times, 3)):
        async with Publisher(sender.bus, UNIT, sender.folder / f"spool-{number}") as back:
            await back.drain()


DOORS: dict[str, Door] = {
    "http": by_http,
    "bus": by_the_bus,
    "bus, other forms": by_the_bus_in_another_form,
    "client": by_the_client,
    "spool": by_the_spool,
}


@pytest.fixture
async def sender(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(AccessControl, "count_events", lambda *_: None)  # no rate limit
    async with open_gateway(bus, FakeClock()) as door:
        yield EverySender(bus, door, tmp_path / "spools")


@pytest.fixture
async def pipeline(bus, tmp_path):
    await register_unit(bus)
    return PipelineHarness(bus, tmp_path)


async def forget_ids(bus: Bus) -> None:
    """Make the stream forget its message ids soon, as it does after ten minutes.

    Now and then the server goes on with the timer of the old window; another window sets it anew.
    """
    stream = subjects.CONTENT.name
    config = (await bus.stream_info(stream))["config"]
    known_ns = config["duplicate_window"]
    config["duplicate_window"] = FORGETFUL_NS if known_ns > 2 * FORGETFUL_NS else known_ns + 1
    await bus.connection.api_request(f"STREAM.UPDATE.{stream}", config)


async def held(bus: Bus) -> int:
    """How many messages the stream itself holds."""
    return (await bus.stream_info(subjects.CONTENT.name))["state"]["messages"]


@pytest.mark.promise("2.1")
@pytest.mark.parametrize("times", [2, 100])
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
async def test_an_event_sent_many_times_now_and_after_the_window_has_one_effect_each(
    bus, nats_server, sender, pipeline, door, times
):
    async with content_consumer(bus, nats_server.url, pipeline.intake) as heard:
        await door(sender, times)
        await forget_ids(bus)
        async with asyncio.timeout(100):
            await door(sender, times)
            while await held(bus) < 2:  # nothing else tells that the server has forgotten
                await asyncio.sleep(FORGETFUL_NS / 1e9)
                await door(sender, times)
                await forget_ids(bus)
        state = (await bus.stream_info(subjects.CONTENT.name))["state"]
        assert state["messages"] >= 2, "the stream itself has it more than once"
        await heard.acknowledged_up_to(state["last_seq"])
        assert await heard.letters() == []
    assert len(await released_publications(bus, ITEM)) == 1
    await pipeline.deliver(ITEM)
    await pipeline.deliver(ITEM, again=True)
    assert pipeline.effects_of(ITEM) == ONCE


async def test_an_event_through_all_doors_has_one_effect_each(bus, nats_server, sender, pipeline):
    async with content_consumer(bus, nats_server.url, pipeline.intake) as heard:
        await asyncio.gather(*(door(sender, 20) for door in DOORS.values()))
        await heard.all_acknowledged()
        assert await heard.letters() == []
    await pipeline.deliver(ITEM)
    assert pipeline.effects_of(ITEM) == ONCE


@pytest.mark.parametrize("kind", ["correction", "withdrawal"])
async def test_a_correction_or_withdrawal_fifty_times_is_told_once(bus, pipeline, kind):
    await pipeline.intake.handle(submitted(ITEM), events.UNIT)
    await pipeline.deliver(ITEM)
    event = corrected(ITEM) if kind == "correction" else withdrawn(ITEM)
    await asyncio.gather(*(pipeline.intake.handle(event, events.UNIT) for _ in range(50)))
    assert len(await released_publications(bus, ITEM)) == 2
    await pipeline.deliver(ITEM)
    await pipeline.deliver(ITEM, again=True)
    second = [
        seen for name in ChannelName for seen in pipeline.effects_of(ITEM)[name] if seen[0] == 2
    ]
    told = ["r1", "r2", "r3", "portal", "article"]
    assert sorted(who for _, who in second) == sorted(told), "never a second broadcast"


async def test_an_approval_given_fifty_times_releases_once(bus, pipeline):
    await register_unit(bus, release="desk")
    await pipeline.intake.handle(submitted(ITEM), events.UNIT)
    said = await asyncio.gather(
        *(approve_item(pipeline.desk, ITEM, f"Cán bộ số {n % 5}") for n in range(50)),
        return_exceptions=True,
    )
    refused = [one for one in said if isinstance(one, BaseException)]
    assert len(refused) < 50
    assert all(isinstance(one, Conflict) for one in refused)
    assert len(await released_publications(bus, ITEM)) == 1
    await pipeline.deliver(ITEM)
    assert pipeline.effects_of(ITEM) == ONCE
    assert await open_drafts(bus) == []


async def insisted(work: Callable[[], Awaitable[None]]) -> None:
    """Hand the same message over until it is done, or another worker has its batch."""
    for _ in range(40):
        try:
            await work()
        except RetryLater:
            await asyncio.sleep(0)
        else:
            return


@pytest.mark.parametrize("name", list(ChannelName))
async def test_a_publication_planned_and_woken_often_goes_out_once(bus, tmp_path, pipeline, name):
    """Two workers of different machines, and two planners."""
    await pipeline.intake.handle(submitted(ITEM), events.UNIT)
    [released] = await pipeline.released(ITEM)
    other = PipelineHarness(bus, tmp_path / "other")
    services = [pipeline.services[name], other.services[name]]
    plans = [partial(service.planner.on_publication, released) for service in services * 5]
    await asyncio.gather(*map(insisted, plans))
    wake_up = WakeUp(batch=str(BatchKey(name, ITEM, 1, 0)), lane=released.publication.lane)
    wakes = [partial(service.worker.on_wake_up, wake_up) for service in services * 50]
    await asyncio.gather(*map(insisted, wakes))
    for service in services:
        await service.work(released)
    seen = [one for service in services for one in service.provider.effect_log]
    assert sorted(who for _, _, who in seen) == sorted(who for _, who in ONCE[name])


async def test_a_receipt_that_comes_a_hundred_times_counts_once(bus, pipeline):
    service = pipeline.services[ChannelName.ZALO]
    service.provider.answer = lambda row: (
        Outcome(Verdict.DOUBT) if row.id == "broadcast" else Outcome(Verdict.DELIVERED)
    )
    service.provider.known = lambda row: Outcome(Verdict.UNKNOWN)
    await pipeline.intake.handle(submitted(ITEM), events.UNIT)
    await pipeline.deliver(ITEM)
    batch = BatchKey(ChannelName.ZALO, ITEM, 1, 0)
    assert (await service.ledger.state(batch)).value.rows == b"dK"
    receipt = DeliveryReceipt(
        channel=ChannelName.ZALO, content_id=ITEM, revision=1, recipient="broadcast"
    )
    feedback = FeedbackHandler(service.ledger)
    await asyncio.gather(*(feedback.on_receipt(receipt) for _ in range(100)))
    state = await service.ledger.state(batch)
    assert state.value.rows == b"dD"
    await feedback.on_receipt(receipt)
    assert (await service.ledger.state(batch)).revision == state.revision
    assert PlanKey(*batch[:3]) == receipt.plan
