"""Somebody wants to be forgotten: everything we know under their Zalo id goes, here and at Zalo.

Each step may be repeated, and all of them are until the last has succeeded. Later words of the same
person, a new `follow` say, begin anew and are not touched.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from channels.base import Verdict
from channels.zalo.census import Lists
from channels.zalo.envelope import json_object
from channels.zalo.events import ZaloEvent
from channels.zalo.hours import chance
from channels.zalo.outcomes import EXPECTED, outcome_of
from consumers.followers import Followers
from consumers.settle import Later
from consumers.suppressions import Suppressions
from contracts import subjects
from contracts.crash import crash_point
from contracts.delivery import ChannelName
from contracts.records import NoticeRecord
from producers.bus import Bus, Conflict, Value

log = structlog.get_logger()
WITHDRAWN = "withdrawn"
NEVER = {Verdict.FAILED, Verdict.SUPPRESSED}
AGAIN_S = 60.0
SLOWEST_S = 600.0


def address_of(user_id: str) -> str:
    """How somebody is named to whom Zalo messages go by their id, and not by phone."""
    return f"zalo:{user_id}"


@dataclass
class Erasure:
    """Obeys `user_withdraw`."""

    bus: Bus
    followers: Followers
    suppressions: Suppressions
    lists: Lists

    async def erase(self, event: ZaloEvent) -> None:
        """Raises Later until everything is gone, BusError when the bus is away."""
        if await self.followers.forget(event.user_id, event.at):
            address = address_of(event.user_id)
            await self.suppressions.add(
                ChannelName.ZALO, address, WITHDRAWN, until=None, at=event.at
            )
            # What another worker noted meanwhile of an older event.
            await self.followers.forget(event.user_id, event.at)
        notices = await self.clear_notices(event.user_id)
        await self.clear_receipts(event.user_id, but=event.key)
        crash_point("zalo.person_purged")
        await self.erase_at_zalo(event.user_id)
        await self.clear_receipts(event.user_id)  # the wish itself last: until then it comes again
        log.info("zalo_person_erased", notices=notices)

    async def clear_receipts(self, user_id: str, but: str = "") -> None:
        """Erase what Zalo told of the person from its stream, except for the event *but*."""
        subject, named = subjects.receipt(ChannelName.ZALO, "*"), user_id.encode()
        async for message in self.bus.scan(subjects.RECEIPTS.name, subject):
            if named in message.data and is_about(message.data, user_id, but):
                await self.bus.erase(subjects.RECEIPTS.name, message.seq)

    async def clear_notices(self, user_id: str) -> int:
        """Take the id out of every notice; one that has no other address goes altogether."""
        cleared = 0
        async for key, value in self.notices():
            while value and concerns(value, user_id):
                value = await self.clear(key, value)
                cleared += value is None
        return cleared

    async def notices(self) -> AsyncIterator[tuple[str, Value | None]]:
        """Every contact; other entries of the bucket hold none, and have a dot in their keys."""
        async for key, value in self.bus.bucket(subjects.NOTICES.name).values():
            if "." not in key:
                yield key, value

    async def clear(self, key: str, value: Value) -> Value | None:
        """None when done, else what somebody else wrote meanwhile.

        A notice that stays is kept for thirty days from now on: the bucket counts from each write.
        """
        bucket = self.bus.bucket(subjects.NOTICES.name)
        record = NoticeRecord.model_validate_json(value.data)
        contact = record.contact.model_copy(update={"zalo_user_id": None})
        if not (contact.email or contact.phone):
            await bucket.purge(key)
            return None
        left = record.model_copy(update={"contact": contact})
        try:
            await bucket.swap(key, left.model_dump_json().encode(), value.revision)
        except Conflict:
            return await bucket.get(key)
        return None

    async def erase_at_zalo(self, user_id: str) -> None:
        """Whom Zalo does not know is erased there already."""
        try:
            await self.lists.forget(user_id, lambda: False)
        except EXPECTED as why:
            said = outcome_of(why, self.lists.api.clock.now(), chance)
            if said.verdict in NEVER:
                log.info("zalo_person_unknown_there", reason=said.reason)
                return
            raise Later(min(said.after_s or AGAIN_S, SLOWEST_S), said.reason) from why


def is_about(data: bytes, user_id: str, but: str) -> bool:
    """Whether a stored event names this very person, and is not the event *but*."""
    said = json_object(data) or {}
    return said.get("user_id") == user_id and said.get("key") != but


def concerns(value: Value, user_id: str) -> bool:
    """Whether a notice goes to this person by this id; one that can't be read goes to nobody."""
    try:
        record = NoticeRecord.model_validate_json(value.data)
    except ValidationError:
        return False
    return record.contact.zalo_user_id == user_id
