"""Sends the event in a file the way a Python system does; needs `loa-client` and nothing else.

    python publish.py NATS_URL van-phong-bo first-event.json

`var/run/ready.json` says where the bus of a running Loa listens (`nats_url`). While it is away the
event is kept in the folder `spool`; the next run sends it first.
"""

import asyncio
import sys
from pathlib import Path

import structlog

from contracts.cloudevent import CloudEvent
from contracts.envelope import from_structured
from contracts.errors import ContractError
from producers.publisher import Accepted, Publisher, Spooled

USAGE = "usage: publish.py NATS_URL UNIT FILE\n"
WORDS = 3


async def send(url: str, unit: str, event: CloudEvent) -> Accepted | Spooled:
    async with Publisher(url, unit, spool=Path("spool")) as publisher:
        return await publisher.publish(event)


def main(words: list[str]) -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if len(words) != WORDS:
        sys.stderr.write(USAGE)
        return 2
    url, unit, file = words
    try:
        body = Path(file).read_bytes()
    except OSError as trouble:
        sys.stderr.write(f"{trouble}\n{USAGE}")
        return 2
    try:
        answer = asyncio.run(send(url, unit, from_structured(body)))
    except ContractError as refused:
        for error in refused.errors:
            sys.stderr.write(f"{error.field}: {error.message}\n{error.field}: {error.message_vi}\n")
        return 2
    sys.stdout.write(f"{answer}\n")
    return 3 if isinstance(answer, Spooled) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
