"""Transactional mail to one address: at most three a day, delivered through the ledger.

The mail is stored in bucket `notices` until its batch ends. The content_id of a mail that
strangers can request is made of a keyed hash of the address, the day and a number from 0 to 2.
Its ledger entry is created once and stays, so it counts the mails of a day over all processes.
Mail that only the subscriber's own action causes has a content_id of its own and does not count."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from structlog.contextvars import bound_contextvars

from consumers.case_notices.recipients import CaseNotices
from consumers.ledger.codec import BatchRows
from consumers.ledger.entry import LedgerEntry, notice_entry
from consumers.recipients import (
    BatchRecipients,
    RecipientStrategy,
    SingleRecipient,
    SuppressionList,
)
from consumers.subscribers.quota import HourlyMailQuota, Share
from consumers.subscribers.store import SubscriberStore
from consumers.suppression.store import BOUNCE_PREFIX
from contracts import keys, subjects
from contracts.base.addresses import counted_mailbox
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.delivery import BatchKey, ChannelName
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.text.moments import VIETNAM
from contracts.trials.records import TRIAL_RECIPIENT
from producers.bus import Bus, NoReply, RevisionConflict, records

log = structlog.get_logger()
DAILY_LIMIT = 3
_ACCESS_KINDS = (TransactionalKind.CONFIRM, TransactionalKind.MANAGE, TransactionalKind.CHANGE)
"""Kinds whose links prove that the address is reachable."""


@dataclass
class TransactionalMailer:
    """Sends transactional mail. Raises BusError."""

    bus: Bus
    notices: CaseNotices
    subscribers: SubscriberStore
    clock: Clock
    quota: HourlyMailQuota
    last_send_s: float = 0.0

    async def send(self, mail: TransactionalMail) -> str | None:
        """Start a mail; return its content_id, or None if the address has had its daily three.

        Raises MailQuotaReached when the hourly quota is used up. The quota is checked first and for
        every address alike, so the answer reveals nothing about an address.
        """
        hour = await self.quota.take()
        content_id = await self.send_within_daily_limit(mail)
        if content_id is None:
            self.quota.give_back(hour)
            log.warning("letter_withheld", kind=mail.kind.value)
        return content_id

    async def send_access(self, mail: TransactionalMail, *, is_reader: bool) -> None:
        """Answer a request for the way in to a subscription.

        Readers have a share of their own, so that strangers can't use up the way in. While the
        strangers' share is used up, a stranger's mail is withheld silently, because a reader's
        would be sent; the answer takes as long. Raises MailQuotaReached for every address alike.
        """
        share = await self.quota.take_access(is_reader=is_reader)
        if share is Share.WITHHELD:
            log.warning("letter_withheld", kind=mail.kind.value)
            await asyncio.sleep(self.last_send_s)
            return
        began = time.monotonic()
        if await self.send_within_daily_limit(mail) is None:
            await self.quota.give_back_access(share)
            log.warning("letter_withheld", kind=mail.kind.value)
        self.last_send_s = time.monotonic() - began

    async def send_within_daily_limit(self, mail: TransactionalMail) -> str | None:
        """Start a mail under the first free content_id of today."""
        for number in range(DAILY_LIMIT):
            content_id = self.numbered_content_id(mail, number)
            batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
            if await self.notices.ledger.state(batch) is not None:
                continue
            if await self.store_and_start(batch, mail):
                return content_id
        return None

    async def send_once(self, content_id: str, mail: TransactionalMail) -> None:
        """Start a mail under this content_id; repeated calls send it once."""
        await self.store_and_start(BatchKey(ChannelName.EMAIL, content_id, 1, 0), mail)

    async def is_open(self, content_id: str) -> bool:
        """Whether a mail with this content_id was started and has not ended."""
        state = await self.notices.ledger.state(BatchKey(ChannelName.EMAIL, content_id, 1, 0))
        return state is not None and not state.value.closed_at

    async def recall(self, content_id: str) -> None:
        """Delete a mail that has not ended, so that it ends as suppressed unless it has left."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        if await bucket.get(content_id) is not None:
            await bucket.purge(content_id)
            log.info("letter_recalled", content_id=content_id)

    def numbered_content_id(self, mail: TransactionalMail, number: int) -> str:
        """Return the content_id of an address's mail of today with this *number*."""
        return letter_id(self.subscribers, mail.address, utc_now(self.clock), number)

    async def store_and_start(self, batch: BatchKey, mail: TransactionalMail) -> bool:
        """Start a mail under this content_id; False if the id is used or was sent already.

        A process that stored another mail here may have died before its entry, so the batch is
        started in any case.
        """
        is_stored = await self.store_mail(batch.content_id, mail)
        crash_point("letter.stored")
        with bound_contextvars(content_id=batch.content_id):
            entry = notice_entry(0, TRIAL_RECIPIENT if mail.trial_unit else "", self.clock())
            is_created = await self.notices.start_batch(batch, entry)
        if is_stored and not is_created and await self.discard_if_ended(batch):
            return False
        if is_stored:
            log.info("letter_begun", kind=mail.kind.value, content_id=batch.content_id)
        return is_stored

    async def discard_if_ended(self, batch: BatchKey) -> bool:
        """Purge a stored mail whose content_id had ended before; True if it was purged.

        A mail that another process has sent meanwhile is purged already.
        """
        state = await self.notices.ledger.state(batch)
        bucket = self.bus.bucket(subjects.NOTICES.name)
        if state is None or not state.value.closed_at or await bucket.get(batch.content_id) is None:
            return False
        await bucket.purge(batch.content_id)
        return True

    async def store_mail(self, content_id: str, mail: TransactionalMail) -> bool:
        """Store a mail; True if it is the stored one. After silence only a read can tell."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        marked = mail.model_copy(update={"write": secrets.token_hex(8)})
        data = marked.model_dump_json().encode()
        try:
            await bucket.create(content_id, data)
        except (RevisionConflict, NoReply):
            value = await bucket.get(content_id)
            if value is None:
                raise
            return value.data == data
        return True


def letter_id(subscribers: SubscriberStore, address: str, at: datetime, number: int) -> str:
    """The content_id of an address's letter of a day with this *number*."""
    day = f"{at.astimezone(VIETNAM):%Y-%m-%d}"
    address_key = subscribers.key_of_address(counted_mailbox(address))
    return keys.transactional_content_id(address_key, day, "asked", str(number))


@dataclass
class TransactionalRecipients(RecipientStrategy):
    """Recipient strategy for transactional mail."""

    bus: Bus
    suppressions: SuppressionList

    def serves(self, batch: BatchKey) -> bool:
        return keys.is_transactional(batch.content_id)

    async def recipients(self, batch: BatchKey, entry: LedgerEntry) -> BatchRecipients:
        """Return the recipient, with an empty address if the mail is gone."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        mail = (await records.read(bucket, batch.content_id, TransactionalMail)).value
        address = mail.address if mail else ""
        reason = await self.suppressions.reason(batch.channel, address) if address else None
        if mail and reason and may_ignore_suppression(mail.kind, reason):
            reason = None
        rows, contact = BatchRows((entry.notice_recipient,)), SingleRecipient(address, reason or "")
        return BatchRecipients(rows, contact, is_last_channel=True)

    async def is_last_channel(self, _batch: BatchKey, _entry: LedgerEntry) -> bool:
        """Return True: e-mail is the only channel."""
        return True

    async def on_closed(self, batch: BatchKey, entry: LedgerEntry, _now: float) -> None:
        """Purge the mail with its address; idempotent."""
        await self.bus.bucket(subjects.NOTICES.name).purge(batch.content_id)
        status = next(iter(entry.count_by_status()))
        log.info("letter_ended", status=status.value)


def may_ignore_suppression(kind: TransactionalKind, reason: str) -> bool:
    """Whether a mail may go to a suppressed address.

    A mailbox that bounced once may work again, so access links are sent. After a complaint no mail
    is sent that strangers can request.
    """
    return kind in _ACCESS_KINDS and reason.startswith(BOUNCE_PREFIX)
