"""Follower store: who follows the Official Account, and the last interaction. Bucket `followers`.

The key is a keyed hash of the person's id at this Official Account; nothing else is kept. Events
arrive in any order and more than once, so a record only moves forward in time."""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel

from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.key_file import KeyFile
from consumers.progress import report_progress
from contracts import subjects
from contracts.keys import base32
from contracts.records import Record
from producers.bus import Bus
from producers.bus.records import read, update, update_or_create

_REPLY_INTERVAL = timedelta(hours=24)
"""Shortest time between two automatic replies to a person."""
FREE_MESSAGE_WINDOW = timedelta(hours=48)
"""Time after an interaction in which a message is free."""
_FOLLOWS_AFTER_EVENT = {EventKind.FOLLOW: True, EventKind.UNFOLLOW: False}


class Follower(Record):
    """One person. `follows` is None for a person who wrote and was in no list yet."""

    follows: bool | None = None
    follows_at: AwareDatetime | None = None
    last_interaction: AwareDatetime | None = None
    replied_at: AwareDatetime | None = None

    @property
    def last_seen_at(self) -> datetime | None:
        """Time of the person's last event."""
        times = (self.follows_at, self.last_interaction)
        return max((at for at in times if at), default=None)

    def with_follow_state(self, follows: bool, at: datetime) -> "Follower":
        """Record a follow or an unfollow; at the same time the unfollow counts."""
        if self.follows_at and (at < self.follows_at or (at == self.follows_at and follows)):
            return self
        return self.model_copy(update={"follows": follows, "follows_at": at})

    def with_interaction(self, at: datetime) -> "Follower":
        if self.last_interaction and at <= self.last_interaction:
            return self
        return self.model_copy(update={"last_interaction": at})


def apply_event(follower: Follower, event: ZaloEvent) -> Follower:
    """Apply an event to a record; the order of events does not matter."""
    if event.kind in _FOLLOWS_AFTER_EVENT:
        follower = follower.with_follow_state(_FOLLOWS_AFTER_EVENT[event.kind], event.at)
    return follower if event.kind is EventKind.UNFOLLOW else follower.with_interaction(event.at)


def apply_listing(stored: Follower | None, follows: bool, at: datetime) -> Follower | None:
    """Apply Zalo's list of some time; a stranger who does not follow gets no record."""
    if stored is None:
        return Follower(follows=True, follows_at=at) if follows else None
    if stored.follows is follows or (stored.follows_at and stored.follows_at >= at):
        return stored
    return stored.with_follow_state(follows, at)


def _merge(known: Follower, old: Follower) -> Follower:
    """Both records of one person, in any order of their events."""
    if old.follows is not None and old.follows_at:
        known = known.with_follow_state(old.follows, old.follows_at)
    if old.last_interaction:
        known = known.with_interaction(old.last_interaction)
    replies = [at for at in (known.replied_at, old.replied_at) if at]
    return known.model_copy(update={"replied_at": max(replies, default=None)})


class FollowerCounts(BaseModel):
    """Numbers of people. `within_reach`: seen within 48 hours."""

    followers: int = 0
    left: int = 0
    unknown: int = 0
    within_reach: int = 0


@dataclass(frozen=True, slots=True)
class ReplyClaim:
    """The right to one reply, and the time of the reply before it."""

    user_id: str
    claimed_at: datetime
    previous_reply_at: datetime | None


class FollowerStore:
    """Reads and changes the bucket. Raises BusError."""

    def __init__(self, bus: Bus, hash_secret: bytes) -> None:
        self.bucket = bus.bucket(subjects.FOLLOWERS.name)
        self.hash_secret = hash_secret

    @classmethod
    def from_key_file(cls, bus: Bus, keys: KeyFile) -> Self:
        return cls(bus, keys.derive("followers"))

    def key_of(self, user_id: str) -> str:
        """Return the key of a person; without the secret it can't be tested."""
        return base32([hmac.digest(self.hash_secret, user_id.encode(), "sha256")])[0]

    async def find(self, user_id: str) -> Follower | None:
        return (await read(self.bucket, self.key_of(user_id), Follower)).value

    async def take_over(self, user_id: str, old: Follower) -> None:
        """Store the record of an earlier version, unless later events have said more."""
        key = self.key_of(user_id)
        await update_or_create(self.bucket, key, Follower, lambda known: _merge(known, old))

    async def record_event(self, event: ZaloEvent) -> None:
        await update_or_create(
            self.bucket,
            self.key_of(event.user_id),
            Follower,
            lambda follower: apply_event(follower, event),
        )

    async def record_listing(self, ids: Sequence[str], follows: bool, at: datetime) -> None:
        """Record a page of Zalo's list; only differences are written."""
        keys = list(map(self.key_of, ids))
        values = await self.bucket.get_many(keys)
        stored = {key: Follower.model_validate_json(value.data) for key, value in values.items()}

        def apply(follower: Follower | None) -> Follower:
            return apply_listing(follower, follows, at) or Follower(follows=False, follows_at=at)

        known = [(key, stored.get(key)) for key in keys]
        changed = [key for key, one in known if apply_listing(one, follows, at) != one]
        await asyncio.gather(*(update(self.bucket, key, Follower, apply) for key in changed))

    async def claim_reply(self, user_id: str, now: datetime) -> ReplyClaim | None:
        """Claim the right to reply now; only one caller gets it. A doubt counts as a reply."""
        before: datetime | None = None

        def claim(follower: Follower) -> Follower:
            nonlocal before
            before = follower.replied_at
            if before and now - before < _REPLY_INTERVAL:
                return follower
            return follower.model_copy(update={"replied_at": now})

        written = await update_or_create(self.bucket, self.key_of(user_id), Follower, claim)
        return ReplyClaim(user_id, now, before) if written.just_written else None

    async def release_claim(self, claim: ReplyClaim) -> None:
        """Release a claim after nothing was sent."""

        def restore(follower: Follower) -> Follower:
            if follower.replied_at != claim.claimed_at:
                return follower
            return follower.model_copy(update={"replied_at": claim.previous_reply_at})

        await update_or_create(self.bucket, self.key_of(claim.user_id), Follower, restore)

    async def erase(self, user_id: str, until: datetime) -> bool:
        """Erase a person, unless they came back after *until*; then return False."""
        key = self.key_of(user_id)
        stored = await read(self.bucket, key, Follower)
        newest = stored.value.last_seen_at if stored.value else None
        if newest and newest > until:
            return False
        if stored.value:
            await self.bucket.purge(key)
        return True

    async def count(self, now: datetime) -> FollowerCounts:
        tally, read = dict.fromkeys(FollowerCounts.model_fields, 0), 0
        report_progress("followers", read)
        async for _, value in self.bucket.values():
            report_progress("followers", read := read + 1)
            follower = Follower.model_validate_json(value.data)
            tally[_COUNT_FIELD[follower.follows]] += 1
            seen_at = follower.last_interaction
            tally["within_reach"] += bool(seen_at and now - seen_at < FREE_MESSAGE_WINDOW)
        return FollowerCounts(**tally)


_COUNT_FIELD = {True: "followers", False: "left", None: "unknown"}
