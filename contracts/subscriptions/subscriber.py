"""A subscriber: address, preferences, frequency, pause and consent."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import AS_LINE, AudienceId, Contract, Flag, Id, Instant, TopicId, UnitId
from contracts.publication import Publication

Frequency = Literal["immediate", "daily", "weekly"]
UNTIL_RESUMED = datetime(2200, 1, 1, tzinfo=UTC)
"""`paused_until` of a pause without an end."""


class Consent(Contract):
    """Proof of consent: version of the text, time, and a keyed hash of the IP address."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    at: Instant
    ip: Annotated[str, StringConstraints(max_length=64)] = ""
    link: Annotated[str, StringConstraints(max_length=64)] = ""
    """Hash of the link in the confirmation mail."""


ConsentWay = Literal["page", "mail", "import", "operator"]
_MAX_CONSENT_EVENTS = 50


class ConsentEvent(Contract):
    """One change of a consent: what it became, by which way, and the text it was given to."""

    at: Instant
    change: Literal["given", "changed", "withdrawn"]
    by: ConsentWay
    version: Annotated[str, StringConstraints(max_length=40)] = ""
    """Version of the text; empty for imported subscribers."""


class Subscriber(Contract):
    """One subscriber's preferences; empty topics, units or audiences mean everything.

    The record of a former subscriber keeps id, consent and time; keys use a hash of the address.
    """

    id: Id
    email: Annotated[str, StringConstraints(max_length=254), AS_LINE] = ""
    name: Annotated[str, StringConstraints(max_length=150), AS_LINE] = ""
    topics: tuple[TopicId, ...] = ()
    audiences: tuple[AudienceId, ...] = ()
    units: tuple[UnitId, ...] = ()
    frequency: Frequency = "immediate"
    frequency_since: Instant | None = None
    """When the frequency last changed; None: never."""
    frequency_before: Frequency | None = None
    frequency_ended: dict[Frequency, Instant] = Field(default_factory=dict)
    """When each former frequency last ended; the digest in progress at that time is still sent."""
    paused_until: Instant | None = None
    """No mail is sent before; `UNTIL_RESUMED` has no end."""
    active: Flag = True
    consent: Consent | None = None
    """None for subscribers imported by an operator."""
    left_at: Instant | None = None
    consent_history: tuple[ConsentEvent, ...] = ()
    """Oldest first; beyond 50 the oldest changes between are left out."""

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.active and len(self.email) < len("a@b"):
            raise PydanticCustomError("email", "a reader without an address")
        return self

    def with_frequency(self, frequency: Frequency, at: datetime) -> Self:
        """The subscriber with another frequency from *at* on, and the former one recorded."""
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

    def is_paused_at(self, moment: datetime) -> bool:
        """Whether mail is paused at *moment*."""
        return self.paused_until is not None and moment < self.paused_until

    def with_consent(self, consent: Consent, by: ConsentWay) -> Self:
        """The subscriber after a consent was given; one that is stored changes nothing."""
        if consent == self.consent:
            return self
        event = ConsentEvent(at=consent.at, change="given", by=by, version=consent.version)
        events = _bounded((*self.consent_events(), event))
        return self.model_copy(update={"consent": consent, "consent_history": events})

    def with_consent_event(
        self, change: Literal["given", "changed", "withdrawn"], by: ConsentWay, at: datetime
    ) -> Self:
        """The subscriber with one more event in the history of the consent."""
        version = self.consent.version if self.consent else ""
        event = ConsentEvent(at=at, change=change, by=by, version=version)
        events = _bounded((*self.consent_events(), event))
        return self.model_copy(update={"consent_history": events})

    def consent_events(self) -> tuple[ConsentEvent, ...]:
        """The history; that of an earlier version's record begins with its consent."""
        if self.consent_history or self.consent is None:
            return self.consent_history
        given = {"at": self.consent.at, "version": self.consent.version}
        return (ConsentEvent(change="given", by="page", **given),)

    def after_leaving(self, at: datetime, by: ConsentWay) -> Self:
        """The record after unsubscribing: id, consent with its history, and time only."""
        left = type(self)(
            id=self.id,
            active=False,
            consent=self.consent,
            left_at=at,
            consent_history=self.consent_events(),
        )
        return left.with_consent_event("withdrawn", by, at)


def _bounded(events: tuple[ConsentEvent, ...]) -> tuple[ConsentEvent, ...]:
    """The events without the oldest ones that are too many: changes first, then the others."""
    kept = list(events)
    while len(kept) > _MAX_CONSENT_EVENTS:
        changes = (number for number, one in enumerate(kept) if one.change == "changed")
        del kept[next(changes, 0)]
    return tuple(kept)


class RetainedData(StrEnum):
    """Data kept of a former subscriber; never an address."""

    CONSENT = "consent"  # proof of consent, and the hash of the address
    ADDRESS_HASH = "mark"  # the hash of the address; imported subscribers gave no consent here
    NOTHING = "nothing"  # erased

    @classmethod
    def of(cls, subscriber: Subscriber | None) -> "RetainedData":
        """The data kept of *subscriber* after unsubscribing; None: there is no record."""
        if subscriber is None:
            return cls.NOTHING
        return cls.CONSENT if subscriber.consent else cls.ADDRESS_HASH


def matches(subscriber: Subscriber, publication: Publication) -> bool:
    """Whether *publication* matches: any value within a preference, and all preferences together.

    A publication without audiences is for everyone. `Subscriber.frequency` decides about the time.
    """
    return subscriber.active and not unmet_preferences(subscriber, publication)


def unmet_preferences(
    subscriber: Subscriber, publication: Publication
) -> dict[str, tuple[str, ...]]:
    """Preferences that *publication* does not meet, each with the publication's values."""
    offered = {
        "topics": (publication.topic,),
        "units": (publication.unit,),
        "audiences": publication.audiences or subscriber.audiences,
    }
    return {
        name: values
        for name, values in offered.items()
        if (wanted := getattr(subscriber, name)) and set(wanted).isdisjoint(values)
    }
