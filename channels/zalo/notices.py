"""A case notice by Zalo: one template message to one person, paid for, and never sent twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from channels import notices
from channels.base import Deadline, Outcome, Verdict
from channels.errors import ChannelError, Unreachable
from channels.zalo import codes
from channels.zalo.codes import Refused
from channels.zalo.filling import filled
from channels.zalo.hours import posting, posting_in_s
from channels.zalo.notice_calls import Address, NoticeCalls, Order, Taken
from channels.zalo.oauth import OPERATOR_S
from channels.zalo.outcomes import NOT_DONE, Stop, ask_operator
from channels.zalo.pace import Pace
from channels.zalo.purse import Purse, Receipt
from channels.zalo.shutters import Shutters
from channels.zalo.template_book import Template
from channels.zalo.templates import Templates
from contracts import keys
from contracts.case import CaseNotice
from contracts.crash import crash_point

log = structlog.get_logger()
CLOCK_AGE_S = 60.0
CLOSED = "such templates go out from 07:00 to 21:30"


@dataclass(frozen=True, slots=True)
class Words:
    """What one notice says, whichever template says it."""

    kind: str
    values: Mapping[str, str]

    @classmethod
    def of(cls, notice: CaseNotice) -> "Words":
        return cls(notices.kind(notice), notices.values(notice))


@dataclass(frozen=True, slots=True)
class Errand:
    """One row's work: *words* to whoever has *address*."""

    words: Words
    address: str
    delivery_key: str
    expired: Deadline = lambda: False

    @property
    def tracking_id(self) -> str:
        return keys.tracking_id(self.delivery_key)


class Sent(Protocol):
    """Remembers the id that Zalo gave a message. Durable; both raise Unreachable."""

    async def keep(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:
        """*untracked*: Zalo never heard of the tracking id, so that its events lack it."""

    async def message_id(self, tracking_id: str) -> str:
        """Empty where none was kept."""


class InMemory:
    """For one process alone: what it sent is forgotten with it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def keep(self, tracking_id: str, message_id: str, *, untracked: bool = False) -> None:  # noqa: ARG002
        self.kept[tracking_id] = message_id

    async def message_id(self, tracking_id: str) -> str:
        return self.kept.get(tracking_id, "")


@dataclass(frozen=True, slots=True)
class Books:
    """What is noted elsewhere, for all processes."""

    templates: Templates
    purse: Purse
    sent: Sent


class Notices:
    """Sends case notices, and says what is known of those in doubt.

    What Zalo says of the person (class U) is SUPPRESSED: another channel may reach them. So is a
    template that can't go to a user id at all (-249): the person has no other address here. That
    the whole account may not send to user ids (-235, -240) is a matter of configuration: rows
    wait for the operator, because nothing says that the person can't be reached.
    """

    def __init__(self, calls: NoticeCalls, books: Books, pace: Pace) -> None:
        self.calls = calls
        self.templates = books.templates
        self.purse = books.purse
        self.sent = books.sent
        self.pace = pace
        self.told: dict[str, str] = {}
        self.shutters = Shutters(calls.business.clock.now, pace.chance)

    async def send(self, errand: Errand) -> Outcome:
        """Raises what `outcomes.EXPECTED` lists; a Doubt is never sent again by itself."""
        if await self.sent.message_id(errand.tracking_id):
            return Outcome(Verdict.DELIVERED, asked=False)
        to = Address.read(errand.address)
        if to is None:
            return Outcome(Verdict.SUPPRESSED, "no address that zalo has", asked=False)
        template = await self.template(errand.words.kind)
        self.shutters.respect(template, bool(to.user_id))
        order = Order(to, template.id, filled(template, errand.words.values), errand.tracking_id)
        await self.wait_for_hours(template, to)
        try:
            return await self.paid(order, template, errand.expired)
        except Refused as refused:
            if refused.ruling.reason == codes.NOT_BY_USER_ID:
                return Outcome(Verdict.SUPPRESSED, refused.reason)
            self.shutters.learn(refused, template, bool(to.user_id))
            if refused.ruling.fix == codes.fix("template"):
                await self.look_again(template)
            raise

    async def template(self, kind: str) -> Template:
        """Raises Stop while none serves *kind*, or Zalo has not approved it."""
        found = (await self.templates.book()).serving(kind)
        if found is not None and found.usable:
            self.told.pop(kind, None)
            return found
        if found is None:
            raise self.held(kind, f"no template for notices {kind}", "route")
        raise self.held(kind, f"template {found.id} is {found.state}")

    def held(self, kind: str, reason: str, fix: str = "template") -> Stop:
        """Somebody is told once, however many rows wait."""
        if self.told.get(kind) != reason:
            self.told[kind] = reason
            ask_operator(reason, codes.fix(fix))
        return Stop(Outcome(Verdict.HELD, reason, OPERATOR_S, asked=False))

    async def look_again(self, template: Template) -> None:
        """One that is no longer approved need not refuse every row that waits for it."""
        try:
            await self.templates.doubted(template.id)
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_templates_not_read", reason=trouble.reason)

    async def wait_for_hours(self, template: Template, to: Address) -> None:
        """Raises Stop at an hour that is not for this tag, by Zalo's clock."""
        if template.any_hour:
            return
        now = await self.calls.time_there(to, CLOCK_AGE_S)
        if not posting(now):
            after_s = posting_in_s(now, self.pace.chance)
            raise Stop(Outcome(Verdict.HELD, CLOSED, after_s, asked=False))

    async def paid(self, order: Order, template: Template, expired: Deadline) -> Outcome:
        """Set the price aside, then call; back it goes only when surely nothing happened."""
        price = self.price(template, order.to)
        receipt = await self.purse.set_aside(price, (await self.templates.book()).daily)
        crash_point("zalo.notice_due")
        try:
            taken = await self.calls.send(order, expired)
        except NOT_DONE as why:
            await self.purse.take_back(receipt, closing=day_is_over(why))
            raise
        crash_point("zalo.notice_answered")
        await self.note(order, taken, receipt)
        crash_point("zalo.notice_kept")
        log.info("zalo_notice_sent", template=template.id, message=taken.message_id)
        return Outcome(Verdict.DELIVERED)

    def price(self, template: Template, to: Address) -> int:
        """In đồng. Raises Stop where nobody knows it and a cap has to be kept."""
        price = template.costs(bool(to.user_id))
        if price is None and self.purse.capped:
            raise self.held(template.id, f"template {template.id}: no price to keep the cap by")
        return price or 0

    async def note(self, order: Order, taken: Taken, receipt: Receipt) -> None:
        """Zalo has it: what can't be noted now changes nothing about that."""
        try:
            await self.sent.keep(
                order.tracking_id, taken.message_id, untracked=bool(order.to.user_id)
            )
            if taken.left == 0:
                await self.purse.used_up(receipt)
        except Unreachable as away:
            log.warning("zalo_notice_not_noted", message=taken.message_id, reason=away.reason)

    async def resolve(self, errand: Errand) -> Outcome:
        """A kept id proves that Zalo has taken the message; without one only a receipt can tell.

        Zalo knows messages by their ids alone, so it need not be asked. Raises Unreachable.
        """
        if await self.sent.message_id(errand.tracking_id):
            return Outcome(Verdict.DELIVERED, asked=False)
        return Outcome(Verdict.UNKNOWN, "zalo can't say whether it was sent", asked=False)


def day_is_over(why: Exception) -> bool:
    """Whether Zalo takes no more template messages today, whoever sends them."""
    return isinstance(why, Refused) and why.ruling.reason == codes.DAILY_QUOTA
