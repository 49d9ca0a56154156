"""Facts that a unit was told of an item, in the words of a person at the terminal."""

from collections import Counter
from collections.abc import Iterator

from consumers.callbacks.item_state import EndpointShare, ToldFact, ToldItem
from consumers.messages import field_error, translate
from contracts.errors import Bilingual, FieldError


def told_texts(told: ToldItem) -> Iterator[FieldError]:
    """A line for each event, then one for each endpoint that has or waits for something.

    An event is named where another has the same revision.
    """
    by_event: dict[tuple[int | None, str | None], list[Bilingual]] = {}
    for fact in told.facts:
        by_event.setdefault((fact.revision, fact.event_id), []).append(_words(fact))
    events = Counter(revision for revision, _ in by_event)
    for (revision, event), words in by_event.items():
        code = "told_event" if event and events[revision] > 1 else "told_facts"
        facts = {"revision": revision or "?", "event": event, "facts": tuple(words)}
        yield field_error("told", code, **facts)
    for share in told.endpoints:
        if share.arrived or share.waiting:
            yield _share_text(share)


def _words(fact: ToldFact) -> Bilingual:
    if not (fact.channel and fact.counts):
        return Bilingual(fact.kind, translate(f"told {fact.kind}").vi)
    channel = Bilingual(fact.channel, translate(f"told on {fact.channel}").vi)
    said = field_error("told", "told_ended", channel=channel, **fact.counts.model_dump())
    return Bilingual(said.message, said.message_vi)


def _share_text(share: EndpointShare) -> FieldError:
    """How much of the item has arrived, and why the rest has not."""
    return field_error(f"callbacks {share.endpoint}", _code(share), **share.model_dump())


def _code(share: EndpointShare) -> str:
    if not share.waiting:
        return "told_arrived"
    if share.state in ("gone", "failing"):
        return "told_off"
    if share.state == "down":
        return "told_down"
    return "told_fails" if share.next_try else "told_waits"
