"""How Loa does, read once for all who look; and the pauses of channels."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import starmap

import structlog

from consumers.channel_health import pauses
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.canary.texts import canary_line
from consumers.channel_health.pauses import Pause
from consumers.email.bounce_stops import BounceStop, load_stops
from consumers.messages import field_error, translate
from consumers.status.feeds import FeedHealth, load_feeds
from consumers.status.findings import Facts, count_drafts, find
from consumers.status.places import describe_place
from consumers.status.report import ChannelStatus, CircuitStatus, Severity, StatusFinding
from consumers.status.zalo_limits import LimitUse
from contracts.base.times import Clock, utc_now, utc_time
from contracts.delivery import ChannelName, PlanKey
from contracts.desk.operations import (
    BouncingMail,
    BrokenCircuit,
    ChannelState,
    ChannelView,
    FeedView,
    HealthLine,
    LaneBacklog,
    OperationsView,
    Problem,
    QuotaView,
    WaitingTexts,
)
from contracts.desk.person import DeskAct, Person
from contracts.errors import Invalid
from producers.bus import Bus, BusError

log = structlog.get_logger()
_FRESH_S, _LINE_S = 5.0, 60.0
"""How old the view of the page may be, and the line of a start page while the next is read."""
_WAIT_S = 0.5
"""How long a start page waits where there is no such line: the first reading takes long."""
_STOPS_SHOWN = 20


@dataclass
class OperationsDesk:
    """The service behind the page. *facts*: those of `loa status`, as this process has them."""

    bus: Bus
    facts: Callable[[], Awaitable[Facts]]
    clock: Clock = time.time
    _view: OperationsView | None = None
    _read_at: float = float("-inf")
    _reading: asyncio.Task[OperationsView] | None = None
    _begun_at: float = float("-inf")

    async def view(self) -> OperationsView:
        if self._view and self._age_s < _FRESH_S:
            return self._view
        while True:
            reading = self._begin()
            await asyncio.wait({reading})
            if not reading.cancelled():  # else an act on a channel made it untrue
                return reading.result()

    async def line(self) -> HealthLine | None:
        """The line of the last view: a page does not wait while the next one is read.

        None where no view of the last minute is there, and none comes soon.
        """
        if min(self._age_s, time.monotonic() - self._begun_at) >= _FRESH_S:
            self._begin()
        if self._reading and (self._view is None or self._age_s >= _LINE_S):
            await asyncio.wait({self._reading}, timeout=_WAIT_S)
        if (view := self._view) is None or self._age_s >= _LINE_S or not view.channels:
            return None
        problems = sum(one.severity == Severity.ACT for one in view.problems)
        return HealthLine(list(map(_state, view.channels)), problems)

    def stop(self) -> None:
        """End a reading that is under way."""
        if self._reading:
            self._reading.cancel()

    @property
    def _age_s(self) -> float:
        return time.monotonic() - self._read_at

    def _begin(self) -> asyncio.Task[OperationsView]:
        """The reading that is under way; a new one if there is none."""
        if self._reading is None or self._reading.done():
            self._reading, self._begun_at = asyncio.create_task(self._renew()), time.monotonic()
            self._reading.add_done_callback(_log_failure)
        return self._reading

    async def _renew(self) -> OperationsView:
        view = await self._read()
        self._view, self._read_at = view, time.monotonic()
        return view

    def _forget(self) -> None:
        """Discard the view from before an act on a channel, and end the reading under way."""
        self.stop()
        self._view = self._reading = None
        self._read_at = self._begun_at = float("-inf")

    async def pause(self, person: Person, channel: ChannelName, reason: str) -> None:
        why, account = reason.strip(), person.account
        if not why:
            raise Invalid(field_error("reason", "pause_reason"))
        act = DeskAct("channel.pause", channel, reason=why)
        await person.perform(
            act, lambda: pauses.pause_if_running(self.bus, channel, why, account.name)
        )
        self._forget()

    async def resume(self, person: Person, channel: ChannelName, reason: str) -> None:
        act = DeskAct("channel.resume", channel, reason=reason.strip())
        await person.perform(act, lambda: pauses.resume(self.bus, channel))
        self._forget()

    async def _read(self) -> OperationsView:
        facts, paused = await self.facts(), await pauses.load_pauses(self.bus)
        stops, now = (await load_stops(self.bus)).plans, self.clock()
        return OperationsView(
            at=utc_now(self.clock),
            problems=list(map(_problem, find(facts))),
            channels=[
                _channel(name, one, paused.get(name), now) for name, one in facts.channels.items()
            ],
            quotas=list(map(_quota, facts.limits)),
            bounces=[_bouncing(name, one) for name, one in _newest(stops)],
            feeds=[_feed(name, one) for name, one in (await load_feeds(self.bus)).items()],
            letters=facts.dead.count,
            drafts=list(starmap(WaitingTexts, count_drafts(facts.drafts).items())),
        )


def _log_failure(reading: asyncio.Task[OperationsView]) -> None:
    if not reading.cancelled() and (error := reading.exception()):
        unexpected = None if isinstance(error, BusError) else error
        log.warning("operations_not_read", error=type(error).__name__, exc_info=unexpected)


def _problem(one: StatusFinding) -> Problem:
    return Problem(one.severity, one.code, one.about, one.message_vi, one.remedy_vi)


def _channel(name: ChannelName, one: ChannelStatus, pause: Pause | None, now: float) -> ChannelView:
    broken = [_circuit(circuit) for circuit in (one, *one.other_breakers) if _is_broken(circuit)]
    is_stopped = pause is not None or any(not circuit.part for circuit in broken)
    return ChannelView(
        name=name,
        pause=pauses.shown_pause(pause) if pause else None,
        broken=broken,
        failing=translate(one.failing).vi,
        slowed=one.slowed,
        place=describe_place(one.goes_to).vi,
        canary=canary_line(one.canary, now).vi,
        lanes=[
            LaneBacklog(lane, of.backlog, of.oldest_s, 0 if is_stopped else of.ready, of.in_doubt)
            for lane, of in one.lanes.items()
            if of.backlog
        ],
    )


def _is_broken(circuit: CircuitStatus) -> bool:
    return circuit.breaker is not BreakerState.CLOSED


def _circuit(one: CircuitStatus) -> BrokenCircuit:
    why = translate(one.breaker_reason).vi
    return BrokenCircuit(one.breaker_part, one.breaker_since, why, one.next_probe)


def _state(channel: ChannelView) -> ChannelState:
    state = "failing" if channel.failing else "well"
    state = "broken" if channel.broken else state
    state = "paused" if channel.pause else state
    return ChannelState(channel.name, state, sum(lane.backlog for lane in channel.lanes))


def _quota(use: LimitUse) -> QuotaView:
    name = translate(use.limit.value).vi if use.limit else ""
    return QuotaView(name, use.used, use.most, use.until)


def _newest(stops: Mapping[str, BounceStop]) -> list[tuple[str, BounceStop]]:
    return sorted(stops.items(), key=lambda one: -one[1].at)[:_STOPS_SHOWN]


def _bouncing(name: str, stop: BounceStop) -> BouncingMail:
    plan = PlanKey.parse(name)
    at = utc_time(round(stop.at))
    return BouncingMail(plan.content_id, plan.revision, stop.state, at, stop.mails, stop.failed)


def _feed(name: str, one: FeedHealth) -> FeedView:
    unit, _, _ = name.partition(".")
    trouble = one.trouble.message_vi if one.trouble else ""
    read = utc_time(round(one.read)) if one.read else None
    return FeedView(unit, one.title, read, one.failures, one.stopped, trouble, len(one.held))
