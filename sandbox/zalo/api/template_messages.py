"""Template messages: by phone or by user id."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from aiohttp import web

from channels.zalo.clock import is_broadcast_time
from channels.zalo.stand_in import OA_ID
from sandbox.zalo.api import direct_messages, template_params, template_recipients
from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD, ok, read_body
from sandbox.zalo.state.conversations import PROMOTION, Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.templates import Template
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks.events import milliseconds

_TRACKING = re.compile(r"[\w.-]{1,48}", re.ASCII)
_NORMAL_MODE = "1"
_YEAR_S = 365 * 86400.0
_UNUSABLE = {
    "PENDING_REVIEW": (-131, "Template is not approved"),
    "REJECT": (-131, "Template is not approved"),
    "DISABLE": (-146, "Template is disabled because of low quality"),
    "DELETE": (-109, "Template id is invalid"),
}


@dataclass(frozen=True)
class TemplateOrder:
    """A template message to be sent."""

    template: Template
    data: dict[str, str]
    tracking_id: str


async def send_by_phone(request: web.Request) -> web.Response:
    """`/message/template`."""
    world, body = request.app[WORLD], await _read_template_body(request)
    phone = template_recipients.parse_phone(body.get("phone"))
    return _send(world, body, phone, world.people.with_phone(phone))


async def _read_template_body(request: web.Request) -> dict[str, Any]:
    if not await request.read():
        raise ApiError(-121, "Body is empty")
    try:
        return await read_body(request)
    except ApiError as refusal:
        raise ApiError(-122, "Body is not in JSON format") from refusal


def _send(world: World, body: Mapping[str, Any], phone: str, person: Person | None) -> web.Response:
    """Send a message after all checks, in Zalo's order."""
    if not world.rules.zca_linked:
        raise ApiError(-136, "Need to connect with ZCA to send ZNS")
    order = _parse_order(world, body)
    template_recipients.check_recipient(world, person)
    _check_quotas(world, order.template)
    if world.conversations.available_balance() < order.template.price_sdt:
        raise ApiError(-115, "Account balance is out of quota")
    message = _record_message(world, order, phone=phone, person=person, via="phone")
    return ok(_phone_response(world, message))


def _parse_order(world: World, body: Mapping[str, Any]) -> TemplateOrder:
    template = _usable_template(world, body.get("template_id"))
    values = template_params.check_values(template, body.get("template_data"))
    tracking_id = str(body.get("tracking_id", ""))
    if tracking_id and not _TRACKING.fullmatch(tracking_id):
        raise ApiError(-132, "tracking_id is invalid")
    if str(body.get("sending_mode", _NORMAL_MODE)) != _NORMAL_MODE:
        raise ApiError(-132, "sending_mode is invalid")
    return TemplateOrder(template, values, tracking_id)


def _usable_template(world: World, id: object) -> Template:
    template = world.templates.templates.get(str(id))
    if template is None:
        raise ApiError(*_UNUSABLE["DELETE"])
    if template.status in _UNUSABLE:
        raise ApiError(*_UNUSABLE[template.status])
    if template.day_only and template_recipients.is_night(world.clock()):
        raise ApiError(-133, "This template cannot be sent at night (10:00PM-6:00AM)")
    return template


def _check_quotas(world: World, template: Template) -> None:
    sent, rules = world.conversations.sent, world.rules
    day, month = template_recipients.quota_periods(world.clock())
    if sent["template", day] >= rules.daily_quota:
        raise ApiError(-144, "OA has exceeded its daily ZNS limit")
    limit = template.daily_limit
    if limit is not None and sent["template", template.id, day] >= limit:
        raise ApiError(-147, "Template has exceeded its daily limit")
    if template.tag == PROMOTION and sent["promotion", month] >= rules.monthly_promotions:
        raise ApiError(-1441, "OA has exceeded its monthly promotion limit")


def _record_message(
    world: World, order: TemplateOrder, *, phone: str, person: Person | None, via: str
) -> Message:
    """Record the message. A repeated tracking_id makes one more message."""
    template = order.template
    id = token_hex(16)
    message = {
        "id": id,
        "user_id": person.user_id if person is not None else "",
        "phone": phone,
        "sort": "template",
        "content": _message_content(template, order.data),
        "price": template.price_sdt if via == "phone" else template.price_uid,
        "template_id": template.id,
        "tag": template.tag,
        "tracking_id": order.tracking_id,
        "via": via,
    }
    world.record("template_sent", message=message)
    return world.conversations.messages[id]


def _message_content(template: Template, values: Mapping[str, str]) -> dict[str, Any]:
    text = template_params.fill_text(template, values)
    return {"title": template.title, "text": text, "buttons": list(template.buttons)}


def _phone_response(world: World, message: Message) -> dict[str, Any]:
    """The answer; its numbers are text here, and numbers in `/message/quota`."""
    day, _ = template_recipients.quota_periods(world.clock())
    left = world.rules.daily_quota - world.conversations.sent["template", day]
    return {
        "msg_id": message.id,
        "sent_time": milliseconds(message.at),
        "sending_mode": _NORMAL_MODE,
        "quota": {"dailyQuota": str(world.rules.daily_quota), "remainingQuota": str(max(0, left))},
    }


async def send_by_user_id(request: web.Request) -> web.Response:
    """`/v3.0/oa/message/template`: without tracking_id; the message_id alone identifies it."""
    world, body = request.app[WORLD], await read_body(request)
    direct_messages.require_paid_package(world)
    if not world.rules.uid_templates:
        raise ApiError(-235, "This API does not support this type of OA")
    person = direct_messages.find_person(world, str(body.get("user_id", "")))
    order = _parse_order(world, {name: body.get(name) for name in ("template_id", "template_data")})
    if not order.template.by_uid:
        raise ApiError(-249, "Template does not support send via UID")
    _check_interaction(world, person, order.template)
    direct_messages.check_balance(world, order.template.price_uid)
    message = _record_message(world, order, phone="", person=person, via="uid")
    return _user_id_response(world, message)


def _check_interaction(world: World, person: Person, template: Template) -> None:
    """Require an interaction within a year; for promotions, a follower."""
    direct_messages.check_person(person)
    if template.tag == PROMOTION:
        if not person.follower:
            raise ApiError(-213, "User has not followed OA")
        if not is_broadcast_time(world.clock()):
            raise ApiError(-234, "cannot be sent at night (10:00PM-6:00AM)")
        return
    last = person.last_interaction
    if last is None or world.clock() - last >= _YEAR_S:
        raise ApiError(-232, "User has not interacted with OA or last interaction was expired")


def _user_id_response(world: World, message: Message) -> web.Response:
    quota = {"quota_type": "purchase_quota", "owner_type": "OA", "owner_id": OA_ID}
    data: dict[str, Any] = {"message_id": message.id, "user_id": message.user_id, "quota": quota}
    time = {"sent_time": milliseconds(message.at)}
    if world.rules.sent_time_on_top:
        return web.json_response({"error": 0, "message": "Success", "data": data, **time})
    return ok(data | time)
