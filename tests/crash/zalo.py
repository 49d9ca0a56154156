"""The Zalo sandbox in a process of its own that outlives every kill; it is always noon there.

python -m tests.crash.zalo PORTFILE FOLDER
"""

import asyncio
import sys
import time
from pathlib import Path

from channels.zalo.sandbox import server
from channels.zalo.sandbox.journal import Fact, Journal
from channels.zalo.sandbox.world import Rules
from tests.smtp_receiver import stand_by

PLENTY = 100_000


class Timed(Journal):
    """Notes when things really happened: the sandbox's own clock skips the night."""

    def append(self, fact: Fact) -> None:
        super().append(fact | {"real": time.time()})


async def serve(port_file: Path, folder: Path) -> None:
    sandbox = await server.start("127.0.0.1", 0, folder)
    sandbox.world.journal = Timed(folder)
    sandbox.world.rules = Rules(
        processing=0, article_quota=PLENTY, broadcast_quota=PLENTY, per_minute=PLENTY
    )
    await stand_by(port_file, sandbox.url)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
