"""The mail that brings the day's head of the audit log to the auditor, outside Loa's reach."""

from dataclasses import dataclass
from datetime import timedelta

from consumers.audit.heads import DailyHead
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.times import Clock, utc_now
from contracts.delivery import BatchKey, ChannelName
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail

_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class HeadMailer:
    """Mails heads to *address*, one for each day, over all processes. Raises BusError."""

    mailer: TransactionalMailer
    address: str
    clock: Clock

    async def send_once(self, head: DailyHead) -> None:
        """Start the mail of the head's day, unless it was started."""
        content_id = keys.transactional_content_id("audit head", head.day.isoformat())
        batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
        if await self.mailer.notices.ledger.state(batch) is None:
            await self.mailer.send_once(content_id, self._mail(head))

    def _mail(self, head: DailyHead) -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=TransactionalKind.AUDIT_HEAD,
            address=self.address,
            text=head.encode().decode(),
            at=now,
            expires_at=now + _LIFETIME,
        )
