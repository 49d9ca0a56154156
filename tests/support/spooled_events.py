"""A spool with numbered events."""

from contracts.envelope import from_structured
from contracts.vocabulary import DEFAULT
from producers.admission import admit
from tests.support.gateway_client import UNIT, sample_event, stored_events


def admitted(**changes):
    return admit(from_structured(sample_event(**changes)), UNIT, DEFAULT)


def numbered(n):
    return admitted(id=f"e-{n}", content_id=f"tin-{n}")


def ids(spool):
    return [spool.read(path).event.id for path in spool.waiting()]


async def stored_ids(bus):
    return [event["id"] for event in await stored_events(bus)]
