"""Calls of both hosts for template messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.base import Deadline
from channels.zalo.client.article_api import PROFILE_PATH, require_field
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.response import ApiResponse, whole_number
from contracts.base.addresses import MOBILE_PATTERN
from contracts.case import ZALO_USER_PREFIX

_PHONE_PATH, _USER_ID_PATH = "/message/template", "/v3.0/oa/message/template"
_QUOTA_PATH = "/message/quota"
_NORMAL_MODE = "1"
"""`sending_mode`: within the quota."""
_PHONE = re.compile(MOBILE_PATTERN)
_USER_ID = re.compile(rf"{ZALO_USER_PREFIX}(\d{{1,30}})")


@dataclass(frozen=True, slots=True)
class ZaloAddress:
    """A phone (`84...`), or the id of a user of the Official Account."""

    phone: str = ""
    user_id: str = ""

    @classmethod
    def parse(cls, text: str) -> "ZaloAddress | None":
        """None for anything else than `84xxxxxxxxx` or `zalo:<user id>`."""
        if _PHONE.fullmatch(text):
            return cls(phone=text)
        user = _USER_ID.fullmatch(text)
        return cls(user_id=user[1]) if user else None


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One template message: recipient, template, values, and our tracking id."""

    to: ZaloAddress
    template_id: str
    values: Mapping[str, str]
    tracking_id: str


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """Zalo accepted a message; `remaining_today`: messages left today, if Zalo names them."""

    message_id: str
    remaining_today: int | None = None

    @classmethod
    def parse(cls, answer: ApiResponse, name: str) -> "AcceptedMessage":
        """Raises AmbiguousResult for a success without its id."""
        quota = answer.fields.get("quota")
        left = whole_number(quota.get("remainingQuota")) if isinstance(quota, Mapping) else None
        return cls(require_field(answer, name), left)


@dataclass
class NoticeApi:
    """Template messages.

    Reads raise Refused or ChannelError; writes also AmbiguousResult and DeadlinePassed.
    """

    oa: ZaloClient
    business: ZaloClient

    async def send(self, order: TemplateMessage, expired: Deadline) -> AcceptedMessage:
        """Send by phone on the business host with a tracking id, or by user id on the other."""
        body: dict[str, Any] = {"template_id": order.template_id, "template_data": order.values}
        if order.to.user_id:  # without tracking id: only the message id joins later events
            body["user_id"] = order.to.user_id
            answer = await self.oa.write(_USER_ID_PATH, body, expired)
            return AcceptedMessage.parse(answer, "message_id")
        body |= {"phone": order.to.phone, "tracking_id": order.tracking_id}
        body["sending_mode"] = _NORMAL_MODE
        answer = await self.business.write(_PHONE_PATH, body, expired)
        return AcceptedMessage.parse(answer, "msg_id")

    async def provider_time(self, to: ZaloAddress) -> float:
        """The time of the host that sends to this address."""
        if to.user_id:
            return await self.oa.provider_time(self.oa.get_data_call(PROFILE_PATH))
        return await self.business.provider_time(self.business.get_call(_QUOTA_PATH))
