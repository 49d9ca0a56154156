"""Words that events may use: units, topics, audiences and series, and the provinces of Vietnam.

`vocabulary.toml` ships with defaults, which an operator may replace; `Vocabulary.parse` reads both.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import AudienceId, Contract, Line150, Line250, TopicId, UnitId
from contracts.bulletins.series import Series, SeriesId
from contracts.catalog import load_texts
from contracts.errors import FieldError, Invalid, Unreadable, explain, field_error, unknown_word

Day = Annotated[date, Field(strict=True)]
Kind = Literal["unit", "topic", "audience"]
CORRECTIONS_TOPIC = "dinh-chinh"
"""Loa's own topic of corrected and withdrawn items; a vocabulary may lack it."""
CAMPAIGN_PREFIX = "chuyen-de-"
"""The prefix of the slug of a campaign's list; the rest is the campaign's item."""


class FormerName(Contract):
    """A unit's former name and id, valid until a day (inclusive)."""

    id: UnitId | None = None
    name: Line250
    until: Day


class Unit(Contract):
    """A part of the ministry; its id outlives its names. An ended unit has a last day, `until`."""

    name: Line250
    english: Line250
    group: Line150 = "other"
    until: Day | None = None
    formerly: tuple[FormerName, ...] = ()

    def name_at(self, day: date) -> str:
        """The unit's name on *day*."""
        for former in sorted(self.formerly, key=lambda former: former.until):
            if day <= former.until:
                return former.name
        return self.name


class Topic(Contract):
    """A subject of content. `system` topics cannot be subscribed to or left."""

    name: Line150
    english: Line150
    kind: Literal["core", "optional", "system"] = "core"
    own: Annotated[bool, Field(strict=True)] = False
    """Reserved for Loa's own content; events may not use it."""

    @property
    def is_subscribable(self) -> bool:
        return self.kind != "system"


class Audience(Contract):
    """A group of readers; one person belongs to several."""

    name: Line150
    english: Line150


class Vocabulary(Contract):
    """Which units, topics, audiences and series exist. A unit's former ids are its aliases."""

    units: dict[UnitId, Unit]
    topics: dict[TopicId, Topic] = Field(min_length=1)
    audiences: dict[AudienceId, Audience] = Field(min_length=1)
    bulletins: dict[SeriesId, Series] = Field(default_factory=dict)

    @classmethod
    def parse(cls, toml_text: str) -> Self:
        """Read an operator's file. Raises Unreadable or Invalid, naming the entry."""
        try:
            return cls.model_validate(tomllib.loads(toml_text))
        except tomllib.TOMLDecodeError as error:
            raise Unreadable(field_error("vocabulary", "not_toml", detail=error)) from error
        except ValidationError as error:
            raise Invalid(*explain(error)) from error

    @model_validator(mode="after")
    def _check_unique_ids(self) -> Self:
        seen = set(self.units)
        for alias, _ in self._aliases():
            if alias in seen:
                raise PydanticCustomError("id_used_twice", "{value} twice", {"value": alias})
            seen.add(alias)
        return self

    @model_validator(mode="after")
    def _check_series(self) -> Self:
        """A series names words that exist, and gathers no issues."""
        for name, series in self.bulletins.items():
            words = {*series.topics, series.topic, *series.audiences, series.unit}
            known = self.topics.keys() | self.audiences.keys() | self.units.keys()
            if unknown := sorted(words - known):
                values = {"value": unknown[0], "series": name}
                raise PydanticCustomError("series_unknown_word", "unknown", values)
            if series.topic in series.topics:
                values = {"value": series.topic, "series": name}
                raise PydanticCustomError("series_own_topic", "its own", values)
        return self

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        """No word has the address of a campaign's list, or the id of a series that it is not."""
        own = {series.topic for name, series in self.bulletins.items() if series.topic == name}
        for word in (*self.topics, *self.audiences, *self.units):
            if word.startswith(CAMPAIGN_PREFIX):
                values = {"value": word, "prefix": CAMPAIGN_PREFIX}
                raise PydanticCustomError("word_of_campaigns", "a campaign's", values)
            if word in self.bulletins and word not in own:
                raise PydanticCustomError("word_of_series", "a series'", {"value": word})
        return self

    def knows(self, kind: Kind, word: str) -> bool:
        """Whether *word* may be used now: a unit by its present id, not by an alias."""
        if kind == "unit":
            return word in self.units and self.units[word].until is None
        return word in (self.topics if kind == "topic" else self.audiences)

    def word_error(self, field: str, kind: Kind, word: str) -> FieldError:
        """The error of *word*, which the vocabulary does not know, with the words that it does."""
        words: dict[Kind, Mapping[str, Contract]] = {
            "unit": self.units,
            "topic": self.topics,
            "audience": self.audiences,
        }
        known = [one for one in words[kind] if self.knows(kind, one) and not self.is_reserved(one)]
        return unknown_word(field, f"unknown_{kind}", word, known)

    def is_reserved(self, topic: str) -> bool:
        """Whether *topic* is reserved for Loa's own content."""
        return topic in self.topics and self.topics[topic].own

    def unit(self, unit_id: str) -> Unit:
        """The unit behind an id or a former id. Raises KeyError."""
        return self.units[self.resolve(unit_id)]

    def resolve(self, unit_id: str) -> str:
        """The present id behind an id or a former id. Raises KeyError."""
        return unit_id if unit_id in self.units else self.aliases[unit_id]

    @property
    def aliases(self) -> Mapping[str, str]:
        """Former id → present id."""
        return dict(self._aliases())

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for unit_id, unit in self.units.items():
            for former in unit.formerly:
                if former.id:
                    yield former.id, unit_id


DEFAULT = Vocabulary.parse((Path(__file__).parent / "vocabulary.toml").read_text("utf-8"))


REJECTIONS: Mapping[str, Mapping[str, str]] = load_texts(
    Path(__file__).with_name("rejections.toml")
)
"""Why the desk turns content down: code → {en, vi}."""
UNDECIDED_TOO_LONG = "qua-thoi-han"
"""The code by which Loa ends what waited longer than drafts are kept; no person gives it."""
GIVEN_BY_PEOPLE = tuple(code for code in REJECTIONS if code != UNDECIDED_TOO_LONG)
"""The codes to choose from."""


class Province(Contract):
    """A province or centrally run city; `zalo` are Zalo's numbers for the parts it was made of."""

    name: str
    code: str
    zalo: tuple[int, ...]


PROVINCES: Mapping[str, Province] = {
    province_id: Province.model_validate(province)
    for province_id, province in load_texts(Path(__file__).with_name("provinces.toml")).items()
}
"""Every province by its id."""
