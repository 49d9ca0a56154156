"""The webhook's page of the console: address, switch, probe, and what is on its way."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from channels.zalo.sandbox.asked import impossible, read
from channels.zalo.sandbox.heart import HEART
from channels.zalo.sandbox.wire import WORLD
from channels.zalo.sandbox.world import World


class Address(BaseModel):
    """Where events go; empty: nowhere."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")]


async def subscribe(request: web.Request) -> web.Response:
    world, wanted = request.app[WORLD], await read(request, Address)
    world.record("webhook_set", url=wanted.url)
    return shown(world)


async def enable(request: web.Request) -> web.Response:
    """By hand, after Zalo gave up; what was lost meanwhile stays lost."""
    world = request.app[WORLD]
    if not world.events.url:
        raise impossible("no address is set")
    world.record("webhook_enabled")
    return shown(world)


async def show(request: web.Request) -> web.Response:
    return shown(request.app[WORLD])


async def probe(request: web.Request) -> web.Response:
    """As the console does before it takes an address: both have to be answered with 200."""
    if not request.app[WORLD].events.url:
        raise impossible("no address is set")
    said = await request.app[HEART].postman.probe()
    return web.json_response(said | {"accepted": set(said.values()) == {200}})


def shown(world: World) -> web.Response:
    waiting = [vars(event) for event in world.events.waiting.values()]
    state = {"url": world.events.url, "enabled": world.events.enabled, "waiting": waiting}
    return web.json_response(state)
