"""Items of the desk in lists: one row each, the filters that find them, and a page of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from contracts.delivery import ChannelName, Lane
from contracts.desk.deadlines import Step
from contracts.editorial import Status


class Order(StrEnum):
    """The order of a list."""

    RECENT = "recent"
    """The latest act."""
    URGENT = "urgent"
    """The nearest deadline; what waits for nobody comes last."""
    DATE = "date"
    """The earliest day on the calendar; items without one are left out."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item, as its acts say.

    `stored_status` is that of its last act, `status` what it is now: a text that is out and whose
    time has not come is scheduled, one whose time is over expired. `step`: what it waits for.
    `since`: when the newest revision got its status. `deadline`: until when a person has to act;
    None also where the days of `missing_year` are not known. `first_shown`: when readers first saw
    a revision, or will, by channel. `released_title`: of the text that readers have, will have or
    had last. That text, else the newest one, has `campaign`: the one that the item joins, or is;
    `campaign_entry`: the planned item that it is; `campaign_plan`: the plan as JSON, if it is one.
    `broken`: why its later
    acts can't be read; the rest of the row is as it was before them. People: account ids, or names
    where a unit's system names people.
    """

    content_id: str
    status: Status | None
    stored_status: Status | None
    step: Step | None
    revision: int
    out: int
    title: str
    summary: str
    unit: str
    topic: str
    lane: Lane
    channels: tuple[ChannelName, ...]
    audiences: tuple[str, ...]
    language: str
    author: str
    submitter: str
    last_editor: str
    unit_checker: str
    center_checker: str
    created: datetime
    since: datetime
    changed: datetime
    not_before: datetime | None
    expires_at: datetime | None
    published_at: datetime | None
    first_shown: Mapping[ChannelName, datetime]
    deadline: datetime | None
    missing_year: int
    hash: str
    seq: int
    broken: str
    released_title: str = ""
    campaign: str = ""
    campaign_entry: int | None = None
    campaign_plan: str = ""

    @property
    def day(self) -> datetime:
        """The moment under which the calendar lists the item."""
        return max((one for one in (self.published_at, self.not_before) if one), default=self.since)

    @property
    def first_shown_at(self) -> datetime | None:
        """When readers first saw a revision, or will."""
        return min(self.first_shown.values(), default=None)

    @property
    def is_on_zalo(self) -> bool:
        return ChannelName.ZALO in self.channels

    def is_late(self, now: datetime) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and self.deadline < now


class Scope(NamedTuple):
    """Items that wait for one of the steps, of any of the units and topics; none named: of all.

    `with_partners`: also campaigns whose plan names one of the units.
    """

    steps: frozenset[Step] = frozenset()
    units: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    with_partners: bool = False


class NamedIn(NamedTuple):
    """A person's name, which counts for items of these units: elsewhere it may be another's."""

    name: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items are listed, in which order. Fields that are empty restrict nothing.

    `scopes`: items in any of them, which is how grants become what waits for a person.
    `not_barred`: the names of one person, account id and name: items whose next step the rule
    of four eyes leaves to that person. `person` and `named`: items that the person wrote, sent,
    checked or edited; if `adds_own`, those besides `scopes`. `after` and `before` bound the day on
    the calendar, the second excluded. `ids`: any of these, a page of them at most.
    `tells`: issues of bulletins that are out and tell of this item.
    `campaigns`: items that join one of them, with its own; `is_campaign`: the items that campaigns
    are.
    `words`: all of them, with the marks that they have; without marks where no item has them.
    """

    scopes: tuple[Scope, ...] = ()
    not_barred: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    named: NamedIn | None = None
    adds_own: bool = False
    statuses: frozenset[Status] = frozenset()
    units: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    channel: ChannelName | None = None
    lane: Lane | None = None
    language: str = ""
    tells: str = ""
    campaigns: tuple[str, ...] = ()
    is_campaign: bool = False
    after: datetime | None = None
    before: datetime | None = None
    words: str = ""
    ids: tuple[str, ...] = ()
    broken: bool | None = None
    order: Order = Order.RECENT
    limit: int = 50
    cursor: str = ""
    """`Page.next_cursor` of the page before."""


class Page(NamedTuple):
    """Some rows, and the cursor of the next page; empty on the last one.

    Not `is_current`: the index lags behind the log, and the page may be older than an act just
    done. `ignores_marks`: no item has the words with the marks that were asked for.
    """

    rows: tuple[ItemRow, ...]
    next_cursor: str = ""
    is_current: bool = True
    ignores_marks: bool = False


class NearWanted(NamedTuple):
    """Which near texts: of items that one of the filters lets through, but for *content_id*."""

    content_id: str
    among: Sequence[ItemFilter]
    limit: int = 3


class NearItem(NamedTuple):
    """An item, and the share of triples of words that its text has in common with another."""

    row: ItemRow
    share: float


class CampaignGroup(NamedTuple):
    """Items of one campaign and planned item that came to the same channels at once.

    `first_shown_at`: when readers first saw one of them there. `number`: how many of the items
    readers saw nowhere before.
    """

    campaign: str
    entry: int | None
    channels: tuple[ChannelName, ...]
    first_shown_at: datetime
    number: int


class Items(Protocol):
    """The desk's items in lists. Raises Unavailable when the index can't be read."""

    async def find(self, wanted: ItemFilter) -> Page: ...
    async def get(self, content_id: str) -> ItemRow | None: ...
    async def count(self, wanted: ItemFilter) -> Mapping[Status, int]: ...
    async def count_campaigns(self, campaigns: Sequence[str]) -> Sequence[CampaignGroup]:
        """Count the items of campaigns by their state for readers, without the campaigns' own."""
        ...

    async def near(self, data: Mapping[str, Any], wanted: NearWanted) -> Sequence[NearItem]: ...


MOST_ROWS = 500
"""The most rows that the index gives at once."""


async def all_rows(index: Items, wanted: ItemFilter) -> Sequence[ItemRow]:
    """The rows of every page of *wanted*. Raises as `Items`."""
    page = await index.find(wanted)
    rows = list(page.rows)
    while page.next_cursor:
        page = await index.find(replace(wanted, cursor=page.next_cursor))
        rows += page.rows
    return rows
