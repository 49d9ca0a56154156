"""The system of the sample's unit: a receiver on this machine that takes every callback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from yarl import URL

_HOST, _PATH = "127.0.0.1", "/loa"


@asynccontextmanager
async def open_receiver() -> AsyncIterator[URL]:
    """Take callbacks at a free port of this machine; yields the address."""
    app = web.Application()
    app.router.add_post(_PATH, _take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, 0).start()
        yield URL.build(scheme="http", host=_HOST, port=runner.addresses[0][1], path=_PATH)
    finally:
        await runner.cleanup()


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=HTTPStatus.NO_CONTENT)


def is_receiver(url: str) -> bool:
    """Whether *url* is the receiver's address, be it in an earlier run."""
    named = URL(url)
    return (named.host, named.path) == (_HOST, _PATH)
