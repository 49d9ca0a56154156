"""Somebody wants to be forgotten: everything we know under their Zalo id goes, here and at Zalo.

Each step may be repeated. What is ours goes first, and once; while Zalo can't be asked, only that
is tried again. Later words of the same person, a new `follow` say, begin anew and are not touched.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from channels.base import Verdict
from channels.zalo.census import Lists
from channels.zalo.envelope import json_object, text_of
from channels.zalo.events import ZaloEvent
from channels.zalo.hours import chance
from channels.zalo.outcomes import EXPECTED, outcome_of
from consumers.register import read
from consumers.settle import Later
from consumers.suppressions import Suppressions
from consumers.zalo.followers import Followers
from contracts import subjects
from contracts.case import ZALO_USER
from contracts.crash import crash_point
from contracts.delivery import ChannelName
from contracts.records import NoticeRecord
from producers.bus import Bus, Conflict, Value

log = structlog.get_logger()
WITHDRAWN = "withdrawn"
NEVER = {Verdict.FAILED, Verdict.SUPPRESSED}
AGAIN_S = 60.0
SLOWEST_S = 600.0


class Cleared(BaseModel):
    """Bucket `control`, until Zalo has erased too: what is ours is gone, and is not sought again.

    A backup takes that bucket first, so that no older copy of anything comes back beside this.
    """

    model_config = ConfigDict(frozen=True)

    notices: int
    start: int
    """From where on RECEIPTS may name the person: the wish itself, and what came after it."""


def place(event: ZaloEvent) -> str:
    """Nothing in it tells of whom it is."""
    return f"erasing.zalo.{event.key}"


def address_of(user_id: str) -> str:
    """How somebody is named to whom Zalo messages go by their id, and not by phone."""
    return f"{ZALO_USER}{user_id}"


@dataclass
class Erasure:
    """Obeys `user_withdraw`."""

    bus: Bus
    followers: Followers
    suppressions: Suppressions
    lists: Lists

    async def erase(self, event: ZaloEvent) -> None:
        """Raises Later until everything is gone, BusError when the bus is away."""
        cleared = await self.cleared(event) or await self.clear_here(event)
        crash_point("zalo.person_purged")
        await self.erase_at_zalo(event.user_id)
        await self.bus.bucket(subjects.CONTROL.name).purge(place(event))
        # The wish itself last: until then it comes again.
        await self.clear_receipts(event.user_id, start=cleared.start)
        log.info("zalo_person_erased", notices=cleared.notices)

    async def cleared(self, event: ZaloEvent) -> Cleared | None:
        return (await read(self.bus.bucket(subjects.CONTROL.name), place(event), Cleared)).value

    async def clear_here(self, event: ZaloEvent) -> Cleared:
        """Erase what we know ourselves, and note that it is done."""
        if await self.followers.forget(event.user_id, event.at):
            address = address_of(event.user_id)
            await self.suppressions.add(
                ChannelName.ZALO, address, WITHDRAWN, until=None, at=event.at
            )
            # What another worker noted meanwhile of an older event.
            await self.followers.forget(event.user_id, event.at)
        notices = await self.clear_notices(event.user_id)
        start = await self.clear_receipts(event.user_id, but=event.key)
        done = Cleared(notices=notices, start=start)
        bucket = self.bus.bucket(subjects.CONTROL.name)
        await bucket.put(place(event), done.model_dump_json().encode())
        return done

    async def clear_receipts(self, user_id: str, *, but: str = "", start: int = 1) -> int:
        """Erase what Zalo told of the person from its stream, except for the event *but*.

        Answers where a later look has to start.
        """
        subject, named = subjects.receipt(ChannelName.ZALO, "*"), user_id.encode()
        kept, last = 0, start - 1
        async for message in self.bus.scan(subjects.RECEIPTS.name, subject, start):
            last = message.seq
            if named not in message.data or not is_about(message.data, user_id):
                continue
            if but and key_of(message.data) == but:
                kept = kept or message.seq
            else:
                await self.bus.erase(subjects.RECEIPTS.name, message.seq)
        return kept or last + 1

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


def is_about(data: bytes, user_id: str) -> bool:
    """Whether a stored event names this very person."""
    return text_of(json_object(data), "user_id") == user_id


def key_of(data: bytes) -> str:
    return text_of(json_object(data), "key")


def concerns(value: Value, user_id: str) -> bool:
    """Whether a notice goes to this person by this id; one that can't be read goes to nobody."""
    try:
        record = NoticeRecord.model_validate_json(value.data)
    except ValidationError:
        return False
    return record.contact.zalo_user_id == user_id
