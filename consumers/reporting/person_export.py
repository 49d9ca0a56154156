"""All that Loa keeps about one person, for a request about a person's data.

A person is named by a mail address, by a subscriber's id, or by the id at the Official Account."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from consumers.case_notices.erasure import parse_letter, parse_notice
from consumers.progress import report_progress
from consumers.reporting.person_deliveries import PersonDeliveries
from consumers.subscribers.store import SubscriberStore, same_address
from consumers.subscribers.transactional import DAILY_LIMIT, letter_id
from consumers.suppression.store import SoftFailures, SuppressionStore
from consumers.zalo.erasure import zalo_address
from consumers.zalo.followers import FollowerStore
from contracts import subjects
from contracts.case import ZALO_USER_PREFIX, Contact
from contracts.delivery import ChannelName
from contracts.subscriptions.person_export import (
    ExportedDelivery,
    ExportedFollower,
    ExportedLetter,
    ExportedNotice,
    ExportedSuppression,
    PersonExport,
)
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus, records

Facts = dict[str, Any]
Concerns = Callable[[Contact], bool]
_LETTERS_FOR = timedelta(days=31)
"""How far back letters are looked for: their ids are made of the day and a hash of the address."""


@dataclass
class PersonExporter:
    """Reads every place that holds something of a person. Raises BusError or LedgerError."""

    bus: Bus
    subscribers: SubscriberStore
    suppressions: SuppressionStore
    followers: FollowerStore
    now: datetime

    def __post_init__(self) -> None:
        self.ledger = PersonDeliveries(self.bus)

    async def by_name(self, name: str) -> PersonExport:
        """All about an address, an id, or `zalo:` and an id at the Official Account."""
        if name.startswith(ZALO_USER_PREFIX):
            return await self.by_zalo_id(name.removeprefix(ZALO_USER_PREFIX))
        return await (self.by_address(name) if "@" in name else self.by_id(name))

    async def by_address(self, address: str) -> PersonExport:
        subscriber = await self.subscribers.find_by_address(address)
        facts = await self.kept_for(lambda contact: same_address(contact.email or "", address))
        facts["letters"] = [one async for one in self.letters_to(address)]
        facts["deliveries"] += [one async for one in self.sent_letters(address)]
        facts |= await self.suppressed(ChannelName.EMAIL, address)
        return await self.export(subscriber, subscriber.id if subscriber else "", facts)

    async def by_id(self, id: str) -> PersonExport:
        """All about a subscriber's id; of an erased one what the ledger counts."""
        subscriber = await self.subscribers.find_by_id(id)
        if subscriber and subscriber.email:
            return await self.by_address(subscriber.email)
        return await self.export(subscriber, id, {})

    async def by_zalo_id(self, user_id: str) -> PersonExport:
        facts = await self.kept_for(lambda contact: contact.zalo_user_id == user_id)
        facts |= await self.suppressed(ChannelName.ZALO, zalo_address(user_id))
        follower = await self.followers.find(user_id)
        if follower:
            facts["follower"] = ExportedFollower(**follower.model_dump())
        return await self.export(None, "", facts)

    async def export(self, subscriber: Subscriber | None, id: str, facts: Facts) -> PersonExport:
        """Add the mails to a subscriber's id, and say what became of the person."""
        sent = [one async for one in self.ledger.to_subscriber(id)] if id else []
        deliveries = sorted([*facts.pop("deliveries", ()), *sent], key=lambda one: one.planned_at)
        state = "erased" if id and sent else "no_reader"
        if subscriber:
            state = "reader" if subscriber.active else "former_reader"
        facts |= {"subscriber": subscriber, "state": state, "deliveries": deliveries}
        return PersonExport(exported_at=self.now, **facts)

    async def kept_for(self, concerns: Concerns) -> Facts:
        """The case notices that still name the person, and their messages."""
        notices, deliveries = [], []
        report_progress("notices", read := 0)
        async for key, value in self.bus.bucket(subjects.NOTICES.name).values():
            report_progress("notices", read := read + 1)
            record = parse_notice(key, value)
            if record and concerns(record.contact):
                facts = record.model_dump() | {"contact": record.contact}
                notices.append(ExportedNotice(**facts, stored_at=value.created))
                deliveries += [one async for one in self.ledger.of_notice(record)]
        return {"notices": notices, "deliveries": deliveries}

    async def letters_to(self, address: str) -> AsyncIterator[ExportedLetter]:
        """Yield the letters to an address that wait to be sent."""
        async for _, value in self.bus.bucket(subjects.NOTICES.name).values():
            letter = parse_letter(value)
            if letter and same_address(letter.address, address):
                facts = letter.model_dump(include={"address", "at", "expires_at"})
                yield ExportedLetter(letter=letter.kind.value, **facts)

    async def sent_letters(self, address: str) -> AsyncIterator[ExportedDelivery]:
        """Yield what became of the letters that were asked for with an address."""
        for content_id in self.letter_ids(address):
            if delivery := await self.ledger.of_letter(content_id):
                yield delivery

    def letter_ids(self, address: str) -> Iterator[str]:
        name = partial(letter_id, self.subscribers, address)
        for days in range(_LETTERS_FOR.days):
            moment = self.now - timedelta(days=days)
            yield from (name(moment, number) for number in range(DAILY_LIMIT))

    async def suppressed(self, channel: ChannelName, address: str) -> Facts:
        """Why the address is left alone, and its recent failures."""
        key = self.suppressions.key_of_address(channel, address)
        facts: Facts = {}
        if suppression := await self.suppressions.find(key):
            own = suppression.model_dump(include={"reason", "at", "until"})
            facts["suppressions"] = [ExportedSuppression(channel=channel, **own)]
        soft = await records.read(self.suppressions.bucket, f"soft.{key}", SoftFailures)
        if soft.value:
            facts["soft_failures"] = sorted(soft.value.marks.values())
        return facts
