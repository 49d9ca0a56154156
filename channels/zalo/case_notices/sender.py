"""Case notice on Zalo: one paid template message to one person, never sent twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from channels import case_notice_texts
from channels.base import Deadline, Outcome, Recipient, Verdict
from channels.errors import ChannelError, Unreachable
from channels.zalo import error_codes
from channels.zalo.case_notices.api import AcceptedMessage, NoticeApi, TemplateMessage, ZaloAddress
from channels.zalo.case_notices.template_holds import TemplateHolds
from channels.zalo.case_notices.template_models import Template
from channels.zalo.case_notices.template_params import fill_params
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.clock import Timing, Until, is_template_time, wait_s
from channels.zalo.errors import NO_EFFECT, OPERATOR_RETRY_S, Refused, RowOutcome, row_held
from channels.zalo.outcomes import log_operator_needed
from channels.zalo.quota.budget import Budget, Reservation
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.case import CaseNotice

log = structlog.get_logger()
_OUTSIDE_HOURS = "such templates go out from 07:00 to 21:30"


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """Content of a notice, for any template."""

    kind: str
    values: Mapping[str, str]

    @classmethod
    def of(cls, notice: CaseNotice) -> "NoticeContent":
        values = case_notice_texts.parameter_values(notice)
        return cls(case_notice_texts.notice_kind(notice), values)


class MessageIdStore(Protocol):
    """Durable store of the ids that Zalo gave our messages. Both methods raise Unreachable."""

    async def save(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        """*untracked*: the message has no tracking id at Zalo, so that its events lack it."""

    async def message_id(self, tracking_id: str) -> str:
        """The message's id; empty for none."""


@dataclass
class NoticeSender:
    """Sends case notices, and resolves those in doubt.

    A refusal because of the person (class U) is SUPPRESSED: another channel may reach them. So is a
    template that cannot be sent to user ids at all (-249): the person has no other address here. An
    account that may not send to user ids (-235, -240) is a matter of configuration: its rows wait
    for the operator, because the person may be reachable.
    """

    api: NoticeApi
    templates: TemplateRegistry
    budget: Budget
    message_ids: MessageIdStore
    timing: Timing
    reported: dict[str, str] = field(default_factory=dict)  # reason of a hold, per kind

    def __post_init__(self) -> None:
        self.holds = TemplateHolds(self.api.business.clock.now, self.timing.jitter)

    async def send(self, content: NoticeContent, row: Recipient, expired: Deadline) -> Outcome:
        """Raises ROW_ERRORS; an ambiguous result is never sent again by itself."""
        tracking_id = keys.tracking_id(row.delivery_key)
        if await self.message_ids.message_id(tracking_id):
            return Outcome(Verdict.DELIVERED, reached_provider=False)
        to = ZaloAddress.parse(row.address)
        if to is None:
            return Outcome(Verdict.SUPPRESSED, "no address that zalo has", reached_provider=False)
        template = await self.usable_template(content.kind)
        self.holds.raise_if_held(template, bool(to.user_id))
        values = fill_params(template, content.values)
        order = TemplateMessage(to, template.id, values, tracking_id)
        await self.wait_for_hours(template, to)
        try:
            return await self.send_paid(order, template, expired)
        except Refused as refused:
            if refused.rule.reason == error_codes.NOT_BY_USER_ID:
                return Outcome(Verdict.SUPPRESSED, refused.reason)
            self.holds.record_refusal(refused, template, bool(to.user_id))
            if refused.rule.fix == error_codes.operator_fix("template"):
                await self.recheck_template(template)
            raise

    async def usable_template(self, kind: str) -> Template:
        """Raises RowOutcome while *kind* has no template, or Zalo has not approved it."""
        template = (await self.templates.current()).template_for(kind)
        if template is not None and template.is_usable:
            self.reported.pop(kind, None)
            return template
        if template is None:
            raise self.hold(kind, f"no template for notices {kind}", "route")
        raise self.hold(kind, f"template {template.id} is {template.state}")

    def hold(self, kind: str, reason: str, fix: str = "template") -> RowOutcome:
        """Hold the row, and log once for all rows that wait."""
        if self.reported.get(kind) != reason:
            self.reported[kind] = reason
            log_operator_needed(reason, error_codes.operator_fix(fix))
        return row_held(reason, OPERATOR_RETRY_S)

    async def recheck_template(self, template: Template) -> None:
        """Read the template again, so that a rejected one holds the rows that wait for it."""
        try:
            await self.templates.recheck(template.id)
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_templates_not_read", reason=trouble.reason)

    async def wait_for_hours(self, template: Template, to: ZaloAddress) -> None:
        """Raises RowOutcome outside the hours of this tag, by Zalo's clock."""
        if template.is_any_hour:
            return
        now = await self.api.provider_time(to)
        if not is_template_time(now):
            raise row_held(_OUTSIDE_HOURS, wait_s(Until.TEMPLATE_HOURS, now, self.timing.jitter))

    async def send_paid(
        self, order: TemplateMessage, template: Template, expired: Deadline
    ) -> Outcome:
        """Reserve the price, then call; release it only when the call had no effect."""
        price = self.price(template, order.to)
        reservation = await self.budget.reserve(price, (await self.templates.current()).daily)
        crash_point("zalo.notice_due")
        try:
            accepted = await self.api.send(order, expired)
        except NO_EFFECT as error:
            is_used_up = isinstance(error, Refused) and error.rule.reason == error_codes.DAILY_QUOTA
            await self.budget.release(reservation, closing=is_used_up)
            raise
        crash_point("zalo.notice_answered")
        await self.record_sent(order, accepted, reservation)
        crash_point("zalo.notice_kept")
        log.info("zalo_notice_sent", template=template.id, message=accepted.message_id)
        return Outcome(Verdict.DELIVERED)

    def price(self, template: Template, to: ZaloAddress) -> int:
        """Price in đồng. Raises RowOutcome where it is unknown and a limit has to be kept."""
        price = template.price_for(bool(to.user_id))
        if price is None and self.budget.has_money_limit:
            raise self.hold(template.id, f"template {template.id}: no price to keep the cap by")
        return price or 0

    async def record_sent(
        self, order: TemplateMessage, accepted: AcceptedMessage, reservation: Reservation
    ) -> None:
        """Store the message's id. Zalo has the message, so that a failure changes no outcome."""
        try:
            untracked = bool(order.to.user_id)
            await self.message_ids.save(order.tracking_id, accepted.message_id, untracked=untracked)
            if accepted.remaining_today == 0:
                await self.budget.close_day(reservation)
        except Unreachable as error:
            log.warning("zalo_notice_not_noted", message=accepted.message_id, reason=error.reason)

    async def resolve(self, row: Recipient) -> Outcome:
        """A stored id proves that Zalo has taken the message; without one only a receipt can tell.

        Zalo looks messages up by their ids alone, so no call is made. Raises Unreachable.
        """
        if await self.message_ids.message_id(keys.tracking_id(row.delivery_key)):
            return Outcome(Verdict.DELIVERED, reached_provider=False)
        reason = "zalo can't say whether it was sent"
        return Outcome(Verdict.UNKNOWN, reason, reached_provider=False)
