"""The plan of a campaign: purpose, days, co-operating units, planned items and target figures.

The plan is a part of the text of the item that the campaign is, so an approval covers it. It stays
inside: `released` has no field for the plan. What readers have is the item's title and body, the
introduction with the days.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

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
_Objects = Sequence[tuple[int, Mapping[str, Any]]]


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

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Collect the errors of every field and between fields, and raise all of them at once."""
        between = [*_errors_between(data)] if isinstance(data, Mapping) else []
        try:
            found, wrong = handler(data), list[InitErrorDetails]()
        except ValidationError as error:
            details = error.errors(include_url=False)
            found, wrong = (
                None,
                [_error(one["loc"], one["type"], one.get("ctx")) for one in details],
            )
        if found is not None and not between:
            return found
        raise ValidationError.from_exception_data(cls.__name__, wrong + between)

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the planned items."""
        return frozenset(one.number for one in self.entries)

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit that the plan names."""
        named = (*self.partners, *(one.unit for one in self.entries if one.unit))
        return tuple(dict.fromkeys(named))


def _errors_between(data: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    """Errors between the fields of a plan as it was written, where they can be read."""
    entries, targets = (_objects(data.get(name)) for name in ("entries", "targets"))
    yield from _day_errors(data, entries)
    yield from _repeated("entries", "number", entries)
    yield from _repeated("targets", "metric", targets)


def _day_errors(data: Mapping[str, Any], entries: _Objects) -> Iterator[InitErrorDetails]:
    first, last = _day(data.get("first_day")), _day(data.get("last_day"))
    if first and last and first > last:
        yield _error(("first_day",), "campaign_days")
        return
    for place, one in entries:
        day = _day(one.get("day"))
        if day and not (first or day) <= day <= (last or day):
            values = {"number": one.get("number", place + 1), "day": f"{day:%d/%m/%Y}"}
            yield _error(("entries", place, "day"), "campaign_entry_day", values)


def _repeated(field: str, name: str, objects: _Objects) -> Iterator[InitErrorDetails]:
    seen = set[str]()
    for place, one in objects:
        value = str(one.get(name, ""))
        if value in seen:
            yield _error((field, place, name), "repeated", {"value": value})
        seen |= {value} - {""}


def _objects(value: object) -> _Objects:
    """The objects in a list, each with its place."""
    found = enumerate(value) if isinstance(value, list | tuple) else ()
    return [(place, one) for place, one in found if isinstance(one, Mapping)]


def _day(value: object) -> date | None:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        return None


def _error(
    loc: tuple[int | str, ...], code: str, values: dict[str, Any] | None = None
) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(code, code, values), loc=loc, input=None)
