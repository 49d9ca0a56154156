"""The state of a feed after a visit, and when the next one is due. Pure functions."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from contracts.base.conditional_response import ConditionalResponse
from producers.imports.errors import FeedUnavailable
from producers.imports.feed_request import host_of
from producers.imports.feed_state import (
    MAX_MOVED,
    MAX_PLACES_PER_ITEM,
    MAX_REFUSALS,
    MAX_RESTLESS,
    MAX_SET_ASIDE,
    MAX_TWINS,
    FeedState,
    MovedItem,
    Refusal,
    new_refusal,
)
from producers.imports.parse.feed_entry import UnreadableEntry
from producers.imports.planned import Draft, Plan
from producers.units.feed_settings import Feed

POSTPONED_S = 60.0
DAY_S = 86_400.0
_WEEK_S = 7 * DAY_S
_JITTER = 0.1
_MAX_DOUBLINGS = 20
_RANDOM = Random()  # noqa: S311 -- spreads visits, keeps no secret


@dataclass
class ReadingResult:
    """Result of one reading."""

    response: ConditionalResponse
    plan: Plan
    title: str = ""
    ttl_s: float = 0.0
    refused: list[Refusal] = field(default_factory=list)
    overtaken: int = 0
    """Drafts overtaken by another process; the next reading looks again."""

    def refuse_entry(self, entry: UnreadableEntry, at: datetime) -> None:
        self.refused.append(new_refusal(entry.key, entry, at, [entry.error]))
        self.plan.counts["refused"] += 1

    def record(self, draft: Draft, result: Refusal | bool) -> None:
        if isinstance(result, Refusal):
            self.refused.append(result)
        self.overtaken += result is False
        self.plan.counts["refused" if isinstance(result, Refusal) else draft.reason] += bool(result)


def after_failure(state: FeedState, feed: Feed, now: float, error: FeedUnavailable) -> FeedState:
    """The state after a failed visit; known articles stay."""
    after_s = error.retry_after_s
    wait = next_visit_s(feed.every_min * 60, after_s, state.failures + 1, _RANDOM.random())
    return state.model_copy(
        update={
            "due": now + wait,
            "closed_until": now + min(after_s, _WEEK_S) if after_s else 0.0,
            "visited": now,
            "failures": state.failures + 1,
            "trouble": error.error,
            "feeds": error.feeds,
            "moved_to": "",  # request the configured address next
        }
    )


def after_end(state: FeedState, now: float, error: FeedUnavailable) -> FeedState:
    """The state after the site ended its feed."""
    update = {"visited": now, "stopped": True, "trouble": error.error, "feeds": ()}
    return state.model_copy(update=update)


def after_unchanged(
    state: FeedState, feed: Feed, now: float, response: ConditionalResponse
) -> FeedState:
    """The state after "not modified"; a feed never read before stays unread."""
    update = _visit_fields(feed, now, response, response.max_age_s)
    return state.model_copy(update=update | {"read": now if state.read else 0.0})


def after_reading(state: FeedState, feed: Feed, now: float, result: ReadingResult) -> FeedState:
    """The state after a reading whose events were sent."""
    plan, response = result.plan, result.response
    update = _visit_fields(feed, now, response, max(response.max_age_s, result.ttl_s))
    is_done = not result.overtaken and not plan.counts["restless"]
    if is_done:  # else the next visit reads all entries again
        update |= {
            "etag": _repeatable_header(response.etag),
            "modified": _repeatable_header(response.last_modified),
        }
    refused = (refusal for refusal in state.refused if refusal.key in plan.refused)
    update |= {
        "title": result.title,
        "counts": {name: count for name, count in plan.counts.items() if count},
        "held": tuple(draft.entry.title[:150] for draft in plan.held[:20]),
        "aside": tuple(dict.fromkeys([*sorted(plan.set_aside), *state.aside]))[:MAX_SET_ASIDE],
        "twins": tuple(plan.twins.values())[:MAX_TWINS],
        "moved": merge_moved(state.moved, plan),
        "restless": tuple(plan.restless[:MAX_RESTLESS]),
        "refused": (*result.refused, *refused)[:MAX_REFUSALS],
    }
    return state.model_copy(update=update)


def _repeatable_header(header: str) -> str:
    """An ETag or date that can be stored and sent back unchanged; else empty."""
    return header if header.isascii() and header.isprintable() else ""


def _visit_fields(
    feed: Feed, now: float, response: ConditionalResponse, asked_s: float
) -> dict[str, object]:
    moved = response.moved_permanently and response.url != feed.url
    return {
        "due": now + next_visit_s(feed.every_min * 60, asked_s, 0, _RANDOM.random()),
        "closed_until": 0.0,
        "visited": now,
        "read": now,
        "failures": 0,
        "stopped": False,
        "trouble": None,
        "feeds": (),
        "moved_to": _repeatable_header(response.url) if moved else "",
    }


def request_url(feed: Feed, state: FeedState) -> str:
    """The address to request: the permanent redirect, if on the same host."""
    is_same_host = host_of(state.moved_to) == host_of(feed.url)
    return state.moved_to if state.moved_to and is_same_host else feed.url


def merge_moved(before: tuple[MovedItem, ...], plan: Plan) -> tuple[MovedItem, ...]:
    """Merge new and known moves; the oldest are dropped first."""
    places: Counter[str] = Counter()
    moves = []
    for move in dict.fromkeys((*plan.moved, *before)):
        places[move.of] += 1
        if places[move.of] <= MAX_PLACES_PER_ITEM:
            moves.append(move)
    return tuple(moves[:MAX_MOVED])


def next_visit_s(every_s: float, asked_s: float, failures: int, jitter: float) -> float:
    """Seconds until the next visit.

    *asked_s* is the site's last max-age, ttl or Retry-After, limited to a week. Each consecutive
    failure doubles the wait, up to a day.
    """
    patience: float = every_s * 2.0 ** min(failures, _MAX_DOUBLINGS)
    wished = max(every_s, min(patience, DAY_S), min(asked_s, _WEEK_S))
    return wished * (1 + _JITTER * jitter)
