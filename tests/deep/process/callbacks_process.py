"""The callbacks of a test's bus, in a process that the test kills."""

import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path

from channels.fetch.url_policy import parse_policy
from channels.fetch.webhook import WebhookClient
from consumers.callbacks import delivery
from consumers.callbacks.attempt_log import AttemptLog
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.sender import CallbackSender
from consumers.callbacks.service import CallbackService
from consumers.callbacks.status_store import StatusStore
from consumers.key_file import KeyFile
from producers.bus import Bus

delivery.LEASE = timedelta(seconds=1)
"""So that the next process need not wait for long."""


async def main(url: str, key: str, allowed: str) -> None:
    async with await Bus.connect(url) as bus:
        store, cipher = EndpointStore(bus), EndpointCipher(KeyFile.open(Path(key)).derive)
        sender = CallbackSender(WebhookClient(parse_policy(allowed)), cipher, time.time)
        parts = StatusStore(bus), store, sender, AttemptLog(bus)
        await CallbackService(*parts, time.time).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
