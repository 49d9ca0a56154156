"""Hands pending mails to the ledger, each under an id of its own, to the address of the account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from consumers.editorial.log import EditorialLog
from consumers.errors import KeyFileBroken
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.item_history import HistoryEntry, history_of
from consumers.staff.mail.notices import ASKS, may_still_receive
from consumers.staff.mail.outbox import AccountOutbox, PendingMail, StaffOutbox
from consumers.staff.policy import Policy
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now, utc_time
from contracts.desk.deadlines import step_of
from contracts.desk.staff_mail import StaffMailLine
from contracts.errors import ContractError
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from producers.metrics import STAFF_MAILS

log = structlog.get_logger()
_LIFETIME = timedelta(days=3)
"""The time after which a mail that was not delivered is old news."""
_BEGUN = "begun"
"""The result of a mail that is handed on."""


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

        Dropped is what is for an account without an address, or for one that may no longer be told
        it, and what asks for a step that the item waits for no more.
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
        results = [await self._result(account, one, items) if address else result for one in due]
        told = [one for one, found in zip(due, results, strict=True) if found == _BEGUN]
        for name, mails in _letters(account.id, told).items():
            lines = tuple(mail.line for mail in mails)
            await self.mailer.send_once(name, self._letter(address, lines))
            crash_point("staff_mail.begun")
        for mail, found in zip(due, results, strict=True):
            STAFF_MAILS.add(mail.line.kind, found)
        await self.outbox.remove(account.id, due)

    async def _result(self, account: Account, mail: PendingMail, items: "_Items") -> str:
        """The decision on a mail to an account with an address, by item and roles as they are."""
        last = await items.last(mail.line.content_id)
        if last and mail.line.kind in ASKS and not _still_asks(mail, last):
            return "moved_on"
        is_told = last and may_still_receive(mail.line, account, last.state, self.policy)
        return _BEGUN if is_told else "no_right"

    def _address_of(self, account: Account) -> tuple[str, str]:
        """Where to send, and the result for the metric."""
        if not account.is_active:
            return "", "inactive"
        try:
            address = self.addresses.read(account)
        except KeyFileBroken:
            log.error("staff_address_unreadable", account=account.id)
            return "", "unreadable"
        return address, _BEGUN if address else "no_address"

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
    known: dict[str, HistoryEntry | None] = field(default_factory=dict)

    async def last(self, content_id: str) -> HistoryEntry | None:
        """The item's last act; None for an item whose acts contradict each other."""
        if content_id not in self.known:
            self.known[content_id] = await self._read(content_id)
        return self.known[content_id]

    async def _read(self, content_id: str) -> HistoryEntry | None:
        try:
            acts = [pair async for pair in self.log.acts(content_id)]
            return next(iter(history_of(content_id, acts)[-1:]), None)
        except ContractError:  # the service names it
            return None


def _still_asks(mail: PendingMail, last: HistoryEntry) -> bool:
    """Whether the item is in the wait in which *mail* was noted; an older version noted none."""
    began = last.began.digest if last.began else ""
    return step_of(last.state) == mail.line.step and mail.began in ("", began)


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
