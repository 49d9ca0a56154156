"""Controls under `/_sandbox`: faults, clock, rules, templates, balance, state."""

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from channels.zalo.stand_in import OA_ID
from sandbox.zalo.api.oauth import new_pair
from sandbox.zalo.controls.faults import FAULTS, Fault
from sandbox.zalo.controls.request_models import bad_request, parse_request
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.scheduler import SCHEDULER
from sandbox.zalo.state.clock import SettableClock
from sandbox.zalo.state.rules import Rules
from sandbox.zalo.state.templates import Template
from sandbox.zalo.state.world import StoredArticle, StoredBroadcast, World
from sandbox.zalo.webhooks import events

CLOCK = web.AppKey("clock", SettableClock)


class ControlRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClockRequest(ControlRequest):
    now: datetime


class BalanceRequest(ControlRequest):
    """The balance in đồng."""

    balance: int


async def add_fault(request: web.Request) -> web.Response:
    """Plan a fault of calls of a route, by its name; 400 for a name that no route has."""
    fault = await parse_request(request, Fault)
    routes = sorted(request.app.router.named_resources())
    if fault.route not in routes:
        raise bad_request(f"no route is named {fault.route}; known: {', '.join(routes)}")
    request.app[FAULTS].planned.append(fault)
    return web.json_response(fault.model_dump(mode="json"))


async def clear_faults(request: web.Request) -> web.Response:
    request.app[FAULTS].planned.clear()
    return web.json_response({})


async def set_clock(request: web.Request) -> web.Response:
    """Set the clock. Work that is due by then happens before the next call."""
    moment, clock = await parse_request(request, ClockRequest), request.app[CLOCK]
    clock.set(moment.now.timestamp())
    request.app[WORLD].record("clock_set", offset_s=clock.offset_s)
    return web.json_response({"now": moment.now.isoformat()})


async def set_rules(request: web.Request) -> web.Response:
    """Change some rules; the others stay."""
    world = request.app[WORLD]
    changes = (await parse_request(request, Rules)).model_dump(mode="json", exclude_unset=True)
    before = world.rules.daily_quota
    world.record("rules_set", rules=changes)
    if world.rules.daily_quota != before:
        quota = {"prev_value": str(before), "new_value": str(world.rules.daily_quota)}
        body = {"oaId": OA_ID, "quota": quota}
        events.raise_event(world, "change_oa_daily_quota", body, events.ZNS_SERVER)
    return web.json_response(world.rules.model_dump(mode="json"))


async def set_template(request: web.Request) -> web.Response:
    """Add a template or change one; the app gets an event about the change."""
    world, template = request.app[WORLD], await parse_request(request, Template)
    before = world.templates.templates.get(template.id)
    world.record("template_set", template=template.model_dump(mode="json"))
    if before is not None:
        _raise_template_events(world, before, template)
    return web.json_response(template.model_dump(mode="json"))


def _raise_template_events(world: World, before: Template, now: Template) -> None:
    about: dict[str, Any] = {"oa_id": OA_ID, "template_id": now.id}
    if before.status != now.status:
        status = {"prev_status": before.status, "new_status": now.status}
        news = about | {"status": status, "reason": ""}
        events.raise_event(world, "change_template_status", news, events.ZNS_SERVER)
    if before.quality != now.quality:
        better = about | {"quality": now.quality}
        events.raise_event(world, "change_template_quality", better, events.ZNS_SERVER)


async def set_balance(request: web.Request) -> web.Response:
    world, changes = request.app[WORLD], await parse_request(request, BalanceRequest)
    world.record("balance_set", balance=changes.balance)
    return web.json_response({"balance": changes.balance})


async def grant(request: web.Request) -> web.Response:
    """A token pair, like one pasted from Zalo's API Explorer."""
    return web.json_response(new_pair(request.app[WORLD]))


async def run_due(request: web.Request) -> web.Response:
    """Wait until all due work has happened; returns the webhook attempts."""
    attempts = await request.app[SCHEDULER].catch_up()
    return web.json_response([vars(attempt) for attempt in attempts])


async def state(request: web.Request) -> web.Response:
    return web.json_response(state_summary(request.app[WORLD]))


async def effects(request: web.Request) -> web.Response:
    text = request.app[WORLD].journal.path.read_text("utf-8")
    return web.Response(text=text, content_type="application/x-ndjson")


def state_summary(world: World) -> dict[str, Any]:
    """The state of the sandbox, newest first."""
    items = sorted(world.articles.values(), key=lambda item: -item.created)
    return {
        "now": world.clock(),
        "articles": [_article_state(item) for item in items],
        "broadcasts": [_broadcast_state(sent, world) for sent in reversed(world.broadcasts)],
        "messages": [vars(one) for one in reversed(world.conversations.messages.values())],
        "people": [vars(one) for one in world.people.by_id.values()],
        "money": {"balance": world.conversations.balance},
    }


def _article_state(item: StoredArticle) -> dict[str, Any]:
    return {"created": item.created, "updated": item.updated, **item.payload, "id": item.id}


def _broadcast_state(sent: StoredBroadcast, world: World) -> dict[str, Any]:
    is_due = world.clock() >= sent.at + world.rules.delivery_s
    delivered = is_due or sent.delivered is not None  # the clock goes back in the evening
    seen = {"id": sent.id, "at": sent.at, "articles": sent.articles, "delivered": delivered}
    return seen | {"users": sent.users}
