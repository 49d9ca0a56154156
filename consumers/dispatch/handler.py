"""Dispatch a publication: freeze its recipients on one channel as batches in the ledger."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog
from structlog.contextvars import bound_contextvars

from consumers.dispatch.already_read import mark_already_read
from consumers.dispatch.audience import Audience, AudienceQuery, AudienceRow
from consumers.dispatch.planner import Planner
from consumers.dispatch.supersede import Supersession, merge_distinct
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication, StoredPublication
from producers.bus.records import Versioned

log = structlog.get_logger()
_MAX_RETRY_DELAY_S = 600.0
_WITHHELD_RETRY_S = 5.0


class ReleasedPositions(Protocol):
    """The released positions of an item; see `consumers.intake.repository`."""

    async def released_positions(self, content_id: str) -> Sequence[int]: ...
    async def halt_mark(self, content_id: str, revision: int) -> str: ...


class DoubtSource(Protocol):
    """Doubts after a restore; see `consumers.operations.restore`."""

    async def may_have_been_published(self, publication: Publication, seq: int) -> bool: ...
    async def may_have_been_issued(self, due: datetime) -> bool: ...


class DigestPart(NamedTuple):
    """An item's place in one issue of a digest."""

    plan: PlanKey
    number: int


class AffectedDigests(Protocol):
    """Digests that hold an item; see `consumers.digests`."""

    async def stop(self, content_id: str, below: int) -> Sequence[DigestPart]:
        """Halt digests that would send a position *below* this one; return all that held one."""


class ScheduledIssues(Protocol):
    """Issues of bulletins whose time has come; see `consumers.bulletins.withholding`."""

    async def why_not(self, released: StoredPublication) -> str: ...


@dataclass
class Dispatcher(Planner):
    """Plans publications for one channel. The portal does not wait for older positions."""

    channel: ChannelName
    ledger: Ledger
    waker: Waker
    supersession: Supersession
    positions: ReleasedPositions
    audience: Audience
    gate: LaneSemaphore
    waits_for_earlier: bool = True
    doubts: DoubtSource | None = None  # which plans may have been made once before, after a restore
    digests: AffectedDigests | None = None  # where readers may have got an item in a digest
    issues: ScheduledIssues | None = None  # asked before the first channel plans an issue
    clock: Callable[[], float] = time.time

    async def on_publication(self, released: StoredPublication) -> None:
        """Plan one publication; returning means that every batch has its wake-up."""
        publication = released.publication
        self.gate.require_capacity(publication.lane)
        facts = {"content_id": publication.content_id, "revision": publication.revision}
        with bound_contextvars(channel=self.channel.value, lane=publication.lane.value, **facts):
            async with self.gate.acquire(publication.lane):
                self.require_start_reached(publication)
                with tracing.span(tracing.DISPATCH, self.span_facts(publication)):
                    await self.dispatch(released)

    def span_facts(self, publication: Publication) -> tracing.Attributes:
        return {
            "loa.channel": self.channel.value,
            "loa.lane": publication.lane.value,
            "loa.content_id": publication.content_id,
            "loa.revision": publication.revision,
        }

    def require_start_reached(self, publication: Publication) -> None:
        """Raises RetryLater before the publication's `not_before`."""
        if publication.not_before is None:
            return
        rest_s = publication.not_before.timestamp() - self.clock()
        if rest_s > 0:
            raise RetryLater(min(rest_s, _MAX_RETRY_DELAY_S), "scheduled")

    async def dispatch(self, released: StoredPublication) -> None:
        publication = released.publication
        plan = PlanKey(self.channel, publication.content_id, publication.revision)
        crash_point("dispatch.fetched")
        if publication.not_before and (why := await self.positions.halt_mark(*plan[1:])):
            await self.supersession.halt(plan, why)
            return
        await self.require_current_issue(released)
        earlier = await self.halt_earlier(plan, publication)
        if self.channel not in publication.channels and not earlier.was_planned:
            return
        crash_point("dispatch.older_halted")
        held = await self.ledger.create_plan(plan, await self.new_cursor(released))
        crash_point("dispatch.cursor_created")
        await self.wake_batches(plan, range(held.value.stored_count), held.value)
        if held.value.complete or held.value.halt:
            return
        if self.waits_for_earlier:
            await self.supersession.require_settled(earlier.plans)
        await self.audience.ready()
        earlier = earlier._replace(was_planned=earlier.was_planned or held.value.doubt)
        await self.plan_recipients(plan, publication, held, earlier)

    async def require_current_issue(self, released: StoredPublication) -> None:
        """Raises RetryLater for an issue that is kept back, until intake has withdrawn it."""
        if self.issues and released.publication.bulletin and await self.issues.why_not(released):
            raise RetryLater(_WITHHELD_RETRY_S, "the issue is kept back")

    async def halt_earlier(self, plan: PlanKey, publication: Publication) -> "EarlierPositions":
        """Halt the plans of the item's older positions, also those not yet made."""
        positions = await self.positions.released_positions(plan.content_id)
        lower = [plan._replace(revision=one) for one in positions if one < plan.revision]
        mark = "w" if publication.action == "withdrawn" else "v"
        for older in lower:
            await self.supersession.halt(older, f"{mark}{publication.revision}")
        parts = await self.digests.stop(*plan[1:]) if self.digests else ()
        earlier = EarlierPositions(lower, parts)
        return earlier._replace(was_planned=await self.supersession.any_planned(earlier.plans))

    async def new_cursor(self, released: StoredPublication) -> PlanCursor:
        publication, seq, doubts = released.publication, released.seq, self.doubts
        doubt = doubts is not None and await doubts.may_have_been_published(publication, seq)
        return PlanCursor(source=seq, lane=publication.lane, doubt=doubt, created=self.clock())

    async def plan_recipients(
        self,
        plan: PlanKey,
        publication: Publication,
        held: Versioned[PlanCursor],
        earlier: "EarlierPositions",
    ) -> None:
        """Plan the audience, and the recipients of *earlier* positions."""

        def behind(after: str) -> AsyncIterator[AudienceRow]:
            query = earlier.query(self.channel, publication, self.supersession, after)
            rows = self.audience.rows(query, after)
            if self.channel is not ChannelName.EMAIL or publication.bulletin is None:
                return rows
            return mark_already_read(rows, publication.bulletin, self.ledger, after)

        following = includes_followers(self.channel, publication)
        count = (lambda: self.audience.count(publication)) if following else None
        ended = (await self.plan_batches(plan, held, behind, count)).value
        log.info("publication_planned", batches=ended.count, recipients=ended.planned)


def includes_followers(channel: ChannelName, publication: Publication) -> bool:
    """Whether a publication goes to those who follow it now, not only to its earlier readers."""
    return channel in publication.channels and publication.action != "withdrawn"


class EarlierPositions(NamedTuple):
    """An item's older positions on one channel: plans of their own, and parts of digests.

    `was_planned`: one of them had recipients, or may have had before a restore.
    """

    own_plans: Sequence[PlanKey]
    digest_parts: Sequence[DigestPart]
    was_planned: bool = False

    @property
    def plans(self) -> list[PlanKey]:
        return [*self.own_plans, *(part.plan for part in self.digest_parts)]

    def query(
        self, channel: ChannelName, publication: Publication, supersession: Supersession, after: str
    ) -> AudienceQuery:
        """The audience query of a channel for *publication*."""
        reached = self.reached_recipients(supersession, after)
        following = includes_followers(channel, publication)
        return AudienceQuery(publication, following, reached, self.was_planned)

    def reached_recipients(self, supersession: Supersession, after: str) -> AsyncIterator[str]:
        """Ids > *after* that got, or may have got, any of them: sorted, unique."""
        alone = supersession.reached_recipients(self.own_plans, after)
        if not self.digest_parts:
            return alone
        parts = self.digest_parts
        digests = [supersession.reached_in_plan(part.plan, after, part.number) for part in parts]
        return merge_distinct([alone, *digests])
