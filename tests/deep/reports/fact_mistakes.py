"""Mistakes that the follower of facts does not make, planted to see that a history finds them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from consumers.facts import follow, sources
from consumers.facts.days import last_day
from consumers.facts.follow import FactFollower, SourcePosition
from consumers.facts.sources import Derived, Refusals
from contracts.base.crash_points import crash_point
from contracts.delivery import Status
from contracts.facts import DeliveryFact, OpinionsFact, kinds
from tests.support.planted_bugs import PlantedBugs, Replacement

MISTAKES = PlantedBugs()
instead_of = MISTAKES.instead_of
MISTAKES["overlook-late-bounces"] = [Replacement(sources, "BOUNCES", "nowhere.")]


@instead_of(FactFollower, "write")
async def count_twice_after_a_restart(write, self, source, fact):
    """Add the counts of another process to those of this one."""
    seen = vars(self).setdefault("seen", set())
    stored = (await self.store.read(fact.key)).fact
    if isinstance(fact, OpinionsFact) and stored and fact.key not in seen:
        twice = {
            channel: {button: 2 * count for button, count in presses.items()}
            for channel, presses in fact.counts.items()
        }
        fact = fact.model_copy(update={"counts": twice})
    seen.add(fact.key)
    return await write(self, source, fact)


@instead_of(FactFollower, "write")
async def store_again(_write, self, _source, fact):
    """A fact that is there is stored once more."""
    seen = (await self.store.read(fact.key)).seq
    crash_point("facts.decided")
    is_stored = await self.store.add(fact, seen)
    crash_point("facts.stored")
    return is_stored


@instead_of(FactFollower, "write")
async def keep_the_first_fact(write, self, source, fact):
    """Let later knowledge change no fact."""
    known = await self.store.read(fact.key)
    return not known.fact and await write(self, source, fact)


@instead_of(FactFollower, "follow_source")
async def keep_the_position_first(follow_source, self, source, **more):
    """The position is kept before the facts are written."""
    derive, info = source.derive, await self.bus.stream_info(source.stream)

    async def derive_behind_position(after: int) -> AsyncIterator[Derived]:
        found = [one async for one in derive(after)]
        last = found[-1].seq if found else after
        kept = SourcePosition(seq=last, before=last, created=str(info["created"]))
        await self._keep(source, kept)
        for one in found:
            yield one

    source.derive = derive_behind_position
    try:
        await follow_source(self, source, **more)
    finally:
        source.derive = derive


@instead_of(follow, "first_open_day")
async def lose_a_day(_first_open_day, _store, clock):
    """A day on which no process ran is never closed."""
    return last_day(clock)


@instead_of(sources, "open_day")
def count_an_open_day(open_day, clock):
    """A day counts before its end, and what comes later on it is lost."""
    return open_day(clock) + timedelta(days=1)


@instead_of(sources, "delivery_fact")
def count_a_bounce_as_delivered(delivery_fact, *args):
    """A mail that came back counts as one more that arrived."""
    fact = delivery_fact(*args)
    if fact is None or not fact.bounced:
        return fact
    counts: dict[Status, Any] = {**fact.counts}
    counts[Status.DELIVERED] = fact.count(Status.DELIVERED) + fact.bounced
    return fact.model_copy(update={"counts": counts, "bounced": 0})


@instead_of(kinds._Counted, "replaces")
def replace_by_less(_replaces, self, stored):
    """Replace the counts of a day by the rest of it."""
    return self != stored


@instead_of(DeliveryFact, "replaces")
def forget_what_retention_removes(_replaces, self, stored):
    """The counts that retention keeps replace the fact that was made from the rows."""
    return self != stored


@instead_of(Refusals, "label")
def count_each_dead_letter(_label, _self, message):
    """A dead letter that a crash stored twice counts twice."""
    subject = sources.parse_letter(message).origin.subject
    return f"{message.seq} {subject}"
