"""Hands pending mails to the ledger, each under an id of its own, to the address of the account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from consumers.errors import KeyFileBroken
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.outbox import PendingMail, StaffOutbox
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now, utc_time
from contracts.desk.staff_mail import StaffMailLine
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

    async def send_pending(self, morning: datetime) -> None:
        """Hand on what is pending, and what was to wait until *morning*.

        What is for an account without an address is dropped.
        """
        accounts = {account.id: account for account in await self.accounts.all()}
        async for account_id, box in self.outbox.outboxes():
            due = [one for one in box.mails if one.slot is None or one.slot <= morning]
            if due and account_id in accounts:  # a record that Loa did not seal is not among them
                await self._send(accounts[account_id], due)

    async def _send(self, account: Account, due: Sequence[PendingMail]) -> None:
        address, result = self._address_of(account)
        for name, mails in _letters(account.id, due).items():
            if address:
                lines = tuple(mail.line for mail in mails)
                await self.mailer.send_once(name, self._letter(address, lines))
                crash_point("staff_mail.begun")
        for mail in due:
            STAFF_MAILS.add(mail.line.kind, result)
        await self.outbox.remove(account.id, due)

    def _address_of(self, account: Account) -> tuple[str, str]:
        """Where to send, and the result for the metric."""
        if not account.is_active:
            return "", "inactive"
        try:
            address = self.addresses.read(account)
        except KeyFileBroken:
            log.error("staff_address_unreadable", account=account.id)
            return "", "unreadable"
        return address, "begun" if address else "no_address"

    def _letter(self, address: str, lines: tuple[StaffMailLine, ...]) -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=TransactionalKind.STAFF,
            address=address,
            desk_url=self.desk_url(),
            lines=tuple(_begun(line, now) for line in lines),
            at=now,
            expires_at=now + _LIFETIME,
        )


def _begun(line: StaffMailLine, now: datetime) -> StaffMailLine:
    """The line without a time of publication that has come."""
    is_ahead = line.begins is not None and line.begins > now
    return line if is_ahead else line.model_copy(update={"begins": None})


def _letters(account_id: str, due: Sequence[PendingMail]) -> Mapping[str, list[PendingMail]]:
    """The letters that *due* makes, by their ids: one for each mail, and one for a morning."""
    letters: dict[str, list[PendingMail]] = {}
    for mail in due:
        name = mail.id
        if mail.slot:
            morning = utc_time(mail.slot.timestamp()).isoformat()
            name = keys.transactional_content_id("staff morning", account_id, morning)
        letters.setdefault(name, []).append(mail)
    return letters
