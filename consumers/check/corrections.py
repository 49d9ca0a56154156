"""Whether a correction goes to exactly those who got, or may have got, an earlier text."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from consumers.check.digests import batches
from consumers.check.plans import Tally
from consumers.fence import distinct
from consumers.ledger import bulk
from consumers.ledger.entry import REACHED
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.digest import Issue
from producers.bus import Bucket

ARTICLE = "article"
FIRST = 5


async def corrections(
    bucket: Bucket, tallies: Sequence[Tally], digests: Sequence[tuple[Issue, int]] = ()
) -> AsyncIterator[tuple[str, str, str]]:
    """(rule, key, detail) for every position that has readers of older ones to tell.

    *digests*: issues that held a position of the item, and its number there.
    """
    for place, newer in enumerate(tallies):
        older = [reached_by(bucket, one) for one in tallies[:place] if one.cursor.planned]
        if newer.plan.channel is ChannelName.EMAIL:
            older += [
                got(bucket, issue.plan, number)
                for issue, number in digests
                if issue.items[number].revision < newer.plan.revision
            ]
        if older and newer.cursor.complete and newer.plan.channel is not ChannelName.PORTAL:
            async for rule, people in compare(bucket, older, newer):
                yield rule, f"plan.{newer.plan}", f"{len(people)}: {', '.join(people[:FIRST])}"


async def compare(
    bucket: Bucket, older: Sequence[AsyncIterator[str]], newer: Tally
) -> AsyncIterator[tuple[str, list[str]]]:
    """Two sorted sequences side by side: who was reached, and who is told."""
    wrong: dict[str, list[str]] = {"correction-missing": [], "correction-unfounded": []}
    async for one in side_by_side(recipients(bucket, newer), distinct(older)):
        if one.reached and not one.marked and must_hear(newer, one.id):
            wrong["correction-missing"].append(one.id)
        if one.marked and not one.reached:
            wrong["correction-unfounded"].append(one.id)
    for rule, people in wrong.items():
        if people:
            yield rule, people


class Reader(NamedTuple):
    """Somebody who got an older text, or gets the newer one, `marked` as a correction."""

    id: str
    marked: bool
    reached: bool


async def side_by_side(
    told: AsyncIterator[tuple[str, bool]], reached: AsyncIterator[str]
) -> AsyncIterator[Reader]:
    one, id = await anext(told, None), await anext(reached, None)
    while one is not None or id is not None:
        names = [name for name in (one and one[0], id) if name is not None]
        first = min(names)
        is_told, is_reached = one is not None and one[0] == first, id == first
        yield Reader(first, bool(is_told and one and one[1]), is_reached)
        if is_told:
            one = await anext(told, None)
        if is_reached:
            id = await anext(reached, None)


def must_hear(newer: Tally, id: str) -> bool:
    """A broadcast that went out is not repeated: its link leads to the corrected article."""
    return newer.plan.channel is ChannelName.EMAIL or id == ARTICLE


async def recipients(bucket: Bucket, tally: Tally) -> AsyncIterator[tuple[str, bool]]:
    """A plan's recipients in order, and whether they are told that it is a correction."""
    async for batch in read(bucket, tally):
        if batch.rows:
            for id in batch.rows.ids:
                yield id, id in batch.rows.corrections


async def reached_by(bucket: Bucket, tally: Tally) -> AsyncIterator[str]:
    async for batch in read(bucket, tally):
        if batch.entry and batch.rows:
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                if letter in REACHED:
                    yield id


async def got(bucket: Bucket, plan: PlanKey, number: int) -> AsyncIterator[str]:
    """Who got, or may have got, item *number* in a digest."""
    async for batch in batches(bucket, plan):
        if batch.entry and batch.rows:
            for letter, id in zip(batch.entry.rows, batch.rows.ids, strict=False):
                if letter in REACHED and batch.rows.picks.get(id, 0) >> number & 1:
                    yield id


def read(bucket: Bucket, tally: Tally) -> AsyncIterator[bulk.Batch]:
    keys = (BatchKey(*tally.plan, number) for number in range(tally.cursor.count))
    return bulk.batches(bucket, keys, recipients=True)
