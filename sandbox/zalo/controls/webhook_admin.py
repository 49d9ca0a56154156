"""Webhook controls, as in Zalo's console: address, switch, probe, waiting events."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sandbox.zalo.controls.request_models import bad_request, parse_request
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.scheduler import SCHEDULER
from sandbox.zalo.state.world import World


class WebhookAddress(BaseModel):
    """The address for events; empty for none."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")]


async def subscribe(request: web.Request) -> web.Response:
    """Set the address, if the sandbox may call it."""
    world, address = request.app[WORLD], await parse_request(request, WebhookAddress)
    if address.url and not request.app[SCHEDULER].sender.allowed.allow(address.url):
        raise bad_request("only Loa's own webhook, or an address of this machine")
    world.record("webhook_set", url=address.url)
    return _webhook_state(world)


async def enable(request: web.Request) -> web.Response:
    """Enable the webhook by hand after it was given up; lost events stay lost."""
    world = request.app[WORLD]
    if not world.webhook_queue.url:
        raise bad_request("no address is set")
    world.record("webhook_enabled")
    return _webhook_state(world)


async def show(request: web.Request) -> web.Response:
    return _webhook_state(request.app[WORLD])


async def probe(request: web.Request) -> web.Response:
    """Probe the address as the console does: both requests need the answer 200."""
    if not request.app[WORLD].webhook_queue.url:
        raise bad_request("no address is set")
    statuses = await request.app[SCHEDULER].sender.probe()
    return web.json_response(statuses | {"accepted": set(statuses.values()) == {200}})


def _webhook_state(world: World) -> web.Response:
    waiting = [vars(event) for event in world.webhook_queue.waiting.values()]
    state = {
        "url": world.webhook_queue.url,
        "enabled": world.webhook_queue.enabled,
        "waiting": waiting,
    }
    return web.json_response(state)
