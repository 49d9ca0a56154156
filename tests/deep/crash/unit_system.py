"""A unit's system that takes callbacks, in a process of its own that outlives every kill.

    python -m tests.deep.crash.unit_system PORTFILE RECORD

It refuses every fifth callback that it has not met before. RECORD has a line per callback that it
took.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.support.callback_receiver import CallbackReceiver, open_receiver
from tests.support.smtp_receiver import announce_and_wait

_REFUSED_EVERY = 5


@dataclass
class UnreliableSystem(CallbackReceiver):
    """Notes a callback before it is answered."""

    notes: Path = field(kw_only=True)

    async def take(self, request: web.Request) -> web.StreamResponse:
        id = request.headers["webhook-id"]
        if id not in self.tried and len(self.tried) % _REFUSED_EVERY == _REFUSED_EVERY - 1:
            self.tried[id] += 1
            return web.Response(status=500)
        answer = await super().take(request)
        if answer.status == web.HTTPNoContent.status_code:
            with self.notes.open("a") as file:
                file.write(json.dumps(id) + "\n")
        return answer


async def serve(port_file: Path, record: Path) -> None:
    async with open_receiver(system=UnreliableSystem(is_secure=False, notes=record)) as receiver:
        await announce_and_wait(port_file, receiver.url)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
