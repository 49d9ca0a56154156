"""The sandbox's own controls under `/_sandbox`: faults, clock, switches, what happened."""

from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from channels.zalo.sandbox.clock import SettableClock
from channels.zalo.sandbox.faults import FAULTS, Fault
from channels.zalo.sandbox.messages import DELIVERY_S
from channels.zalo.sandbox.oauth import new_pair
from channels.zalo.sandbox.wire import WORLD
from channels.zalo.sandbox.world import Item, Rules, Sent, World

CLOCK = web.AppKey("clock", SettableClock)
BAD_REQUEST = 400


class Moment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    now: datetime


M = TypeVar("M", bound=BaseModel)


async def read(request: web.Request, model: type[M]) -> M:
    """The body as *model*, or 400 with what is wrong."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        wrong = error.json(include_url=False, include_context=False)
        raise web.HTTPBadRequest(text=wrong, content_type="application/json") from error


async def add_fault(request: web.Request) -> web.Response:
    fault = await read(request, Fault)
    request.app[FAULTS].planned.append(fault)
    return web.json_response(fault.model_dump(mode="json"))


async def clear_faults(request: web.Request) -> web.Response:
    request.app[FAULTS].planned.clear()
    return web.json_response({})


async def set_clock(request: web.Request) -> web.Response:
    moment = await read(request, Moment)
    request.app[CLOCK].set(moment.now.timestamp())
    return web.json_response({"now": moment.now.isoformat()})


async def set_rules(request: web.Request) -> web.Response:
    """Change some switches; the others stay."""
    world = request.app[WORLD]
    wanted = (await read(request, Rules)).model_dump(exclude_unset=True)
    world.rules = world.rules.model_copy(update=wanted)
    return web.json_response(world.rules.model_dump(mode="json"))


async def grant(request: web.Request) -> web.Response:
    """A token pair, as a person would paste it from Zalo's API Explorer."""
    return web.json_response(new_pair(request.app[WORLD]))


async def state(request: web.Request) -> web.Response:
    return web.json_response(summary(request.app[WORLD]))


async def effects(request: web.Request) -> web.Response:
    text = request.app[WORLD].journal.path.read_text("utf-8")
    return web.Response(text=text, content_type="application/x-ndjson")


def summary(world: World) -> dict[str, Any]:
    """What a follower would see, newest first."""
    items = sorted(world.articles.values(), key=lambda item: -item.created)
    return {
        "now": world.clock(),
        "articles": [article(item) for item in items],
        "broadcasts": [broadcast(sent, world) for sent in reversed(world.broadcasts)],
    }


def article(item: Item) -> dict[str, Any]:
    return {"created": item.created, "updated": item.updated, **item.payload, "id": item.id}


def broadcast(sent: Sent, world: World) -> dict[str, Any]:
    delivered = world.clock() >= sent.at + DELIVERY_S
    return {"id": sent.id, "at": sent.at, "articles": sent.articles, "delivered": delivered}
