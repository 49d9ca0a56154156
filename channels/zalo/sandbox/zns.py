"""Template messages: by phone, by the hash of a phone, by user id."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.hours import broadcasting
from channels.zalo.sandbox import blanks, consult, recipients
from channels.zalo.sandbox.hooks import millis
from channels.zalo.sandbox.oauth import OA_ID
from channels.zalo.sandbox.people import Person
from channels.zalo.sandbox.shelf import Template
from channels.zalo.sandbox.talk import PROMOTION, Message
from channels.zalo.sandbox.wire import WORLD, Refusal, body_of, ok
from channels.zalo.sandbox.world import World

TRACKING = re.compile(r"[\w.-]{1,48}", re.ASCII)
NORMAL, OVER_QUOTA = "1", "3"
DEVELOPMENT = "development"
YEAR_S = 365 * 86400.0
UNUSABLE = {
    "PENDING_REVIEW": (-131, "Template is not approved"),
    "REJECT": (-131, "Template is not approved"),
    "DISABLE": (-146, "Template is disabled because of low quality"),
    "DELETE": (-109, "Template id is invalid"),
}


@dataclass(frozen=True)
class Order:
    """One template message that somebody wants sent."""

    template: Template
    data: dict[str, str]
    tracking_id: str
    mode: str  # Zalo's sending_mode
    development: bool


async def by_phone(request: web.Request) -> web.Response:
    """`/message/template`."""
    world, body = request.app[WORLD], await zns_body(request)
    phone = recipients.phone(body.get("phone"))
    return send(world, body, phone, world.people.with_phone(phone))


async def by_hash(request: web.Request) -> web.Response:
    """`/message/template/hashphone`: the sha256 of a phone in the form `84...`."""
    world, body = request.app[WORLD], await zns_body(request)
    digest = recipients.digest(body.get("hash_phone"))
    return send(world, body, digest, world.people.with_hash(digest))


async def zns_body(request: web.Request) -> dict[str, Any]:
    if not await request.read():
        raise Refusal(-121, "Body is empty")
    try:
        return await body_of(request)
    except Refusal as refusal:
        raise Refusal(-122, "Body is not in JSON format") from refusal


def send(world: World, body: Mapping[str, Any], phone: str, person: Person | None) -> web.Response:
    """Everything that may stand in the way, in the order in which it is looked at."""
    may_send(world)
    order = read(world, body)
    recipients.may_get(world, person, order.template, order.development)
    if not order.development:
        within_quotas(world, order, phone)
    affordable(world, order)
    message = write(world, order, phone=phone, person=person, via="phone")
    return ok(said(world, message, order))


def may_send(world: World) -> None:
    rules = world.rules
    if not rules.zns_allowed:
        raise Refusal(-135, "OA does not have permission to send ZNS")
    if rules.zns_blocked:
        raise Refusal(-1351, "OA is blocked from sending ZNS because of violations")
    if not rules.zca_linked:
        raise Refusal(-136, "Need to connect with ZCA to send ZNS")


def read(world: World, body: Mapping[str, Any]) -> Order:
    development = body.get("mode") == DEVELOPMENT
    template = usable(world, body.get("template_id"), development)
    values = blanks.check(template, body.get("template_data"))
    tracking_id = str(body.get("tracking_id", ""))
    if tracking_id and not TRACKING.fullmatch(tracking_id):
        raise Refusal(-132, "tracking_id is invalid")
    mode = sending_mode(world, str(body.get("sending_mode", NORMAL)), template)
    return Order(template, values, tracking_id, mode, development)


def usable(world: World, id: object, development: bool) -> Template:
    """A template that is not approved can be tried out in development mode."""
    template = world.shelf.templates.get(str(id))
    if template is None or template.status == "DELETE":
        raise Refusal(-109, "Template id is invalid")
    if template.status in UNUSABLE and not development:
        raise Refusal(*UNUSABLE[template.status])
    if template.day_only and recipients.night(world.clock()):
        raise Refusal(-133, "This template cannot be sent at night (10:00PM-6:00AM)")
    return template


def sending_mode(world: World, mode: str, template: Template) -> str:
    if mode not in (NORMAL, OVER_QUOTA):
        raise Refusal(-132, "sending_mode is invalid")
    if mode == OVER_QUOTA and not world.rules.whitelisted:
        raise Refusal(-161, "OA is not allowed to use this sending_mode")
    if mode == OVER_QUOTA and template.tag != PROMOTION:
        raise Refusal(-162, "sending_mode 3 does not support this template tag")
    return mode


def within_quotas(world: World, order: Order, phone: str) -> None:
    sent, rules, template = world.talk.sent, world.rules, order.template
    day, month = recipients.spans(world.clock())
    if order.mode == NORMAL and sent["template", day] >= rules.daily_quota:
        raise Refusal(-144, "OA has exceeded its daily ZNS limit")
    limit = template.daily_limit
    if limit is not None and sent["template", template.id, day] >= limit:
        raise Refusal(-147, "Template has exceeded its daily limit")
    if template.tag != PROMOTION:
        return
    if order.mode == NORMAL and sent["promotion", month] >= rules.monthly_promotions:
        raise Refusal(-1441, "OA has exceeded its monthly promotion limit")
    if sent["promotion", phone, month] >= rules.personal_promotions:
        raise Refusal(-1471, "User has received too many promotion messages this month")
    if sent["promotion", phone, day] >= rules.daily_promotions:
        raise Refusal(-1472, "User has received too many promotion messages today")


def affordable(world: World, order: Order) -> None:
    if world.talk.left(order.development) >= order.template.price_sdt:
        return
    if order.development:
        raise Refusal(-126, "Development wallet is out of quota")
    words = {-115: "Account balance is out of quota", -137: "ZCA charge failed"}
    raise Refusal(world.rules.balance_code, words[world.rules.balance_code])


def write(world: World, order: Order, *, phone: str, person: Person | None, via: str) -> Message:
    """Take it on. The same tracking_id once more is one more message."""
    template = order.template
    id = token_hex(16)
    message = {
        "id": id,
        "user_id": person.user_id if person is not None else "",
        "phone": phone,
        "sort": "template",
        "content": shown(template, order.data),
        "price": template.price_sdt if via == "phone" else template.price_uid,
        "template_id": template.id,
        "tag": template.tag,
        "tracking_id": order.tracking_id,
        "development": order.development,
        "via": via,
    }
    world.record("template_sent", message=message)
    return world.talk.messages[id]


def shown(template: Template, values: Mapping[str, str]) -> dict[str, Any]:
    text = blanks.filled(template, values)
    return {"title": template.title, "text": text, "buttons": list(template.buttons)}


def said(world: World, message: Message, order: Order) -> dict[str, Any]:
    """Numbers are text here, and numbers in `/message/quota`."""
    day, _ = recipients.spans(world.clock())
    left = world.rules.daily_quota - world.talk.sent["template", day]
    return {
        "msg_id": message.id,
        "sent_time": millis(message.at),
        "sending_mode": order.mode,
        "quota": {"dailyQuota": str(world.rules.daily_quota), "remainingQuota": str(max(0, left))},
    }


async def by_user_id(request: web.Request) -> web.Response:
    """`/v3.0/oa/message/template`: no tracking_id; the answer's message_id is the only key."""
    world, body = request.app[WORLD], await body_of(request)
    consult.paid_package(world)
    if not world.rules.uid_templates:
        raise Refusal(-235, "This API does not support this type of OA")
    person = consult.known(world, str(body.get("user_id", "")))
    order = read(world, {name: body.get(name) for name in ("template_id", "template_data")})
    if not order.template.by_uid:
        raise Refusal(-249, "Template does not support send via UID")
    near_enough(world, person, order.template)
    consult.affordable(world, order.template.price_uid)
    message = write(world, order, phone="", person=person, via="uid")
    return uid_answer(world, message)


def near_enough(world: World, person: Person, template: Template) -> None:
    """A year's interaction for news about one's own affairs; to follow, for promotions."""
    consult.refuse_for(person)
    if template.tag == PROMOTION:
        if not person.follower:
            raise Refusal(-213, "User has not followed OA")
        if not broadcasting(world.clock()):
            raise Refusal(-234, "cannot be sent at night (10:00PM-6:00AM)")
        return
    last = person.last_interaction
    if last is None or world.clock() - last >= YEAR_S:
        raise Refusal(-232, "User has not interacted with OA or last interaction was expired")


def uid_answer(world: World, message: Message) -> web.Response:
    quota = {"quota_type": "purchase_quota", "owner_type": "OA", "owner_id": OA_ID}
    data: dict[str, Any] = {
        "message_id": message.id,
        "user_id": message.user_id,
        "quota": quota,
    }
    time = {"sent_time": millis(message.at)}
    if world.rules.sent_time_on_top:
        return web.json_response({"error": 0, "message": "Success", "data": data, **time})
    return ok(data | time)
