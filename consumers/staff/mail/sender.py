"""Hands pending mails to the ledger, each under an id of its own, to the address of the account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from consumers.editorial.log import EditorialLog
from consumers.errors import KeyFileBroken
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.notices import may_still_receive
from consumers.staff.mail.outbox import AccountOutbox, PendingMail, StaffOutbox
from consumers.staff.policy import Policy
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now, utc_time
from contracts.desk.staff_mail import StaffMailLine
from contracts.editorial import ItemState
from contracts.errors import ContractError
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
    log: EditorialLog
    policy: Policy

    async def send_pending(self, morning: datetime) -> None:
        """Hand on what is pending, and what was to wait until *morning*.

        What is for an account without an address is dropped, and what is for one whose roles no
        longer allow it.
        """
        accounts = {account.id: account for account in await self.accounts.all()}
        items = _Items(self.log)
        async for account_id, box in self.outbox.outboxes():
            due = [one for one in box.mails if one.slot is None or one.slot <= morning]
            if account_id not in accounts:  # nor is a record that Loa did not seal
                await self._drop_old(account_id, box)
            elif due:
                await self._send(accounts[account_id], due, items)

    async def _drop_old(self, account_id: str, box: AccountOutbox) -> None:
        """Drop old mails to accounts that no longer exist."""
        newest = max(mail.slot or mail.at for mail in box.mails)
        if newest + _LIFETIME < utc_now(self.clock):
            await self.outbox.drop(account_id)
            log.info("staff_mail_account_gone", account=account_id, mails=len(box.mails))

    async def _send(self, account: Account, due: Sequence[PendingMail], items: "_Items") -> None:
        address, result = self._address_of(account)
        told = [one for one in due if address and await self._may_receive(account, one, items)]
        for name, mails in _letters(account.id, told).items():
            lines = tuple(mail.line for mail in mails)
            await self.mailer.send_once(name, self._letter(address, lines))
            crash_point("staff_mail.begun")
        for mail in due:
            is_barred = address and mail not in told
            STAFF_MAILS.add(mail.line.kind, "no_right" if is_barred else result)
        await self.outbox.remove(account.id, due)

    async def _may_receive(self, account: Account, mail: PendingMail, items: "_Items") -> bool:
        """Whether the account's roles, as they are now, still let it be told."""
        state = await items.state(mail.line.content_id)
        return state is not None and may_still_receive(mail.line, account, state, self.policy)

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


@dataclass
class _Items:
    """Items as they are now, each read once in a pass."""

    log: EditorialLog
    states: dict[str, ItemState | None] = field(default_factory=dict)

    async def state(self, content_id: str) -> ItemState | None:
        """None for an item whose acts contradict each other."""
        if content_id not in self.states:
            try:
                self.states[content_id] = (await self.log.read(content_id)).state
            except ContractError:  # the service names it
                self.states[content_id] = None
        return self.states[content_id]


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
