"""Events a second at the HTTP door, each on the disk before its answer; and what intake makes."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp

from bench import bus, letter, loa
from bench.figures import Findings, ratios, typical
from bench.server import JSON, POLL_S, SEND_S, LoaFailed, Server, item
from bench.sizes import Sizes
from contracts import subjects
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.units.registry import UnitRegistry

PART = "intake"
CLIENTS = 16
UNITS = [unit for unit, known in DEFAULT.units.items() if not known.until]
"""All of them send: the door takes 200 events of one unit at once."""
RELAY = 25  # nothing is mailed: no delivery runs


def measure(sizes: Sizes) -> Findings:
    """A door of its own for every repetition, whose counters are fresh; then one with intake."""
    doors, alone, released, followed = [], [], [], []
    for number in range(sizes.repetitions):
        with loa.joined(f"{PART}-{number}", RELAY, bus.ALWAYS, ["gateway"]) as server:
            alone.append(sizes.events / asyncio.run(publish(server, sizes.events)))
            doors.append(sizes.events / asyncio.run(knock(server, sizes.events, "desk")))
        with loa.joined(f"{PART}-{number}", RELAY, bus.ALWAYS, ["gateway", "intake"]) as server:
            out_s, carried_out_s = asyncio.run(release(server, sizes.events))
            released.append(sizes.events / out_s)
            followed.append(sizes.events / carried_out_s)
    clients = f"{CLIENTS} clients"
    lines = [
        typical(PART, f"events at the door, {clients}", "/s", doors),
        typical(PART, f"the same straight to the bus, {CLIENTS} at once", "/s", alone),
        typical(PART, "door ÷ bus alone", "x", ratios(doors, alone)),
        typical(
            PART, f"events at the door that intake releases at once, {clients}", "/s", released
        ),
        typical(PART, "released ÷ door alone", "x", ratios(released, doors)),
        typical(PART, "said in the editorial log ÷ released", "x", ratios(followed, released)),
    ]
    runs = [
        {"part": PART, "door_per_s": d, "bus_per_s": b, "released_per_s": r, "followed_per_s": f}
        for d, b, r, f in zip(doors, alone, released, followed, strict=True)
    ]
    return Findings(lines, runs)


async def release(server: Server, events: int) -> tuple[float, float]:
    """Seconds until all events of units that release at once are out; until the log says so, too.

    Raises LoaFailed.
    """
    started = time.monotonic()
    await knock(server, events, "automatic")
    async with await Bus.connect(server.nats_url, name="bench") as straight:

        async def are_released() -> bool:
            info = await straight.stream_info(subjects.PUBLICATIONS.name)
            return bool(info["state"]["messages"] >= events)

        async def are_carried_out() -> bool:
            info = await straight.consumer_info(subjects.EDITORIAL.name, subjects.INTAKE)
            return not (info["num_pending"] or info["num_ack_pending"])

        await until(are_released)
        released_s = time.monotonic() - started
        await until(are_carried_out)
    return released_s, time.monotonic() - started


async def until(is_done: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + SEND_S
    while not await is_done():
        if time.monotonic() > deadline:
            raise LoaFailed(f"intake was not done after {SEND_S} s")
        await asyncio.sleep(POLL_S)


async def at_once(events: int, one: Callable[[int], Awaitable[None]]) -> float:
    """Seconds until *events* of them are done, CLIENTS at any time."""
    numbers = iter(range(events))

    async def client() -> None:
        for number in numbers:
            await one(number)

    started = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.monotonic() - started


async def publish(server: Server, events: int) -> float:
    """One acknowledged write for each event, as a system does that speaks NATS."""
    body = json.dumps(item("tin", letter.TOPICS[0])).encode()
    subject = subjects.content(letter.UNIT, "submitted")
    async with await Bus.connect(server.nats_url, name="bench") as straight:

        async def one(number: int) -> None:
            await straight.publish(subject, body, msg_id=f"bench-{number}")

        return await at_once(events, one)


async def knock(server: Server, events: int, release: str) -> float:
    """Every client keeps its connection; each event is another item. Raises LoaFailed."""
    senders = list(keyed(await keys(server, release)))
    async with aiohttp.ClientSession() as http:

        async def one(number: int) -> None:
            unit, headers = senders[number % len(senders)]
            event = item(f"tin-{number}", letter.TOPICS[0]) | {"source": f"/units/{unit}"}
            address = f"{server.url}/v1/events"
            async with http.post(address, data=json.dumps(event), headers=headers) as answer:
                if answer.status != 202:
                    raise LoaFailed(f"{answer.status}: {await answer.text()}")
                await answer.read()

        return await at_once(events, one)


def keyed(found: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    for unit, key in found.items():
        yield unit, {"Authorization": f"Bearer {key}", "Content-Type": JSON}


async def keys(server: Server, release: str) -> dict[str, str]:
    """A key for every unit; one has its own already."""
    async with await Bus.connect(server.nats_url, name="bench") as straight:
        await loa.use_key(straight, server.folder)
        registry = UnitRegistry(straight, DEFAULT, time.time)
        others = [unit for unit in UNITS if unit != letter.UNIT]
        added = {unit: await registry.add(unit, release=release) for unit in others}
    return added | {letter.UNIT: server.key}
