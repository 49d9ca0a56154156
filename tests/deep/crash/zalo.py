"""The Zalo sandbox in a process of its own that outlives every kill; it is always noon there.

python -m tests.deep.crash.zalo PORTFILE FOLDER. The portal's web server runs here, too: beside
PORTFILE is `portal.port`, with the address under which Loa's portal can be read. FOLDER/refreshes
has a line for each refresh token that a pair was asked with: the token, and whether it was living.
"""

import asyncio
import socket
import sys
import time
from pathlib import Path

import uvicorn
from aiohttp import web

from channels.portal.http.file_app import portal_app
from sandbox.zalo import server
from sandbox.zalo.api import oauth
from sandbox.zalo.state.journal import Fact, Journal
from sandbox.zalo.state.world import Rules, World
from tests.support.smtp_receiver import announce_and_wait

PLENTY = 100_000


class TimedJournal(Journal):
    """Notes when things really happened: the sandbox's own clock skips the night."""

    def append(self, fact: Fact) -> None:
        super().append(fact | {"real": time.time()})


def note_refreshes(path: Path) -> None:
    """Note every call that brings a refresh token, before it is answered."""
    answer = oauth._refresh_tokens

    def noted(world: World, token: str) -> web.Response:
        with path.open("a") as notes:
            notes.write(f"{token} {token == world.tokens.refresh}\n")
        return answer(world, token)

    oauth._refresh_tokens = noted


async def serve(port_file: Path, folder: Path) -> None:
    web = socket.create_server(("127.0.0.1", 0), backlog=200)
    port_file.with_name("portal.port").write_text(f"http://127.0.0.1:{web.getsockname()[1]}")
    async with asyncio.TaskGroup() as group:
        portal = portal_app(port_file.with_name("data") / "portal")
        config = uvicorn.Config(portal, log_level="critical", lifespan="off")
        serving = group.create_task(uvicorn.Server(config).serve(sockets=[web]))
        await run_sandbox(port_file, folder)
        serving.cancel()


async def run_sandbox(port_file: Path, folder: Path) -> None:
    """Be Zalo until the parent process is gone."""
    folder.mkdir(exist_ok=True)
    (folder / "oa-secret").write_text("sandbox-oa-secret")
    sandbox = await server.start("127.0.0.1", 0, folder)
    sandbox.world.journal = TimedJournal(folder)
    note_refreshes(folder / "refreshes")
    sandbox.world.rules = Rules(
        processing=0, article_quota=PLENTY, broadcast_quota=PLENTY, per_minute=PLENTY
    )
    await announce_and_wait(port_file, sandbox.url)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
