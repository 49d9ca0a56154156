"""Channel problems that keep an item's deliveries waiting, and the command that helps."""

from consumers.channel_health import breaker_store, destinations, pauses, readback
from consumers.channel_health.breaker import Breaker, remedy
from consumers.channel_health.destinations import Destination
from consumers.messages import field_error, load_catalog, translate
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import ChannelName, Lane
from contracts.errors import FieldError, localized
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
    problems = [field_error(one, "channel_paused", value=one) for one in waiting if one in paused]
    problems += [breaker_problem(name, breakers[name]) for name in broken]
    places = await destinations.load_destinations(bus)
    blocked = {*paused, *broken}
    problems += [
        _failing_problem(name, places[name])
        for name in waiting
        if name in places and name not in blocked and places[name].failing
    ]
    if ChannelName.PORTAL in waiting:
        failure = readback.readback_failure(places)
        problems += [failure.field_error] if failure else []
    return problems


def breaker_problem(name: ChannelName, breaker: Breaker) -> FieldError:
    since = utc_time(round(breaker.since))
    now = remedy(breaker.reason)
    code = "channel_broken_now" if now else "channel_broken"
    return field_error(name, code, since=since, reason=translate(breaker.reason), now=now)


def _failing_problem(name: ChannelName, place: Destination) -> FieldError:
    since = utc_time(round(place.failing_since))
    texts = load_catalog("status")["channel_failing"]
    return localized(name, texts, since=since, reason=translate(place.failing))
