"""Followers of the Official Account: a resumable scan of Zalo's lists, page by page.

Zalo lists 50 people a page and at most the first 10,000 of a list. A longer list is split by the
days of the last interaction, older halves first: a person who interacts meanwhile appears again
later.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydantic import AwareDatetime

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.response import ApiResponse, first_text, whole_number
from contracts.records import Record

_LIST_PATH, _FORGET_PATH = "/v3.0/oa/user/getlist", "/v2.0/oa/deletefollowerinfo"
PAGE_SIZE = 50
LIST_MAX = 10_000
FIRST_DAY = date(2012, 1, 1)
"""Earlier than Zalo itself."""


@dataclass(frozen=True, slots=True)
class FollowerPage:
    """One page of a list, and the length of the whole list."""

    total: int
    user_ids: tuple[str, ...]


class ScanRange(Record):
    """Followers or other people; all of them, or those with a last interaction on these days."""

    follows: bool
    since: date | None = None
    until: date | None = None

    def query(self, offset: int) -> dict[str, Any]:
        query = {"offset": offset, "count": PAGE_SIZE, "is_follower": str(self.follows).lower()}
        if self.since is None or self.until is None:
            return query
        days = f"{self.since:%Y_%m_%d}:{self.until:%Y_%m_%d}"
        return query | {"last_interaction_period": days}

    def split(self, today: date) -> tuple["ScanRange", ...]:
        """The range in two halves, older first; empty for a single day."""
        if self.since is None or self.until is None:
            # one day more: the scan may get there after midnight
            tomorrow = today + timedelta(days=1)
            return (ScanRange(follows=self.follows, since=FIRST_DAY, until=tomorrow),)
        if self.since == self.until:
            return ()
        middle = self.since + (self.until - self.since) // 2
        older = self.model_copy(update={"until": middle})
        return older, self.model_copy(update={"since": middle + timedelta(days=1)})


class ScanCount(Record):
    """People that Zalo counts, and people that it has listed."""

    listed: int = 0
    reached: int = 0


class FollowerScan(Record):
    """Progress of a scan; stored after every page."""

    began: AwareDatetime
    ended: AwareDatetime | None = None
    left: tuple[ScanRange, ...] = (ScanRange(follows=True), ScanRange(follows=False))
    offset: int = 0
    followers: ScanCount = ScanCount()
    others: ScanCount = ScanCount()

    @property
    def current_range(self) -> ScanRange:
        return self.left[0]

    def advance(self, page: FollowerPage, today: date) -> "FollowerScan":
        """The scan after *page* of its current range."""
        scan_range, later = self.left[0], self.left[1:]
        name, count = self.current_count
        if scan_range.since is None and not self.offset:  # only an undivided list tells its length
            count = ScanCount(listed=page.total, reached=count.reached)
        if page.total > LIST_MAX and not self.offset and (halves := scan_range.split(today)):
            return self.model_copy(update={name: count, "left": (*halves, *later)})
        count = ScanCount(listed=count.listed, reached=count.reached + len(page.user_ids))
        offset = self.offset + PAGE_SIZE
        if page.user_ids and offset < min(page.total, LIST_MAX):
            return self.model_copy(update={name: count, "offset": offset})
        return self.model_copy(update={name: count, "left": later, "offset": 0})

    @property
    def current_count(self) -> tuple[str, ScanCount]:
        """Name and value of the count of the current range."""
        if self.current_range.follows:
            return "followers", self.followers
        return "others", self.others


@dataclass
class FollowerApi:
    """Zalo's lists of people, by user id."""

    api: ZaloClient

    async def page(self, scan_range: ScanRange, offset: int) -> FollowerPage:
        """Raises Refused or a ChannelError."""
        call = self.api.get_data_call(_LIST_PATH, scan_range.query(offset))
        return parse_page(await self.api.read(call))

    async def forget(self, user_id: str, expired: Deadline) -> None:
        """Erase the Official Account's notes about a person at Zalo; a repetition does no harm.

        Raises Refused, AmbiguousResult, DeadlinePassed or a ChannelError.
        """
        await self.api.write(_FORGET_PATH, {"user_id": user_id}, expired)


def parse_page(answer: ApiResponse) -> FollowerPage:
    """Raises Unreachable for an answer without a list: it must not look like an empty one."""
    total, users = whole_number(answer.fields.get("total")), answer.fields.get("users")
    if total is None or not (isinstance(users, list) or total == 0):
        raise Unreachable("a list without its people")
    listed = (first_text(user, "user_id") for user in users or ())
    return FollowerPage(total, tuple(id for id in listed if id.isdecimal() and id.isascii()))
