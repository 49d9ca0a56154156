"""A spool with numbered events, and events kept at the worst moments."""

from contextlib import ExitStack, contextmanager

from contracts.envelope import from_structured
from contracts.vocabulary import DEFAULT
from producers.admission import admit
from producers.spool import Spool
from tests.support.gateway_client import UNIT, sample_event, stored_events


def admitted(**changes):
    return admit(from_structured(sample_event(**changes)), UNIT, DEFAULT)


def numbered(n):
    return admitted(id=f"e-{n}", content_id=f"tin-{n}")


def keep_as_a_drain_ends(monkeypatch, n):
    """Keep event *n* after a drain has looked for the last time, while it still has the lock."""
    draining, late = Spool.draining, [numbered(n)]

    @contextmanager
    def and_keep(spool):
        with draining(spool) as is_drainer:
            yield is_drainer
            if late:
                spool.append(late.pop())

    monkeypatch.setattr(Spool, "draining", and_keep)


def end_a_drain_before_an_event_is_kept(monkeypatch, spool):
    """Drain elsewhere until the next event is about to be kept."""
    append, elsewhere = Spool.append, ExitStack()
    assert elsewhere.enter_context(spool.draining())

    def append_after_it(own, event):
        elsewhere.close()
        return append(own, event)

    monkeypatch.setattr(Spool, "append", append_after_it)


def ids(spool):
    return [spool.read(path).event.id for path in spool.waiting()]


async def stored_ids(bus):
    return [event["id"] for event in await stored_events(bus)]
