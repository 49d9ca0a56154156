"""Sends the event in a file the way a Python system does; needs `loa-client` and nothing else.

    python publish.py nats://127.0.0.1:4222 van-phong-bo first-event.json

While the bus is away the event is kept in the folder `spool`; the next run sends it first.
"""

import asyncio
import json
import sys
from pathlib import Path

import structlog

from contracts.errors import ContractError
from producers.publisher import Accepted, Publisher, Spooled


async def send(url: str, unit: str, body: str) -> Accepted | Spooled:
    event = json.loads(body)
    async with Publisher(url, unit, spool=Path("spool")) as publisher:
        return await publisher.publish(event)


def main(url: str, unit: str, file: str) -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        answer = asyncio.run(send(url, unit, Path(file).read_text("utf-8")))
    except ContractError as refused:
        for error in refused.errors:
            sys.stderr.write(f"{error.field}: {error.message}\n{error.field}: {error.message_vi}\n")
        return 2
    sys.stdout.write(f"{answer}\n")
    return 3 if isinstance(answer, Spooled) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
