"""Who asked to be told, and about what."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import AS_LINE, AudienceId, Contract, Flag, Id, Instant, TopicId, UnitId
from contracts.publication import Publication

Frequency = Literal["immediate", "daily", "weekly"]
UNTIL_RESUMED = datetime(2200, 1, 1, tzinfo=UTC)
"""`paused_until` of a pause that only the reader ends."""


class Consent(Contract):
    """What proves that the person agreed: to which text, when, and from where as a keyed hash."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    at: Instant
    ip: Annotated[str, StringConstraints(max_length=64)] = ""
    link: Annotated[str, StringConstraints(max_length=64)] = ""
    """Hash of the link in the letter that the person opened to agree."""


class Subscriber(Contract):
    """One person's wishes; empty topics, units or audiences mean everything.

    Who has left keeps the id alone, and when: the bucket knows the address by a keyed hash.
    """

    id: Id
    email: Annotated[str, StringConstraints(max_length=254), AS_LINE] = ""
    name: Annotated[str, StringConstraints(max_length=150), AS_LINE] = ""
    topics: tuple[TopicId, ...] = ()
    audiences: tuple[AudienceId, ...] = ()
    units: tuple[UnitId, ...] = ()
    frequency: Frequency = "immediate"
    frequency_since: Instant | None = None
    """When the frequency last changed; None: it has been so from the beginning."""
    frequency_before: Frequency | None = None
    frequency_ended: dict[Frequency, Instant] = Field(default_factory=dict)
    """When each rhythm that the reader once had last ended: its next digest still is for them."""
    paused_until: Instant | None = None
    """Nothing is sent before; `UNTIL_RESUMED` has no end."""
    active: Flag = True
    consent: Consent | None = None
    """None for whoever an operator has imported."""
    left_at: Instant | None = None

    @model_validator(mode="after")
    def _a_reader_has_an_address(self) -> Self:
        if self.active and len(self.email) < len("a@b"):
            raise PydanticCustomError("email", "a reader without an address")
        return self

    def with_frequency(self, frequency: Frequency, at: datetime) -> Self:
        """The same person, told in another rhythm from *at* on; what was before is remembered."""
        if frequency == self.frequency:
            return self
        return self.model_copy(
            update={
                "frequency": frequency,
                "frequency_since": at,
                "frequency_before": self.frequency,
                "frequency_ended": self.frequency_ended | {self.frequency: at},
            }
        )

    def frequency_at(self, moment: datetime) -> Frequency:
        """The rhythm at *moment*, as far back as the change before the last one."""
        if self.frequency_since and self.frequency_before and moment < self.frequency_since:
            return self.frequency_before
        return self.frequency

    def is_paused_at(self, moment: datetime) -> bool:
        """Whether the person wants nothing at *moment*."""
        return self.paused_until is not None and moment < self.paused_until

    def after_leaving(self, at: datetime) -> Self:
        """The person after leaving: nothing of them is kept but the proof that they had agreed."""
        return type(self)(id=self.id, active=False, consent=self.consent, left_at=at)


class RetainedData(StrEnum):
    """What is kept of whoever has left; an address in no case."""

    CONSENT = "consent"  # what proves that they had agreed, and what stands for the address
    ADDRESS_HASH = "mark"  # what stands for the address: nobody who was imported has agreed here
    NOTHING = "nothing"  # they are erased

    @classmethod
    def of(cls, subscriber: Subscriber | None) -> "RetainedData":
        """Of *person* once they have left; None: there is no record of them."""
        if subscriber is None:
            return cls.NOTHING
        return cls.CONSENT if subscriber.consent else cls.ADDRESS_HASH


def matches(subscriber: Subscriber, publication: Publication) -> bool:
    """Whether *publication* is for *subscriber*: any value within a wish, all wishes together.

    A publication that names no audience is for everyone. When it is told is another question:
    see `Subscriber.frequency`.
    """
    return subscriber.active and not unmet_preferences(subscriber, publication)


def unmet_preferences(
    subscriber: Subscriber, publication: Publication
) -> dict[str, tuple[str, ...]]:
    """Each wish that *publication* does not meet, with what it offers instead."""
    offered = {
        "topics": (publication.topic,),
        "units": (publication.unit,),
        "audiences": publication.audiences or subscriber.audiences,
    }
    return {
        name: values
        for name, values in offered.items()
        if not _wants(getattr(subscriber, name), values)
    }


def _wants(wished: tuple[str, ...], offered: tuple[str, ...]) -> bool:
    return not wished or not set(wished).isdisjoint(offered)
