"""The last mail to an address, stored in one commit with the change it reports.

A process that dies between the change and the mail leaves a pending entry in bucket
`subscribers`. Any process that serves the pages finishes it within a minute. The mail's
content_id is part of the entry, so the mail is sent once however often it is started."""

from dataclasses import dataclass, field
from functools import partial

import structlog
from pydantic import ValidationError

from consumers.subscribers.store import SubscriberStore, encode
from consumers.subscribers.tokens import AddressChange, TokenPurpose
from consumers.subscribers.transactional import TransactionalMailer
from contracts import keys
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.subscriptions.subscriber import Subscriber
from contracts.subscriptions.transactional import (
    ClosingMail,
    TransactionalKind,
    TransactionalMail,
    UnsubscribeResult,
    mask_address,
)
from producers.bus import BatchEntry, BusError
from producers.bus.periodic import every

log = structlog.get_logger()
_PENDING_PREFIX = "f."
_SIGNUP_PATH = "/dang-ky"
BY_SUBSCRIBER = "by the reader"
INTERVAL_S = 60.0


@dataclass
class ClosingMailer:
    """Deactivates or moves subscribers and sends the closing mail. Raises BusError."""

    store: SubscriberStore
    mailer: TransactionalMailer
    clock: Clock
    unreadable: set[str] = field(default_factory=set)

    async def deactivate(self, subscriber: Subscriber, *, erase: bool) -> UnsubscribeResult:
        """Deactivate a subscriber; with *erase*, delete the record of an inactive one too.

        When the bus falls silent after the commit, `run` finishes the rest. The content_id is made
        of the record, so two requests make one mail.
        """
        kind = TransactionalKind.ERASED if erase else TransactionalKind.GOODBYE
        name = keys.transactional_content_id("own", kind.value, encode(subscriber).decode())
        mail = self.new_mail(kind, subscriber.email)
        note = pending_entry(name, mail, subscriber.id if erase else "")
        if not await self.store.deactivate(subscriber.id, utc_now(self.clock), "page", note):
            if not erase or await self.store.find_by_id(subscriber.id) is None:
                return UnsubscribeResult.ALREADY_DONE
            # An erasure also deletes the data that unsubscribing keeps.
            await self.store.bucket.put(note.key, note.data)
        try:
            await self.finish(name)
        except BusError as error:
            log.warning("farewell_put_off", error=type(error).__name__)
            return UnsubscribeResult.IN_PROGRESS
        return UnsubscribeResult.DONE

    async def change_address(self, change: AddressChange, link: str) -> bool:
        """Change a subscriber's address, as `SubscriberStore.change_address`.

        *link* is the digest of the token and names this change.
        """
        name = keys.transactional_content_id("own", link)
        mail = self.new_mail(TransactionalKind.CHANGED, change.old, mask_address(change.new))
        note = partial(pending_entry, name, mail)
        is_changed = await self.store.change_address(change.id, change.old, change.new, note)
        if is_changed:
            await self.finish(name)
        return is_changed

    def new_mail(self, kind: TransactionalKind, address: str, other: str = "") -> TransactionalMail:
        now = utc_now(self.clock)
        return TransactionalMail(
            kind=kind,
            address=address,
            path=_SIGNUP_PATH,
            other=other,
            at=now,
            expires_at=now + TokenPurpose.CONFIRM.lifetime,
        )

    async def finish(self, name: str) -> bool:
        """Finish a pending change; False if it is finished already or never happened."""
        value = await self.store.bucket.get(_PENDING_PREFIX + name)
        if value is None:
            return False
        crash_point("farewell.kept")
        pending = ClosingMail.model_validate_json(value.data)
        is_purged = pending.forget and await self.store.purge_inactive(pending.forget)
        if is_purged and pending.erases_address:
            await self.store.purge_address_keys(pending.forget)
        if is_purged and pending.letter:
            await self.store.purge_leftovers(pending.letter.address)
        crash_point("farewell.forgotten")
        if pending.letter:
            await self.mailer.send_once(name, pending.letter)
        crash_point("farewell.begun")
        await self.store.bucket.purge(_PENDING_PREFIX + name)
        return True

    async def finish_all(self) -> None:
        """Finish every change that a crash or a silent bus has interrupted.

        An entry that this version can't read stays for another one, and does not block the rest.
        """
        for key in await self.store.bucket.keys(_PENDING_PREFIX):
            name = key.removeprefix(_PENDING_PREFIX)
            try:
                if await self.finish(name):
                    log.warning("farewell_finished")
            except ValidationError:
                if name not in self.unreadable:  # log it once
                    self.unreadable.add(name)
                    log.error("farewell_unreadable", content_id=name)

    async def run(self) -> None:
        """Finish pending changes once a minute, over outages of the bus."""
        await every(INTERVAL_S, self.finish_all)


def pending_entry(name: str, mail: TransactionalMail | None, forget: str) -> BatchEntry:
    """Build the entry that is stored in one commit with the change."""
    pending = ClosingMail(letter=mail, forget=forget)
    return BatchEntry(_PENDING_PREFIX + name, pending.model_dump_json().encode())
