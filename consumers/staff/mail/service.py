"""Follows the editorial log, and mails staff what each act, and each delay, means for them.

Any number of processes may run: who writes the cursor first has worked an act through. A process
that dies is followed by one that hands on what is pending, under the same ids.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import structlog

from consumers.editorial.log import EditorialLog
from consumers.staff.accounts import AccountStore
from consumers.staff.mail.deliveries import Counts, begun_sending, count_all, failure_mails
from consumers.staff.mail.item_history import (
    QUIET_SPAN,
    HistoryEntry,
    MailRules,
    Mails,
    history_of,
    mails_of,
    outdated_mails,
    overdue_mails,
)
from consumers.staff.mail.mornings import last_morning, next_morning
from consumers.staff.mail.outbox import MailCursor, Sending, StaffOutbox
from consumers.staff.mail.sender import StaffMailSender
from consumers.staff.policy import Policy
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.desk.deadlines import Deadlines
from contracts.editorial import Action, ActionKind
from contracts.errors import ContractError
from contracts.trace import StatusCounts
from producers.bus import Message, RevisionConflict
from producers.bus.periodic import attempt
from producers.bus.records import Versioned, require

log = structlog.get_logger()
INTERVAL_S = 5.0
JUDGE_INTERVAL_S = 60.0
_MOST_SENDING = 500
_STREAM = subjects.EDITORIAL.name
Cursor = Versioned[MailCursor | None]


@dataclass
class _Round:
    """Data of one pass: the accounts, when there was a mail to write, and items' histories.

    `read_to`: the last sequence of the log when the item's history was read.
    """

    cursor: Cursor
    rules: MailRules | None = None
    histories: dict[str, list[HistoryEntry]] = field(default_factory=dict)
    read_to: dict[str, int] = field(default_factory=dict)


class _Waiting(NamedTuple):
    """An item that waits, as a pass compares it.

    `head`: its last act; `since`: the one with which the wait began; `due`: until when, if known.
    """

    head: str
    since: str
    due: datetime | None


@dataclass
class StaffMailService:
    """Keep `run` running; each step does all that can be done now. Raises BusError."""

    log: EditorialLog
    accounts: AccountStore
    policy: Policy
    deadlines: Deadlines
    outbox: StaffOutbox
    sender: StaffMailSender
    counts: Counts
    issues_telling: Callable[[str], Awaitable[Sequence[str]]]
    """The issues of bulletins that readers have and that tell of an item."""
    clock: Clock
    judged_at: float = -math.inf
    seen_change: int = -1
    """The outbox's last change when everything pending was handed on."""
    waiting: dict[str, _Waiting] = field(default_factory=dict)

    async def run(self) -> None:
        """Do all steps again and again; what stops one does not stop the others."""
        while True:
            for step in (self.follow, self.remind, self.judge, self.send):
                await attempt(step)
            await asyncio.sleep(INTERVAL_S)

    async def follow(self) -> None:
        """Work through what is new in the log."""
        try:
            await self._follow(_Round(await self._cursor()))
        except RevisionConflict:  # another process was first
            log.info("staff_mail_overtaken")

    async def remind(self) -> None:
        """Tell once of each item that it has waited too long."""
        read = _Round(await self._cursor())
        try:
            await self._remind(read)
        except RevisionConflict:
            log.info("staff_mail_overtaken")

    async def judge(self) -> None:
        """Tell once of each published text whose delivery failed for some, when it has ended."""
        if self.clock() < self.judged_at + JUDGE_INTERVAL_S:
            return
        self.judged_at = self.clock()
        read = _Round(await self._cursor())
        for sending in require(read.cursor.value).sending:
            total = await count_all(sending, self.counts)
            if total.complete or sending.until <= utc_now(self.clock):
                await self._judge(read, sending, total)

    async def send(self) -> None:
        """Hand on what is pending, once a morning what is to go together."""
        cursor = await self._cursor()
        try:
            known = await self._close_morning(cursor)
        except RevisionConflict:
            return
        last = await self.outbox.last_change()
        if last != self.seen_change:
            await self.sender.send_pending(require(known.value).morning)
            self.seen_change = last

    async def _cursor(self) -> Cursor:
        """Where to go on. At the first start that is behind all acts: they are no news."""
        known = await self.outbox.cursor()
        if known.value is not None:
            return known
        start = MailCursor(
            seq=await self._last_seq(),
            morning=last_morning(utc_now(self.clock), self.deadlines.days),
            overdue=tuple((await self._late_items()).values()),
        )
        return await self.outbox.write(known, start)

    async def _follow(self, read: _Round) -> None:
        """Note what each new act means for whom, act by act."""
        seen = require(read.cursor.value).seq
        async for message in self.log.bus.scan(_STREAM, start=seen + 1):
            entry = await self._entry(message, read)
            if entry and self._is_recent(entry.action, message):
                break
            seen = message.seq
            if entry and entry.notices:
                await self._note(subjects.item_of_editorial(message.subject), entry, read)
        if seen > require(read.cursor.value).seq:
            await self._write(read, seq=seen)

    async def _note(self, content_id: str, entry: HistoryEntry, read: _Round) -> None:
        """Add the mails of an act, and move the cursor behind it."""
        history, sending = read.histories[content_id], require(read.cursor.value).sending
        mails = [mails_of(entry, history, await self._rules(read))]
        if entry.action.kind is ActionKind.WITHDRAW:
            mails += [one async for one in self._outdated(content_id, entry, read)]
        if begun := begun_sending(content_id, entry, history):
            sending = _newest((*sending, begun))
        await self._write(read, *mails, seq=entry.seq, sending=sending)
        crash_point("staff_mail.noted")

    async def _outdated(
        self, content_id: str, entry: HistoryEntry, read: _Round
    ) -> AsyncIterator[Mails]:
        """The mails about each issue that tells of an item that *entry* withdrew."""
        for issue in await self.issues_telling(content_id):
            if history := await self._history(issue):
                state, rules = history[-1].state, await self._rules(read)
                yield outdated_mails(issue, state, entry, content_id, rules)

    async def _judge(self, read: _Round, sending: Sending, total: StatusCounts) -> None:
        """Tell what failed, and look after these deliveries no more."""
        history = await self._history(sending.content_id)
        entry = next((one for one in history if one.action.digest == sending.act), None)
        mails = failure_mails(entry, total, await self._rules(read)) if entry else {}
        left = (one for one in require(read.cursor.value).sending if one != sending)
        try:
            await self._write(read, mails, sending=tuple(left))
        except RevisionConflict:
            log.info("staff_mail_overtaken")

    async def _write(self, read: _Round, *mails: Mails, **changes: object) -> None:
        """Add *mails*, and move the cursor on."""
        cursor = require(read.cursor.value).model_copy(update=changes)
        read.cursor = await self.outbox.write(read.cursor, cursor, *mails)

    async def _rules(self, read: _Round) -> MailRules:
        if read.rules is None:
            after = max(utc_now(self.clock), require(read.cursor.value).morning)
            morning = next_morning(after, self.deadlines.days)
            accounts = await self.accounts.all()
            read.rules = MailRules(accounts, self.policy, self.deadlines, morning)
        return read.rules

    async def _entry(self, message: Message, read: _Round) -> HistoryEntry | None:
        """The act of *message* in its item's history; None for a foreign one, or a broken item."""
        content_id = subjects.item_of_editorial(message.subject)
        if message.seq > read.read_to.get(content_id, 0):  # stored after the history was read
            read.read_to[content_id] = await self._last_seq()
            read.histories[content_id] = await self._history(content_id)
        history = read.histories[content_id]
        return next((entry for entry in history if entry.seq == message.seq), None)

    async def _last_seq(self) -> int:
        return int((await self.log.bus.stream_info(_STREAM))["state"]["last_seq"])

    async def _history(self, content_id: str) -> list[HistoryEntry]:
        try:
            return history_of(content_id, [pair async for pair in self.log.acts(content_id)])
        except ContractError as broken:
            fields = [one.field for one in broken.errors]
            log.error("editorial_item_broken", content_id=content_id, fields=fields)
            return []

    def _is_recent(self, action: Action, message: Message) -> bool:
        """Whether the same person may soon add an act that is told in its place."""
        return min(action.at, message.time) + QUIET_SPAN > utc_now(self.clock)

    async def _remind(self, read: _Round) -> None:
        """Note each delay that has not been told, item by item."""
        late, told = await self._late_items(), {*require(read.cursor.value).overdue}
        now_late = {*late.values()}
        for content_id, since in late.items():
            if since not in told:
                await self._note_delay(content_id, since, now_late, read)

    async def _note_delay(self, content_id: str, since: str, late: Set[str], read: _Round) -> None:
        """Add the mails of an item that waits *since* an act, unless it has moved on."""
        history = await self._history(content_id)
        began = history[-1].began if history else None
        if began is None or began.digest != since:
            return
        known = require(read.cursor.value).overdue
        mails = overdue_mails(content_id, history[-1], await self._rules(read))
        await self._write(read, mails, overdue=(*(one for one in known if one in late), since))

    async def _late_items(self) -> dict[str, str]:
        """The items that have waited for longer than their deadline, and since which acts."""
        items, now = await self.log.waiting_items(), utc_now(self.clock)
        for content_id, state in items.items():
            known = self.waiting.get(content_id)
            if known is None or known.head != state.head:
                await self._look_at(content_id)
        self.waiting = {name: one for name, one in self.waiting.items() if name in items}
        return {name: one.since for name, one in self.waiting.items() if one.due and one.due <= now}

    async def _look_at(self, content_id: str) -> None:
        """Note since when an item waits; later passes compare that alone."""
        if history := await self._history(content_id):
            last = history[-1]
            since = last.began.digest if last.began else ""
            self.waiting[content_id] = _Waiting(last.state.head, since, last.due(self.deadlines))

    async def _close_morning(self, known: Cursor) -> Cursor:
        """Let nothing more come into the mails of a morning that has begun."""
        morning = last_morning(utc_now(self.clock), self.deadlines.days)
        cursor = require(known.value)
        if morning <= cursor.morning:
            return known
        return await self.outbox.write(known, cursor.model_copy(update={"morning": morning}))


def _newest(sending: tuple[Sending, ...]) -> tuple[Sending, ...]:
    """As many deliveries as are looked after at once."""
    for one in sending[:-_MOST_SENDING]:
        log.warning("staff_mail_delivery_dropped", content_id=one.content_id, revision=one.revision)
    return sending[-_MOST_SENDING:]
