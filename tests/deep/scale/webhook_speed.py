"""How long Zalo waits for its answer: signed events to a webhook in a process of its own.

python -m tests.deep.scale.webhook_speed --events 2000 --at-once 1

Each event is on the disk (sync_interval: always) before the answer; prints the spread of the times.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import structlog
import uvicorn

from channels.zalo.webhook import endpoint
from channels.zalo.webhook.signature import HEADER
from consumers.zalo.event_publisher import ZaloEventPublisher
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from tests.support.zalo_webhook import SIGNING, event_bytes, signature_of, text_event

WARM_UP = 100
NATS = "WEBHOOK_SPEED_NATS"


async def serve(url: str) -> None:
    """The webhook alone; says on its output where it answers."""
    async with await Bus.connect(url) as bus:
        app = endpoint.create_app(ZaloEventPublisher(bus).publish, SIGNING)
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await serving


async def post_event(http: aiohttp.ClientSession, url: str, number: int) -> float:
    """Seconds until the answer to one event."""
    body = event_bytes(text_event(f"m-{number}"))
    started = time.perf_counter()
    async with http.post(url, data=body, headers={HEADER: f"mac={signature_of(body)}"}) as answer:
        assert answer.status == 200, answer.status
        await answer.read()
    return time.perf_counter() - started


async def measure(url: str, events: int, at_once: int) -> list[float]:
    took: list[float] = []
    numbers = iter(range(events + WARM_UP))

    async def caller(http: aiohttp.ClientSession) -> None:
        for number in numbers:
            took.append(await post_event(http, url, number))

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(caller(http) for _ in range(at_once)))
    return took[WARM_UP:]


async def run(events: int, at_once: int) -> list[float]:
    with tempfile.TemporaryDirectory() as place:
        async with NatsServer(Path(place) / "nats") as server:
            async with await Bus.connect(server.url) as bus:
                await topology.apply(bus)
            environ = os.environ | {NATS: server.url}
            command = [sys.executable, "-m", "tests.deep.scale.webhook_speed"]
            with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as child:
                try:
                    assert child.stdout
                    port = await asyncio.to_thread(child.stdout.readline)
                    url = f"http://127.0.0.1:{port.strip()}{endpoint.PATH}"
                    return await measure(url, events, at_once)
                finally:
                    child.kill()


def print_times(took: list[float], at_once: int) -> None:
    cuts = [cut * 1000 for cut in statistics.quantiles(took, n=1000, method="inclusive")]
    named = {"p50": cuts[499], "p90": cuts[899], "p99": cuts[989], "p99.9": cuts[998]}
    spread = {"min": min(took) * 1000, **named, "max": max(took) * 1000}
    shown = " ".join(f"{name}={value:.1f}" for name, value in spread.items())
    sys.stdout.write(f"n={len(took)} at once={at_once} {shown} ms\n")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if NATS in os.environ:
        asyncio.run(serve(os.environ[NATS]))
        sys.exit()
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=1)
    said = parser.parse_args()
    print_times(asyncio.run(run(said.events, said.at_once)), said.at_once)
