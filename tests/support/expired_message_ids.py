"""A stream that has forgotten its message ids, as it does ten minutes later."""

import asyncio
from itertools import count

from nats.js.errors import APIError

from producers.bus import Bus

WINDOW_NS = 100_000_000
LOOKS, PAUSE_S = 25, 0.02
WRONG_LAST_ID = 10070


async def expire_message_ids(bus: Bus, stream: str) -> None:
    """Shorten its window and wait until the id of its newest message is forgotten.

    Now and then the server goes on with the timer of the old window; another window sets it anew.
    """
    info = await bus.stream_info(stream)
    newest = await bus.js.get_msg(stream, info["state"]["last_seq"])
    msg_id = (newest.headers or {})["Nats-Msg-Id"]
    for number in count():
        config = info["config"] | {"duplicate_window": WINDOW_NS + number}
        await bus.connection.api_request(f"STREAM.UPDATE.{stream}", config)
        for _ in range(LOOKS):
            if not await _known(bus, str(newest.subject), msg_id):
                return
            await asyncio.sleep(PAUSE_S)


async def _known(bus: Bus, subject: str, msg_id: str) -> bool:
    """Ask with a message that can't be stored: what is known is acknowledged all the same."""
    impossible = {"Nats-Msg-Id": msg_id, "Nats-Expected-Last-Msg-Id": "of nobody"}
    try:
        return bool((await bus.js.publish(subject, b"", headers=impossible)).duplicate)
    except APIError as error:
        assert error.err_code == WRONG_LAST_ID, error
        return False
