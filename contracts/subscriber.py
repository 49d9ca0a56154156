"""Who asked to be told, and about what."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from contracts.base import AS_LINE, AudienceId, Contract, Flag, Id, TopicId, UnitId
from contracts.publication import Publication

Frequency = Literal["immediate"]


class Subscriber(Contract):
    """One person's wishes; empty topics, units or audiences mean everything."""

    id: Id
    email: Annotated[str, StringConstraints(min_length=3, max_length=254), AS_LINE]
    name: Annotated[str, StringConstraints(max_length=150), AS_LINE] = ""
    topics: tuple[TopicId, ...] = ()
    audiences: tuple[AudienceId, ...] = ()
    units: tuple[UnitId, ...] = ()
    frequency: Frequency = "immediate"
    active: Flag = True


def matches(subscriber: Subscriber, publication: Publication) -> bool:
    """Whether *publication* is for *subscriber*: any value within a wish, all wishes together.

    A publication that names no audience is for everyone.
    """
    return (
        subscriber.active
        and _wants(subscriber.topics, (publication.topic,))
        and _wants(subscriber.units, (publication.unit,))
        and _wants(subscriber.audiences, publication.audiences or subscriber.audiences)
    )


def _wants(wished: tuple[str, ...], offered: tuple[str, ...]) -> bool:
    return not wished or not set(wished).isdisjoint(offered)
