"""The calls of both hosts that template messages are made of, in our words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.base import Deadline
from channels.zalo.api import Call, ZaloApi
from channels.zalo.calls import OA, needed
from channels.zalo.envelope import Answer, whole
from contracts.addresses import MOBILE_PATTERN
from contracts.case import ZALO_USER

BY_PHONE, BY_USER_ID = "/message/template", "/v3.0/oa/message/template"
QUOTA = "/message/quota"
NORMAL = "1"
"""`sending_mode`: within the quota."""
_PHONE = re.compile(MOBILE_PATTERN)
_USER_ID = re.compile(rf"{ZALO_USER}(\d{{1,30}})")


@dataclass(frozen=True, slots=True)
class Address:
    """A phone (`84...`), or the id of a user of the Official Account."""

    phone: str = ""
    user_id: str = ""

    @classmethod
    def read(cls, text: str) -> "Address | None":
        """None for anything else than `84xxxxxxxxx` or `zalo:<user id>`."""
        if _PHONE.fullmatch(text):
            return cls(phone=text)
        found = _USER_ID.fullmatch(text)
        return cls(user_id=found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Order:
    """One template message: to whom, which, with what in its blanks, and how we know it again."""

    to: Address
    template_id: str
    filled: Mapping[str, str]
    tracking_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Zalo has taken a message; `left`: how many more it takes today, if it says so."""

    message_id: str
    left: int | None = None

    @classmethod
    def read(cls, answer: Answer, name: str) -> "Taken":
        """Raises Doubt for a success without its id."""
        data: Any = answer.data if isinstance(answer.data, Mapping) else {}
        quota = data.get("quota")
        left = whole(quota.get("remainingQuota")) if isinstance(quota, Mapping) else None
        return cls(needed(answer, name), left)


class NoticeCalls:
    """Reads raise Refused or ChannelError, sends also Doubt and Late; see `ZaloApi`."""

    def __init__(self, oa: ZaloApi, business: ZaloApi) -> None:
        self.oa = oa
        self.business = business

    async def send(self, order: Order, expired: Deadline) -> Taken:
        """By phone on the business host, with our tracking id; by user id on the other."""
        if order.to.user_id:
            answer = await self.oa.act(self.by_user_id(order), expired)
            return Taken.read(answer, "message_id")
        answer = await self.business.act(self.by_phone(order), expired)
        return Taken.read(answer, "msg_id")

    def by_phone(self, order: Order) -> Call:
        body = {
            "phone": order.to.phone,
            "template_id": order.template_id,
            "template_data": order.filled,
            "tracking_id": order.tracking_id,
            "sending_mode": NORMAL,
        }
        return self.business.post(BY_PHONE, body)

    def by_user_id(self, order: Order) -> Call:
        """It knows no tracking id: the answer's message id is all that joins later events."""
        body = {
            "user_id": order.to.user_id,
            "template_id": order.template_id,
            "template_data": order.filled,
        }
        return self.oa.post(BY_USER_ID, body)

    async def time_there(self, to: Address, age_s: float) -> float:
        """Zalo's time; one cheap read when the host has not told it lately."""
        api = self.oa if to.user_id else self.business
        if not api.clock.fresh(age_s):
            read = api.get_data(f"{OA}/getoa") if to.user_id else api.get(QUOTA)
            await api.ask(read)
        return api.clock.now()
