"""The plan of a campaign: purpose, days, co-operating units, planned items and target figures.

The plan is a part of the text of the item that the campaign is, so an approval covers it. It stays
inside: `released` has no field for the plan. What readers have is the item's title and body, the
introduction with the days.
"""

from collections import Counter
from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import (
    AS_TEXT,
    NO_DUPLICATES,
    TEXT_PATTERN,
    UNIQUE_ITEMS,
    Contract,
    Count,
    Day,
    Line150,
    UnitId,
)
from contracts.delivery import ChannelName

TOPIC = "thong-tin-chuyen-de"
"""The topic of a campaign's own item, unless its unit names another one."""
MAX_ENTRIES = 100
_MAX_NUMBER = 999
_MAX_PARTNERS = 30
_PURPOSE_MAX = 4000

EntryNumber = Annotated[int, Field(strict=True, ge=1, le=_MAX_NUMBER)]
"""The number of a planned item within its plan; it stays when others are dropped."""
Purpose = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_PURPOSE_MAX),
    AS_TEXT,
    TEXT_PATTERN,
]
Metric = Literal["items", "delivered", "opinions"]
"""Metrics of targets: items that readers saw, deliveries, and pressed buttons of opinion."""


class PlannedItem(Contract):
    """An item that is to be published, by whom and when."""

    number: EntryNumber
    """Its number within the plan, by which an item says that it is the planned one."""
    title: Line150
    """The subject of the planned item."""
    day: Day
    """The day by which readers are to have it."""
    unit: UnitId | None = None
    """The unit that writes it; null = the unit of the campaign."""
    channel: ChannelName | None = None
    """The channel on which readers are to have it; null = any."""

    def is_on(self, channels: Collection[ChannelName]) -> bool:
        """Whether an item on *channels* is where readers are to have it."""
        return self.channel is None or self.channel in channels


class Target(Contract):
    """A figure that the campaign is to reach."""

    metric: Metric
    """The counted metric."""
    number: Annotated[Count, Field(ge=1)]
    """How much of it."""


class CampaignPlan(Contract):
    """A campaign as a unit proposes and the Center approves it.

    It is not published: the item's body is the public introduction.
    """

    purpose: Purpose
    """The purpose of the campaign, which is not published."""
    first_day: Day
    """The first day on which its items are published."""
    last_day: Day
    """The last one."""
    partners: Annotated[
        tuple[UnitId, ...], Field(max_length=_MAX_PARTNERS), NO_DUPLICATES, UNIQUE_ITEMS
    ] = ()
    """Units that co-operate."""
    entries: Annotated[tuple[PlannedItem, ...], Field(max_length=MAX_ENTRIES)] = ()
    """The planned items."""
    targets: Annotated[tuple[Target, ...], Field(max_length=3)] = ()
    """The figures to reach, each metric once."""

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.first_day > self.last_day:
            raise PydanticCustomError("campaign_days", "other order", {})
        for one in self.entries:
            if not self.first_day <= one.day <= self.last_day:
                values = {"number": one.number, "day": f"{one.day:%d/%m/%Y}"}
                raise PydanticCustomError("campaign_entry_day", "outside", values)
        return self

    @model_validator(mode="after")
    def _check_repetitions(self) -> Self:
        numbers = [str(one.number) for one in self.entries]
        for names in (numbers, [one.metric for one in self.targets]):
            if repeated := [name for name, count in Counter(names).items() if count > 1]:
                raise PydanticCustomError("repeated", "{value} twice", {"value": repeated[0]})
        return self

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the planned items."""
        return frozenset(one.number for one in self.entries)

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit that the plan names."""
        named = (*self.partners, *(one.unit for one in self.entries if one.unit))
        return tuple(dict.fromkeys(named))
