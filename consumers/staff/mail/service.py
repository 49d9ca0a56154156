"""Follows the editorial log, and mails staff what each act means for them.

Any number of processes may run: who writes the cursor first has worked an act through. A process
that dies is followed by one that hands on what is pending, under the same ids.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from consumers.editorial.log import EditorialLog
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.mail.outbox import MailCursor, StaffOutbox
from consumers.staff.mail.sender import StaffMailSender
from consumers.staff.mail.story import QUIET_SPAN, Told, mails_of, tell
from consumers.staff.policy import Policy
from contracts import subjects
from contracts.base.times import Clock, utc_now
from contracts.editorial import Action
from contracts.errors import ContractError
from producers.bus import Message, RevisionConflict
from producers.bus.periodic import attempt
from producers.bus.records import Versioned, require

log = structlog.get_logger()
INTERVAL_S = 5.0
_STREAM = subjects.EDITORIAL.name
Cursor = Versioned[MailCursor | None]


@dataclass
class _Round:
    """What one pass over the log has read: accounts, and the stories of the items."""

    accounts: list[Account] = field(default_factory=list)
    stories: dict[str, list[Told]] = field(default_factory=dict)


@dataclass
class StaffMailService:
    """Keep `run` running; each step does all that can be done now. Raises BusError."""

    log: EditorialLog
    accounts: AccountStore
    policy: Policy
    outbox: StaffOutbox
    sender: StaffMailSender
    clock: Clock
    seen_change: int = -1
    """The outbox's last change when everything pending was handed on."""

    async def run(self) -> None:
        """Do both steps again and again; what stops one does not stop the other."""
        while True:
            await attempt(self.follow)
            await attempt(self.send)
            await asyncio.sleep(INTERVAL_S)

    async def follow(self) -> None:
        """Work through what is new in the log."""
        try:
            await self._follow(await self._cursor())
        except RevisionConflict:  # another process was first
            log.info("staff_mail_overtaken")

    async def send(self) -> None:
        """Hand on what is pending."""
        last = await self.outbox.last_change()
        if last != self.seen_change:
            await self.sender.send_pending()
            self.seen_change = last

    async def _cursor(self) -> Cursor:
        """Where to go on; at the first start, behind all acts: they are no news."""
        known = await self.outbox.cursor()
        if known.value is not None:
            return known
        info = await self.log.bus.stream_info(_STREAM)
        start = MailCursor(seq=int(info["state"]["last_seq"]))
        return await self.outbox.write(known, start, {})

    async def _follow(self, known: Cursor) -> None:
        """Note what each new act means for whom, act by act."""
        read, seen = _Round(), require(known.value).seq
        async for message in self.log.bus.scan(_STREAM, start=seen + 1):
            told = await self._told(message, read)
            if told and self._is_recent(told.action, message):
                break
            seen = message.seq
            if told and told.notices:
                known = await self._note(known, told, read)
        if seen > require(known.value).seq:
            await self.outbox.write(known, MailCursor(seq=seen), {})

    async def _told(self, message: Message, read: _Round) -> Told | None:
        """The act of *message* in its item's story; None for a foreign one, or a broken item."""
        content_id = subjects.item_of_editorial(message.subject)
        if content_id not in read.stories:
            read.stories[content_id] = await self._story(content_id)
        story = read.stories[content_id]
        return next((told for told in story if told.seq == message.seq), None)

    async def _story(self, content_id: str) -> list[Told]:
        try:
            return tell(content_id, [pair async for pair in self.log.acts(content_id)])
        except ContractError as broken:
            fields = [one.field for one in broken.errors]
            log.error("editorial_item_broken", content_id=content_id, fields=fields)
            return []

    async def _note(self, known: Cursor, told: Told, read: _Round) -> Cursor:
        """Add the mails of an act, and move the cursor behind it."""
        read.accounts = read.accounts or await self.accounts.all()
        content_id = told.notices[0].line.content_id
        mails = mails_of(told, read.stories[content_id], read.accounts, self.policy)
        return await self.outbox.write(known, MailCursor(seq=told.seq), mails)

    def _is_recent(self, action: Action, message: Message) -> bool:
        """Whether the same person may soon add an act that is told in its place."""
        return min(action.at, message.time) + QUIET_SPAN > utc_now(self.clock)
