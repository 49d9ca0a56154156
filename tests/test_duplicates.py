"""The same thing any number of times, at every door and at every station: one effect each."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from channels.base import Outcome, Verdict
from consumers.feedback import Feedback, Receipt
from consumers.settle import Later
from consumers.wake import WakeUp
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.envelope import from_structured, to_binary, to_structured
from contracts.errors import Conflict
from producers.bus import Bus
from producers.gateway.guard import Guard
from producers.publisher import Publisher
from tests import arrivals
from tests.arrivals import corrected, in_bucket, published, submitted, unit_is, withdrawn
from tests.conftest import Clock
from tests.doors import UNIT, an_event, open_door
from tests.listening import listening
from tests.ministry import Ministry

CLERK = "Trần Thị Bình"
ITEM = "tin"
FORGETFUL_NS = 100_000_000
ONCE = {
    ChannelName.EMAIL: [(1, "r1"), (1, "r2"), (1, "r3")],
    ChannelName.PORTAL: [(1, "portal")],
    ChannelName.ZALO: [(1, "article"), (1, "broadcast")],
}
EVENT = an_event(content_id=ITEM)
BODY = json.dumps(EVENT).encode()


@dataclass
class Sender:
    """A unit's system, with every way in that there is."""

    bus: Bus
    door: Any
    folder: Path


Door = Callable[[Sender, int], Awaitable[None]]


async def by_http(sender: Sender, times: int) -> None:
    """All at once; where the door says "come back" its sender comes back."""

    async def posted() -> bytes:
        while (answer := await sender.door.post(EVENT)).status_code == 503:
            await asyncio.sleep(0.01)
        assert answer.status_code == 202
        return answer.content

    answers = await asyncio.gather(*(posted() for _ in range(times)))
    assert len(set(answers)) == 1, "always the same answer"


async def by_the_bus(sender: Sender, times: int) -> None:
    """A system that knows nothing of message ids."""
    subject = subjects.content(UNIT, "submitted")
    await asyncio.gather(*(sender.bus.publish(subject, BODY) for _ in range(times)))


async def by_the_bus_in_another_form(sender: Sender, times: int) -> None:
    """The same event, now as headers and now as one object, under ids of the sender's own."""
    headers, data = to_binary(from_structured(BODY))
    subject = subjects.content(UNIT, "submitted")
    for number in range(times):
        if number % 2:
            await sender.bus.publish(subject, data, headers=headers, msg_id=f"mine-{number}")
        else:
            await sender.bus.publish(subject, BODY, msg_id=f"mine-{number}")


async def by_the_client(sender: Sender, times: int) -> None:
    async with Publisher(sender.bus, UNIT) as publisher:
        for _ in range(times):
            await publisher.publish(EVENT)


async def by_the_spool(sender: Sender, times: int) -> None:
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
    monkeypatch.setattr(Guard, "count", lambda *_: None)  # without the limit per minute
    async with open_door(bus, Clock()) as door:
        yield Sender(bus, door, tmp_path / "spools")


@pytest.fixture
async def loa(bus, tmp_path):
    await unit_is(bus)
    return Ministry(bus, tmp_path)


async def forget_ids(bus: Bus) -> None:
    """Make the stream forget its message ids soon, as it does after ten minutes.

    Now and then the server goes on with the timer of the old window; another window sets it anew.
    """
    stream = subjects.CONTENT.name
    config = (await bus.stream_info(stream))["config"]
    known_ns = config["duplicate_window"]
    window_ns = FORGETFUL_NS if known_ns > 2 * FORGETFUL_NS else known_ns + 1
    await bus.link.api(f"STREAM.UPDATE.{stream}", config | {"duplicate_window": window_ns})


async def held(bus: Bus) -> int:
    """How many messages the stream itself holds."""
    return (await bus.stream_info(subjects.CONTENT.name))["state"]["messages"]


@pytest.mark.parametrize("times", [2, 10, 100])
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
async def test_an_event_sent_many_times_now_and_after_the_window_has_one_effect_each(
    bus, nats_server, sender, loa, door, times
):
    async with listening(bus, nats_server.url, loa.intake) as heard:
        await door(sender, times)
        await forget_ids(bus)
        async with asyncio.timeout(20):
            await door(sender, times)
            while await held(bus) < 2:  # nothing else tells that the server has forgotten
                await asyncio.sleep(FORGETFUL_NS / 1e9)
                await door(sender, times)
                await forget_ids(bus)
        state = (await bus.stream_info(subjects.CONTENT.name))["state"]
        assert state["messages"] >= 2, "the stream itself has it more than once"
        await heard.settled(state["last_seq"])
        assert await heard.letters() == []
    assert len(await published(bus, ITEM)) == 1
    await loa.deliver(ITEM)
    await loa.deliver(ITEM, again=True)
    assert loa.seen(ITEM) == ONCE


async def test_an_event_through_all_doors_at_once_has_one_effect_each(
    bus, nats_server, sender, loa
):
    async with listening(bus, nats_server.url, loa.intake) as heard:
        await asyncio.gather(*(door(sender, 20) for door in DOORS.values()))
        await heard.all_settled()
        assert await heard.letters() == []
    await loa.deliver(ITEM)
    assert loa.seen(ITEM) == ONCE


@pytest.mark.timeout(300)
async def test_a_thousand_events_each_some_times_in_any_order_have_one_publication_each(
    bus, nats_server, loa
):
    chance = random.Random(20261125)
    copies = [n for n in range(1000) for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))]
    copies += [0] * 99
    chance.shuffle(copies)
    subject = subjects.content(arrivals.UNIT, "submitted")
    async with listening(bus, nats_server.url, loa.intake) as heard:
        for start in range(0, len(copies), 100):
            bodies = [to_structured(submitted(f"tin-{n}")) for n in copies[start : start + 100]]
            await asyncio.gather(*(bus.publish(subject, body) for body in bodies))
        await heard.all_settled()
        assert await heard.letters() == []
    found = bus.scan(subjects.PUBLICATIONS.name)
    items = [json.loads(one.data)["data"]["content_id"] async for one in found]
    assert sorted(items) == sorted(f"tin-{n}" for n in range(1000))


@pytest.mark.parametrize("kind", ["correction", "withdrawal"])
async def test_a_correction_or_withdrawal_fifty_times_is_told_once(bus, loa, kind):
    await loa.intake.handle(submitted(ITEM), arrivals.UNIT)
    await loa.deliver(ITEM)
    event = corrected(ITEM) if kind == "correction" else withdrawn(ITEM)
    await asyncio.gather(*(loa.intake.handle(event, arrivals.UNIT) for _ in range(50)))
    assert len(await published(bus, ITEM)) == 2
    await loa.deliver(ITEM)
    await loa.deliver(ITEM, again=True)
    second = [seen for name in ChannelName for seen in loa.seen(ITEM)[name] if seen[0] == 2]
    told = ["r1", "r2", "r3", "portal", "article"]
    assert sorted(who for _, who in second) == sorted(told), "never a second broadcast"


async def test_an_approval_given_fifty_times_releases_once(bus, loa):
    await unit_is(bus, release="desk")
    await loa.intake.handle(submitted(ITEM), arrivals.UNIT)
    said = await asyncio.gather(
        *(loa.desk.approve(ITEM, f"Cán bộ số {n % 5}", revision=1) for n in range(50)),
        return_exceptions=True,
    )
    refused = [one for one in said if isinstance(one, BaseException)]
    assert len(refused) < 50
    assert all(isinstance(one, Conflict) for one in refused)
    assert len(await published(bus, ITEM)) == 1
    await loa.deliver(ITEM)
    assert loa.seen(ITEM) == ONCE
    assert await in_bucket(bus, "desk") == {}


async def insisted(work: Callable[[], Awaitable[None]]) -> None:
    """Hand the same message over until it is done, or its batch is somebody else's."""
    for _ in range(40):
        try:
            await work()
        except Later:
            await asyncio.sleep(0)
        else:
            return


@pytest.mark.parametrize("name", list(ChannelName))
async def test_a_publication_planned_ten_times_and_woken_a_hundred_times_goes_out_once(
    bus, tmp_path, loa, name
):
    """Two workers of different machines, and two planners."""
    await loa.intake.handle(submitted(ITEM), arrivals.UNIT)
    [released] = await loa.released(ITEM)
    other = Ministry(bus, tmp_path / "other")
    offices = [loa.offices[name], other.offices[name]]
    plans = [partial(office.planner.on_publication, released) for office in offices * 5]
    await asyncio.gather(*map(insisted, plans))
    wake_up = WakeUp(batch=str(BatchKey(name, ITEM, 1, 0)), lane=released.publication.lane)
    wakes = [partial(office.worker.on_wake_up, wake_up) for office in offices * 50]
    await asyncio.gather(*map(insisted, wakes))
    for office in offices:
        await office.work(released)
    seen = [one for office in offices for one in office.provider.seen]
    assert sorted(who for _, _, who in seen) == sorted(who for _, who in ONCE[name])


async def test_a_receipt_that_comes_a_hundred_times_counts_once(bus, loa):
    office = loa.offices[ChannelName.ZALO]
    office.provider.answer = lambda row: (
        Outcome(Verdict.DOUBT) if row.id == "broadcast" else Outcome(Verdict.DELIVERED)
    )
    office.provider.known = lambda row: Outcome(Verdict.UNKNOWN)
    await loa.intake.handle(submitted(ITEM), arrivals.UNIT)
    await loa.deliver(ITEM)
    batch = BatchKey(ChannelName.ZALO, ITEM, 1, 0)
    assert (await office.ledger.state(batch)).value.rows == b"dK"
    receipt = Receipt(channel=ChannelName.ZALO, content_id=ITEM, revision=1, recipient="broadcast")
    feedback = Feedback(office.ledger)
    await asyncio.gather(*(feedback.on_receipt(receipt) for _ in range(100)))
    state = await office.ledger.state(batch)
    assert state.value.rows == b"dD"
    await feedback.on_receipt(receipt)
    assert (await office.ledger.state(batch)).revision == state.revision
    assert PlanKey(*batch[:3]) == receipt.plan
