"""Sends the event in a file over NATS; needs `loa-client` alone, from the file of Loa's release.

    pip install ./loa_client-0.2.0-py3-none-any.whl
    LOA_NATS_URL=nats://... LOA_NATS_NKEY_FILE=unit.nk python publish.py van-phong-bo event.json

The file holds the unit's key for the bus, as `loa units bus-key` writes it. While the bus is away
the event is kept in the folder `spool`; the next run sends it first.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import structlog

from loa_client import (
    Accepted,
    Access,
    CloudEvent,
    ContractError,
    Publisher,
    Spooled,
    from_structured,
)

USAGE = "usage: LOA_NATS_URL=nats://... publish.py UNIT FILE\n"
WORDS = 2


def read_access() -> Access:
    """The unit's key. Raises Invalid, naming the variable and the file, for one of no use."""
    key_file = os.environ.get("LOA_NATS_NKEY_FILE")
    access = Access(nkey_file=Path(key_file) if key_file else None)
    access.check(datetime.now(UTC))
    return access


async def send(publisher: Publisher, event: CloudEvent) -> Accepted | Spooled:
    async with publisher:
        answer = await publisher.publish(event)
    if publisher.refusal:  # the server refuses the key, or a right to events that still wait
        sys.stderr.write(f"{publisher.refusal.variable}: {publisher.refusal}\n")
    return answer


def main(words: list[str]) -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return publish(words, read_access())
    except ContractError as refused:
        for error in refused.errors:
            sys.stderr.write(f"{error.field}: {error.message}\n{error.field}: {error.message_vi}\n")
        return 2


def publish(words: list[str], access: Access) -> int:
    """The exit code. Raises ContractError for an event or a right that is refused."""
    url = os.environ.get("LOA_NATS_URL")
    if len(words) != WORDS or not url:
        sys.stderr.write(USAGE)
        return 2
    unit, file = words
    try:
        body = Path(file).read_bytes()
    except OSError as trouble:
        sys.stderr.write(f"{trouble}\n{USAGE}")
        return 2
    publisher = Publisher(url, unit, spool=Path("spool"), access=access)
    answer = asyncio.run(send(publisher, from_structured(body)))
    sys.stdout.write(f"{answer}\n")
    return 3 if isinstance(answer, Spooled) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
