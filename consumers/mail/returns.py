"""Woken by a receipt of mail: what came back is noted beside its row, and has consequences.

Everything here may be done twice: what was noted is known, and a second time changes nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from time import time as now_s
from typing import NamedTuple

import structlog
from structlog.contextvars import bound_contextvars

from channels.email import meanings
from channels.email.meanings import Meaning
from channels.email.return_path import day_of_letter
from consumers.mail.books import Books
from consumers.mail.brake import BounceBrake
from consumers.mail.receipts import MailReceipt, Refused, Returned
from consumers.mail.sending import slow_down
from consumers.mail.whose import TOO_LATE, Row, TooLate, Whose
from consumers.suppressions import BOUNCED, Suppressions
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName
from producers.bus import Bus

log = structlog.get_logger()
EMAIL = ChannelName.EMAIL
HARD_FOR, SOFT_FOR = timedelta(days=365), timedelta(days=30)
"""How long an address is left alone; who complained, until a person lifts it."""
COMPLAINT = "complaint"
FEW, LATELY_S = 3, 600.0
"""Whoever gets our mail can say that we are too fast, as often as they like: so many have to."""


class Target(NamedTuple):
    """The MAC of an address, empty when there is none any more; `mark` names one mail to it."""

    seal: str
    mark: str


@dataclass
class Returns:
    """Applies them. *arrived*: evidence that the relay had a row. Raises BusError."""

    bus: Bus
    whose: Whose
    suppressions: Suppressions
    brake: BounceBrake
    arrived: Callable[[BatchKey, int], Awaitable[None]]
    clock: Callable[[], float] = now_s
    hurried: dict[str, float] = field(default_factory=dict)  # whose mail said so → when

    def __post_init__(self) -> None:
        self.books = Books(self.whose.ledger.bucket)

    async def on_receipt(self, receipt: MailReceipt) -> None:
        if isinstance(receipt, Refused):
            await self.on_refused(receipt)
        else:
            await self.on_returned(receipt)

    async def on_refused(self, receipt: Refused) -> None:
        """Our own relay said no: the rows have ended, their addresses are judged all the same."""
        batch = BatchKey(EMAIL, receipt.content_id, receipt.revision, receipt.batch)
        await self.books.refused(batch, receipt.refused, self.clock())
        self.brake.changed.add(batch.plan)
        for row, code in receipt.refused.items():
            found = await self.whose.row(batch, row)
            with bound_contextvars(content_id=batch.content_id, channel=EMAIL.value):
                if found:
                    target = self.target(tried(found, receipt.at))
                    await self.act(target, meanings.returned(code), code, receipt.at)

    async def on_returned(self, receipt: Returned) -> None:
        if asked := day_of_letter(receipt.place):
            await self.on_letter(asked, receipt)
            return
        try:
            found = await self.whose.find(receipt)
        except TooLate:
            log.info("receipt_late", returned=receipt.returned)
            return
        if found is None:
            log.warning("receipt_unmatched", channel=EMAIL.value)
            return
        with bound_contextvars(content_id=found.batch.content_id, channel=EMAIL.value):
            await self.apply(found, receipt)

    async def on_letter(self, asked: date, receipt: Returned) -> None:
        """What came back of a letter to one person: no row is left of it, only its address."""
        if receipt.at - datetime.combine(asked, time.min, UTC) > TOO_LATE[receipt.returned]:
            log.info("receipt_late", returned=receipt.returned)
            return
        if len(receipt.seals) != 1:  # the door keeps that of the letter's own address alone
            log.info("bounce_of_other_address")
            return
        [seal] = receipt.seals
        match receipt.returned:
            case "delay":
                await self.delay(seal, receipt)
            case "complaint":
                log.warning("mail_complained")
                await self.suppressions.add_sealed(EMAIL, seal, COMPLAINT, None, at=receipt.at)
            case "bounce":
                code, sure = receipt.code or "5.0.0", self.is_sure(seal, receipt)
                self.tell(code, receipt)
                await self.act(Target(seal, receipt.place), meant(code, sure), code, receipt.at)

    async def apply(self, found: Row, receipt: Returned) -> None:
        match receipt.returned:
            case "delay":
                await self.delay(self.suppressions.seal(found.address), receipt)
            case "complaint":
                await self.complain(found, receipt)
            case "bounce":
                await self.bounce(found, receipt)

    async def delay(self, seal: str, receipt: Returned) -> None:
        log.info("mail_delayed", code=receipt.code)
        if meanings.slows(receipt.code):
            await self.slow_down(seal, receipt.code)

    async def complain(self, found: Row, receipt: Returned) -> None:
        """Suppressed at once, and counted."""
        if await self.books.complained(found.batch, found.number, self.clock()):
            log.warning("mail_complained")
        if self.is_theirs(found, receipt):
            await self.suppressions.add(EMAIL, found.address, COMPLAINT, None, at=receipt.at)

    async def bounce(self, found: Row, receipt: Returned) -> None:
        code = receipt.code or "5.0.0"
        if await self.books.bounced(found.batch, found.number, code, self.clock()):
            self.tell(code, receipt)
        crash_point("bounce.noted")
        self.brake.changed.add(found.batch.plan)
        meaning = meant(code, self.is_sure(self.suppressions.seal(found.address), receipt))
        if meaning not in meanings.RECIPIENT or self.is_theirs(found, receipt):
            await self.act(self.target(found), meaning, code, receipt.at)
        await self.arrived(found.batch, found.number)

    def tell(self, code: str, receipt: Returned) -> None:
        meaning = meanings.returned(code).value
        log.info("mail_bounced", code=code, meaning=meaning, guessed=receipt.guessed)

    def is_sure(self, seal: str, receipt: Returned) -> bool:
        """Whether it is this very address that is gone.

        Words may mean anybody; and where the address is a group's, one of whom has left, or sends
        its mail on, the report names another that was tried at last.
        """
        return not receipt.guessed and receipt.final in ("", seal)

    def target(self, found: Row) -> Target:
        seal = self.suppressions.seal(found.address) if found.address else ""
        return Target(seal, f"{found.batch}.{found.number}")

    def is_theirs(self, found: Row, receipt: Returned) -> bool:
        """Whether the report means the address that the row's recipient has now."""
        if not found.address:
            return False
        mine = self.suppressions.seal(found.address)
        if receipt.seals and mine not in receipt.seals:
            log.info("bounce_of_other_address")
            return False
        return True

    async def act(self, target: Target, meaning: Meaning, code: str, at: datetime) -> None:
        """What follows from a no, by the table."""
        match meaning:
            case Meaning.GONE if target.seal:
                until = at + HARD_FOR
                await self.suppressions.add_sealed(EMAIL, target.seal, bounced(code), until, at=at)
            case Meaning.FULL | Meaning.OTHER if target.seal:
                await self.count(target, code, at)
            case Meaning.SLOWER:
                await self.slow_down(target.seal, code)
            case Meaning.POLICY:
                log.error("mail_refused_by_policy", code=code)  # whether it is all: the brake
            case Meaning.CONTENT:
                log.error("mail_content_refused", code=code)
            case Meaning.FAULT:
                log.error("mail_misrouted", code=code)

    async def slow_down(self, seal: str, code: str) -> None:
        """When several readers' mails say so lately; after a restart they are counted anew."""
        now = self.clock()
        self.hurried[seal] = now
        self.hurried = {who: at for who, at in self.hurried.items() if at > now - LATELY_S}
        if len(self.hurried) >= FEW:
            await slow_down(self.bus, code, now)

    async def count(self, target: Target, code: str, at: datetime) -> None:
        """A soft failure: too many of them are a hard one."""
        if await self.suppressions.soft_sealed(EMAIL, target.seal, target.mark, at):
            until = at + SOFT_FOR
            await self.suppressions.add_sealed(EMAIL, target.seal, bounced(code), until, at=at)


def meant(code: str, sure: bool) -> Meaning:
    """What a bounce means for its address, which may not be *sure* to be the one that is gone."""
    meaning = meanings.returned(code)
    return Meaning.OTHER if meaning is Meaning.GONE and not sure else meaning


def tried(found: Row, at: datetime) -> Row:
    """Without its address when that may have changed since: a relay's answer names none."""
    return found._replace(address="") if found.since and found.since > at else found


def bounced(code: str) -> str:
    return f"{BOUNCED}{code}"
