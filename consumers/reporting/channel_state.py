"""Channel problems that keep an item's deliveries waiting, and the command that helps."""

from collections.abc import Iterator, Set

from consumers.channel_health import breaker_store, destinations, pauses, readback
from consumers.channel_health.breaker import Breaker, remedy
from consumers.channel_health.destinations import Destination
from consumers.channel_health.pauses import Pause
from consumers.channel_health.trouble import reason_now
from consumers.messages import field_error, load_catalog, translate
from consumers.zalo.wait_causes import explain_wait
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import ChannelName, Lane
from contracts.errors import Bilingual, FieldError, localized
from contracts.trace import Trace
from producers.bus import Bus


async def channel_problems(bus: Bus, trace: Trace) -> list[FieldError]:
    """Problems of the channels on which the item has open rows. Raises BusError."""
    waiting = [name for name, count in trace.channels.items() if not count.complete]
    if not waiting:
        return []
    paused = await pauses.load_pauses(bus)
    lane = Lane.NOTICE if keys.is_case(trace.content_id) else Lane.NORMAL
    stored = await breaker_store.load_breakers(bus)
    breakers = {name: stored[breaker_store.circuit_of(name, lane)] for name in waiting}
    broken = [name for name in waiting if not breakers[name].is_closed]
    problems = [_paused_problem(one, paused[one]) for one in waiting if one in paused]
    places = await destinations.load_destinations(bus)
    problems += [breaker_problem(name, breakers[name], places.get(name)) for name in broken]
    blocked = {*paused, *broken}
    problems += [
        _failing_problem(name, places[name])
        for name in waiting
        if name in places and name not in blocked and places[name].failing
    ]
    told = {*blocked, *(one.field for one in problems)}
    problems += [*_unplanned(trace, told), *_zalo_waits(trace)]
    if ChannelName.PORTAL in waiting:
        failure = readback.readback_failure(places)
        problems += [failure.field_error] if failure else []
    return problems


def _unplanned(trace: Trace, told: Set[str]) -> Iterator[FieldError]:
    """Channels whose recipients are not known yet, unless the timeline, or *told*, says why."""
    explained = {*told, *(one.channel for one in trace.timeline if one.event == "waiting")}
    for name, count in trace.channels.items():
        if not (count.expected or count.complete or name in explained):
            is_mail = name is ChannelName.EMAIL
            yield field_error(name, "not_planned_mail" if is_mail else "not_planned")


def _paused_problem(name: ChannelName, pause: Pause) -> FieldError:
    """Since when, by whom and why a channel is paused."""
    facts = {"since": pause.since, "reason": pauses.describe_reason(pause.reason or "-")}
    code = "channel_paused_by" if pause.by else "channel_paused"
    return field_error(name, code, value=name, who=pause.by, **facts)


def breaker_problem(
    name: ChannelName, breaker: Breaker, place: Destination | None = None
) -> FieldError:
    """Why a channel can't work, for the same reason as in `loa status`."""
    since, failing = utc_time(round(breaker.since)), place.failing if place else ""
    reason = reason_now(name, breaker.state, breaker.reason, failing)
    now = _remedy(reason)
    code = "channel_broken_now" if now.en else "channel_broken"
    return field_error(name, code, since=since, reason=translate(reason), now=now)


def _remedy(reason: str) -> Bilingual:
    """The remedy for a breaker's reason, in the words of `loa status`; empty for most."""
    texts, command = load_catalog("status").get(reason.partition(":")[0], {}), remedy(reason)
    return Bilingual(texts.get("do_en", command), texts.get("do_vi", command))


def _zalo_waits(trace: Trace) -> Iterator[FieldError]:
    """The remedy that Zalo wants of a person before the rows that wait can go."""
    waits = [entry for entry in trace.timeline if entry.event == "waiting"]
    reasons = [one.detail.partition(": ")[2] for one in waits if one.channel is ChannelName.ZALO]
    for cause in filter(None, map(explain_wait, reasons)):
        if cause.needs_person:
            said = field_error(ChannelName.ZALO, "zalo_waits_for_person", reason=cause.reason)
            message, message_vi = (
                f"{said.message}: {cause.fix.en}",
                f"{said.message_vi}: {cause.fix.vi}",
            )
            yield FieldError(field=said.field, message=message, message_vi=message_vi)


def _failing_problem(name: ChannelName, place: Destination) -> FieldError:
    since = utc_time(round(place.failing_since))
    texts = load_catalog("status")["channel_failing"]
    return localized(name, texts, since=since, reason=translate(place.failing))
