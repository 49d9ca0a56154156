"""Who follows the Official Account, page by page: which page is next, and what was not reached.

Zalo lists 50 people a page and no more than the first 10,000 of a list. A longer one is cut by the
days of the last interaction, older halves first: whoever interacts meanwhile comes up again later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo.api import ZaloApi
from channels.zalo.envelope import Answer, text_of, whole

LIST, FORGET = "/v3.0/oa/user/getlist", "/v2.0/oa/deletefollowerinfo"
PAGE = 50
REACH = 10_000
FIRST_DAY = date(2012, 1, 1)
"""Before there was Zalo."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and how many the whole list has."""

    total: int
    user_ids: tuple[str, ...]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Slice(Frozen):
    """Who follows, or who does not; all of them, or those who last interacted on these days."""

    follows: bool
    since: date | None = None
    until: date | None = None

    def query(self, offset: int) -> dict[str, Any]:
        asked = {"offset": offset, "count": PAGE, "is_follower": str(self.follows).lower()}
        if self.since is None or self.until is None:
            return asked
        days = f"{self.since:%Y_%m_%d}:{self.until:%Y_%m_%d}"
        return asked | {"last_interaction_period": days}

    def halves(self, today: date) -> tuple["Slice", ...]:
        """The same in two, older first; nothing for a single day."""
        if self.since is None or self.until is None:
            # A day on top: it may be past midnight before the walk gets there.
            return (Slice(follows=self.follows, since=FIRST_DAY, until=today + timedelta(days=1)),)
        if self.since == self.until:
            return ()
        middle = self.since + (self.until - self.since) // 2
        older = self.model_copy(update={"until": middle})
        return older, self.model_copy(update={"since": middle + timedelta(days=1)})


class Tally(Frozen):
    """How many Zalo says there are, and how many it has shown."""

    listed: int = 0
    reached: int = 0


class Walk(Frozen):
    """How far a walk through the lists has come; kept after every page."""

    began: AwareDatetime
    ended: AwareDatetime | None = None
    left: tuple[Slice, ...] = (Slice(follows=True), Slice(follows=False))
    offset: int = 0
    followers: Tally = Tally()
    others: Tally = Tally()

    @property
    def part(self) -> Slice:
        return self.left[0]

    def advance(self, page: Page, today: date) -> "Walk":
        """The walk after *page* of its part."""
        counted = self.counted(page) if not self.offset else self
        halves = self.part.halves(today) if page.total > REACH and not self.offset else ()
        if halves:
            return counted.model_copy(update={"left": (*halves, *self.left[1:])})
        shown = counted.shown(len(page.user_ids))
        offset = self.offset + PAGE
        if page.user_ids and offset < min(page.total, REACH):
            return shown.model_copy(update={"offset": offset})
        return shown.model_copy(update={"left": self.left[1:], "offset": 0})

    def counted(self, page: Page) -> "Walk":
        """Only a whole list says how many there are."""
        if self.part.since is not None:
            return self
        return self.tallied(self.tally.model_copy(update={"listed": page.total}))

    def shown(self, count: int) -> "Walk":
        reached = self.tally.reached + count
        return self.tallied(self.tally.model_copy(update={"reached": reached}))

    @property
    def tally(self) -> Tally:
        return self.followers if self.part.follows else self.others

    def tallied(self, tally: Tally) -> "Walk":
        return self.model_copy(update={"followers" if self.part.follows else "others": tally})


class Lists:
    """Zalo's lists of people, by their ids alone."""

    def __init__(self, api: ZaloApi) -> None:
        self.api = api

    async def page(self, part: Slice, offset: int) -> Page:
        """Raises Refused or a ChannelError."""
        return page_of(await self.api.ask(self.api.get_data(LIST, part.query(offset))))

    async def forget(self, user_id: str, expired: Deadline) -> None:
        """Have Zalo erase what the Official Account noted about somebody; twice does no harm.

        Raises Refused, Doubt, Late or a ChannelError.
        """
        await self.api.act(self.api.post(FORGET, {"user_id": user_id}), expired)


def page_of(answer: Answer) -> Page:
    """Raises Unreachable for an answer without a list: it must not look like an empty one."""
    data = answer.data if isinstance(answer.data, Mapping) else {}
    total, users = whole(data.get("total")), data.get("users")
    if total is None or not (isinstance(users, list) or total == 0):
        raise Unreachable("a list without its people")
    listed = (text_of(user, "user_id") for user in users or ())
    return Page(total, tuple(id for id in listed if id.isdecimal() and id.isascii()))
