"""What can be asked about template messages: status, quotas, quality, the templates themselves."""

from typing import Any

from aiohttp import web

from channels.zalo.client.response import whole_number
from sandbox.zalo.api.template_messages import read_template_body
from sandbox.zalo.api.template_recipients import quota_periods
from sandbox.zalo.middleware import WORLD, ApiError
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.templates_and_uploads import Param, Template
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks.events import milliseconds

PAGE_MAX = 100
STATES = {"1": "ENABLE", "2": "PENDING_REVIEW", "3": "REJECT", "4": "DISABLE"}
NONE, SENT, DELIVERED = -1, 0, 1
SAMPLES = {"DATE": "01/01/2026", "NUMBER": "1", "STRING": "value"}


def success(data: Any, **more: Any) -> web.Response:
    """These reads write it in lower case."""
    return web.json_response({"error": 0, "message": "success", "data": data, **more})


async def message_status(request: web.Request) -> web.Response:
    id = request.query.get("message_id", "")
    if not id:
        raise ApiError(-107, "Message id is invalid")
    message = request.app[WORLD].conversations.messages.get(id)
    if message is None or not message.template_id:
        return success({"status": NONE, "delivery_time": "", "message": "Message not found"})
    if message.delivered is None:
        return success({"status": SENT, "delivery_time": "", "message": "Message is sent"})
    time = milliseconds(message.delivered)
    return success({"status": DELIVERED, "delivery_time": time, "message": "Message is delivered"})


async def quota(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    sent, rules = world.conversations.sent, world.rules
    day, month = quota_periods(world.clock())
    return success(
        {
            "dailyQuota": rules.daily_quota,
            "remainingQuota": max(0, rules.daily_quota - sent["template", day]),
            "dailyQuotaPromotion": None,
            "remainingQuotaPromotion": None,
            "monthlyPromotionQuota": rules.monthly_promotions,
            "remainingMonthlyPromotionQuota": max(
                0, rules.monthly_promotions - sent["promotion", month]
            ),
            "estimatedNextMonthPromotionQuota": rules.monthly_promotions,
        }
    )


async def template_tags(request: web.Request) -> web.Response:  # noqa: ARG001 -- aiohttp's signature
    """In their old names, as Zalo still has them here."""
    return success(["OTP", "IN_TRANSACTION", "POST_TRANSACTION"])


async def quality(request: web.Request) -> web.Response:
    now = request.app[WORLD].rules.quality
    return success({"oaCurrentQuality": now, "oa7dayQuality": now})


async def list_templates(request: web.Request) -> web.Response:
    query = request.query
    offset, limit = whole_number(query.get("offset", "0")), whole_number(query.get("limit", "100"))
    if offset is None or limit is None or offset < 0 or not 0 < limit <= PAGE_MAX:
        raise ApiError(-132, "limit is invalid")
    wanted = STATES.get(query.get("status", ""))
    known = [
        one for one in request.app[WORLD].templates.templates.values() if one.status != "DELETE"
    ]
    found = [one for one in known if wanted in (None, one.status)]
    page = [summary(one) for one in found[offset : offset + limit]]
    return success(page, metadata={"total": len(found)})


def summary(template: Template) -> dict[str, Any]:
    return {
        "templateId": template.id,
        "templateName": template.name,
        "status": template.status,
        "templateQuality": template.quality,
    }


async def template_info(request: web.Request) -> web.Response:
    template = find_template(request)
    whole_story = {
        "templateTag": template.tag,
        "listParams": [param_info(one) for one in template.params],
        "listButtons": list(template.buttons),
        "timeout": template.timeout_ms,
        "previewUrl": "",
        "price": str(template.price_sdt),
        "price_sdt": template.price_sdt,
        "price_uid": template.price_uid if template.by_uid else None,
    }
    return success(summary(template) | whole_story)


def param_info(one: Param) -> dict[str, Any]:
    return {
        "name": one.name,
        "require": one.require,
        "type": one.type,
        "maxLength": one.max_length,
        "minLength": one.min_length,
        "acceptNull": one.accept_null,
    }


async def sample_data(request: web.Request) -> web.Response:
    return success({one.name: SAMPLES[one.type] for one in find_template(request).params})


def find_template(request: web.Request) -> Template:
    template = request.app[WORLD].templates.templates.get(request.query.get("template_id", ""))
    if template is None or template.status == "DELETE":
        raise ApiError(-109, "Template id is invalid")
    return template


async def ratings(request: web.Request) -> web.Response:
    """`/rating/get`: what recipients of one template said."""
    world, body = request.app[WORLD], await read_template_body(request)
    rated = [one for one in messages_of(world, body) if one.feedback]
    offset, limit = whole_number(body.get("offset", 0)), whole_number(body.get("limit", PAGE_MAX))
    if offset is None or limit is None or min(offset, limit) < 0:
        raise ApiError(-132, "limit is invalid")
    page = [rating_entry(one) for one in rated[offset : offset + limit]]
    return success({"total": len(rated), "data": page})


def messages_of(world: World, body: dict[str, Any]) -> list[Message]:
    id = str(body.get("template_id", ""))
    if id not in world.templates.templates:
        raise ApiError(-109, "Template id is invalid")
    return [one for one in world.conversations.messages.values() if one.template_id == id]


def rating_entry(message: Message) -> dict[str, Any]:
    said = message.feedback
    return {
        "note": said["note"],
        "rate": said["rate"],
        "submitDate": said["submit_time"],
        "msgId": message.id,
        "feedbacks": said["feedbacks"],
        "trackingId": message.tracking_id,
    }
