"""Reads about template messages: quotas, quality, and the templates themselves."""

from typing import Any

from aiohttp import web

from sandbox.zalo.api.template_recipients import quota_periods
from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.state.templates import Param, Template


def _success(data: Any) -> web.Response:
    """A success of these reads, whose message is in lower case."""
    return web.json_response({"error": 0, "message": "success", "data": data})


async def quota(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    sent, rules = world.conversations.sent, world.rules
    day, month = quota_periods(world.clock())
    return _success(
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


async def quality(request: web.Request) -> web.Response:
    now = request.app[WORLD].rules.quality
    return _success({"oaCurrentQuality": now, "oa7dayQuality": now})


async def template_info(request: web.Request) -> web.Response:
    template = _find_template(request)
    details = {
        "templateId": template.id,
        "templateName": template.name,
        "status": template.status,
        "templateQuality": template.quality,
        "templateTag": template.tag,
        "listParams": [_param_info(param) for param in template.params],
        "listButtons": list(template.buttons),
        "timeout": template.timeout_ms,
        "previewUrl": "",
        "price": str(template.price_sdt),
        "price_sdt": template.price_sdt,
        "price_uid": template.price_uid if template.by_uid else None,
    }
    return _success(details)


def _param_info(param: Param) -> dict[str, Any]:
    return {
        "name": param.name,
        "require": param.require,
        "type": param.type,
        "maxLength": param.max_length,
        "minLength": param.min_length,
        "acceptNull": param.accept_null,
    }


def _find_template(request: web.Request) -> Template:
    template = request.app[WORLD].templates.templates.get(request.query.get("template_id", ""))
    if template is None or template.status == "DELETE":
        raise ApiError(-109, "Template id is invalid")
    return template
