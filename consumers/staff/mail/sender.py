"""Hands pending mails to the ledger, each under an id of its own, to the address of the account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from consumers.errors import KeyFileBroken
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.outbox import PendingMail, StaffOutbox
from consumers.subscribers.transactional import TransactionalMailer
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from producers.metrics import STAFF_MAILS

log = structlog.get_logger()
_LIFETIME = timedelta(days=3)
"""What was not delivered until then is old news."""


@dataclass
class StaffMailSender:
    """Raises BusError; what was handed on before it is not sent again."""

    mailer: TransactionalMailer
    accounts: AccountStore
    addresses: StaffAddresses
    outbox: StaffOutbox
    desk_url: Callable[[], str]
    clock: Clock

    async def send_pending(self) -> None:
        """Hand on every pending mail; one for an account without an address is dropped."""
        async for account_id, box in self.outbox.outboxes():
            account = await self.accounts.find(account_id)
            address, result = self._address_of(account)
            for mail in box.mails:
                if address:
                    await self.mailer.send_once(mail.id, self._letter(address, mail))
                STAFF_MAILS.add(mail.line.kind, result)
            await self.outbox.remove(account_id, box.mails)

    def _address_of(self, account: Account | None) -> tuple[str, str]:
        """Where to send, and the result for the metric."""
        if account is None or not account.is_active:
            return "", "inactive"
        try:
            address = self.addresses.read(account)
        except KeyFileBroken:
            log.error("staff_address_unreadable", account=account.id)
            return "", "unreadable"
        return address, "begun" if address else "no_address"

    def _letter(self, address: str, mail: PendingMail) -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=TransactionalKind.STAFF,
            address=address,
            desk_url=self.desk_url(),
            lines=(mail.line,),
            at=now,
            expires_at=now + _LIFETIME,
        )
