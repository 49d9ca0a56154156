"""A trial of an item's mail, sent through the ledger to the person who asks for it."""

from dataclasses import dataclass
from datetime import timedelta

from consumers.desk.access import ItemAccess, item_facts
from consumers.errors import KeyFileBroken
from consumers.messages import field_error
from consumers.reporting.preview import PublicationFinder
from consumers.staff.mail.addresses import StaffAddresses
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.times import Clock, utc_now
from contracts.desk.previews import Wanted
from contracts.desk.roles import READ_DRAFTS
from contracts.errors import Invalid
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from producers.bus import Bus

_LIFETIME = timedelta(hours=1)
"""A trial that has not arrived by then is sent no more."""


@dataclass
class TrialMails:
    """Sends trials, each once."""

    bus: Bus
    clock: Clock
    access: ItemAccess
    addresses: StaffAddresses
    mailer: TransactionalMailer

    async def send(self, wanted: Wanted, click: str) -> None:
        """Send the item's mail to the account's own address; a repeated *click* sends no other.

        Raises Invalid for an account without an address, an unknown item or an unfinished text,
        Forbidden, BusError.
        """
        now = utc_now(self.clock)
        found = await PublicationFinder(self.bus, now).find(wanted.content_id, wanted.revision)
        await self.access.require(
            wanted.account, item_facts(found.written, found.item), READ_DRAFTS
        )
        publication = found.publication
        mail = TransactionalMail(
            kind=TransactionalKind.TRIAL,
            address=await self._address(wanted.account),
            publication=publication,
            at=now,
            expires_at=now + _LIFETIME,
        )
        name = keys.transactional_content_id("trial", wanted.account, publication.key, click)
        await self.mailer.send_once(name, mail)

    async def _address(self, account_id: str) -> str:
        account = await self.access.accounts.find(account_id)
        try:
            address = self.addresses.read(account) if account else ""
        except KeyFileBroken:
            address = ""
        if not address:
            raise Invalid(field_error("email", "trial_without_address"))
        return address
