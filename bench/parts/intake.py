"""Events a second at the HTTP door, each on the disk before its answer, beside the bus alone."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp

from bench import bus, letter, loa
from bench.figures import Findings, ratios, typical
from bench.server import JSON, LoaFailed, Server, item
from bench.sizes import Sizes
from contracts import subjects
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.units.registry import UnitRegistry

PART = "intake"
CLIENTS = 16
UNITS = [unit for unit, known in DEFAULT.units.items() if not known.until]
"""All of them send: the door takes 200 events of one unit at once."""
RELAY = 25  # nothing is mailed: only the door runs


def measure(sizes: Sizes) -> Findings:
    """A door of its own for every repetition, whose counters are fresh."""
    doors, alone = [], []
    for number in range(sizes.repetitions):
        with loa.joined(f"{PART}-{number}", RELAY, bus.ALWAYS, ["gateway"]) as server:
            alone.append(sizes.events / asyncio.run(publish(server, sizes.events)))
            doors.append(sizes.events / asyncio.run(knock(server, sizes.events)))
    lines = [
        typical(PART, f"events at the door, {CLIENTS} clients", "/s", doors),
        typical(PART, f"the same straight to the bus, {CLIENTS} at once", "/s", alone),
        typical(PART, "door ÷ bus alone", "x", ratios(doors, alone)),
    ]
    runs = [
        {"part": PART, "door_per_s": d, "bus_per_s": b} for d, b in zip(doors, alone, strict=True)
    ]
    return Findings(lines, runs)


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


async def knock(server: Server, events: int) -> float:
    """Every client keeps its connection; each event is another item. Raises LoaFailed."""
    senders = list(keyed(await keys(server)))
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


async def keys(server: Server) -> dict[str, str]:
    """A key for every unit; one has its own already."""
    async with await Bus.connect(server.nats_url, name="bench") as straight:
        await loa.use_key(straight, server.folder)
        registry = UnitRegistry(straight, DEFAULT, time.time)
        others = [unit for unit in UNITS if unit != letter.UNIT]
        added = {unit: await registry.add(unit, release="desk") for unit in others}
    return added | {letter.UNIT: server.key}
