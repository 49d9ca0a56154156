"""All sources of facts, in the order of a round."""

from typing import NamedTuple

from consumers.editorial.log import EditorialLog
from consumers.facts.incidents import Incidents
from consumers.facts.notices import Notices
from consumers.facts.readers import Followers, Readers, Subscribers
from consumers.facts.sources import (
    Decisions,
    Deliveries,
    Events,
    FactSource,
    Opinions,
    Refusals,
    Releases,
)
from consumers.facts.store import FactStore
from consumers.seals.publications import PublicationSeals
from contracts import subjects
from contracts.base.times import Clock
from producers.bus import Bucket


class PeopleBuckets(NamedTuple):
    """Buckets of people's records, which decrypt them."""

    subscribers: Bucket
    followers: Bucket


def fact_sources(
    store: FactStore,
    log: EditorialLog,
    clock: Clock,
    seals: PublicationSeals | None,
    people: PeopleBuckets | None = None,
) -> list[FactSource]:
    """Without *people* no readers are counted: a comparison needs none."""
    bus = store.bus
    found: list[FactSource] = [Releases(bus, seals), Decisions(log), Deliveries(bus)]
    found += [Events(bus, clock), Refusals(bus, clock), Opinions(bus, clock)]
    found += [Incidents(store, clock), Notices(bus.bucket(subjects.LEDGER.name), clock)]
    if people:
        readers = (Subscribers(people.subscribers), Followers(people.followers))
        found += [Readers(one, store, clock) for one in readers]
    return found
