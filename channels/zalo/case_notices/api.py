"""Calls of both hosts for template messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from channels.base import Deadline
from channels.zalo.client.article_api import OA_PATH, require_field
from channels.zalo.client.client import ApiCall, ZaloClient
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
        if order.to.user_id:
            answer = await self.oa.write(self.user_id_call(order), expired)
            return AcceptedMessage.parse(answer, "message_id")
        answer = await self.business.write(self.phone_call(order), expired)
        return AcceptedMessage.parse(answer, "msg_id")

    def phone_call(self, order: TemplateMessage) -> ApiCall:
        body = {
            "phone": order.to.phone,
            "template_id": order.template_id,
            "template_data": order.values,
            "tracking_id": order.tracking_id,
            "sending_mode": _NORMAL_MODE,
        }
        return self.business.post_call(_PHONE_PATH, body)

    def user_id_call(self, order: TemplateMessage) -> ApiCall:
        """This call has no tracking id: only the answer's message id joins later events."""
        body = {
            "user_id": order.to.user_id,
            "template_id": order.template_id,
            "template_data": order.values,
        }
        return self.oa.post_call(_USER_ID_PATH, body)

    async def provider_time(self, to: ZaloAddress, age_s: float) -> float:
        """Zalo's time; read once if the host has not told it recently."""
        api = self.oa if to.user_id else self.business
        if not api.clock.is_fresh(age_s):
            read = (
                api.get_data_call(f"{OA_PATH}/getoa") if to.user_id else api.get_call(_QUOTA_PATH)
            )
            await api.read(read)
        return api.clock.now()
