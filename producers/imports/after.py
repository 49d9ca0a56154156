"""What a visit leaves behind: the next state of a feed, from what happened. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from producers.imports.draft import Draft, Moved, Plan
from producers.imports.entry import Odd
from producers.imports.feed import Feed
from producers.imports.manners import WEEK_S, next_visit
from producers.imports.site import Found, Unreached, same_place
from producers.imports.state import (
    ASIDE_MAX,
    MOVED_MAX,
    PLACES_MAX,
    REFUSED_MAX,
    RESTLESS_MAX,
    TWINS_MAX,
    FeedState,
    Refusal,
)

SOON_S = 60.0
LUCK = Random()  # noqa: S311 -- spreads visits, keeps no secret


@dataclass
class Taken:
    """What became of one reading."""

    found: Found
    made: Plan
    title: str = ""
    ttl_s: float = 0.0
    refused: list[Refusal] = field(default_factory=list)
    left: int = 0
    """Drafts that somebody else was faster with: the next reading looks again."""

    def leave_out(self, odd: Odd, at: datetime) -> None:
        """An entry of which nobody knows what it says."""
        title, url = odd.title[:200], odd.url[:2048]
        refusal = Refusal(key=odd.key, title=title, url=url, at=at, errors=(odd.error,))
        self.refused.append(refusal)
        self.made.counts["refused"] += 1

    def book(self, draft: Draft, sent: Refusal | bool) -> None:
        """What became of one draft."""
        if isinstance(sent, Refusal):
            self.refused.append(sent)
        self.left += sent is False
        self.made.counts["refused" if isinstance(sent, Refusal) else draft.why] += bool(sent)


def failed(state: FeedState, feed: Feed, now: float, away: Unreached) -> FeedState:
    """Nothing could be read; what was known stays."""
    after_s = away.after_s
    wait = next_visit(feed.every_min * 60, after_s, state.failures + 1, LUCK.random())
    return state.model_copy(
        update={
            "due": now + wait,
            "closed_until": now + min(after_s, WEEK_S) if after_s else 0.0,
            "visited": now,
            "failures": state.failures + 1,
            "trouble": away.error,
            "feeds": away.feeds,
            "moved_to": "",  # the address that was configured is asked next
        }
    )


def over(state: FeedState, now: float, away: Unreached) -> FeedState:
    """The site says that nothing will come any more."""
    return state.model_copy(
        update={"visited": now, "stopped": True, "trouble": away.error, "feeds": ()}
    )


def put_off(state: FeedState, now: float) -> FeedState:
    """The bus failed us: all of it again, soon."""
    return state.model_copy(update={"due": now + SOON_S})


def unchanged(state: FeedState, feed: Feed, now: float, found: Found) -> FeedState:
    """The site says that nothing is new. What was never read, is not read for that."""
    update = visited(feed, now, found, found.max_age_s)
    return state.model_copy(update=update | {"read": now if state.read else 0.0})


def settled(state: FeedState, feed: Feed, now: float, taken: Taken) -> FeedState:
    """It was read, and what follows from it is done."""
    made, found = taken.made, taken.found
    update = visited(feed, now, found, max(found.max_age_s, taken.ttl_s))
    if not taken.left and not made.counts["restless"]:  # else all of it is looked at again
        update |= {"etag": repeatable(found.etag), "modified": repeatable(found.modified)}
    update |= {
        "title": taken.title,
        "counts": {name: count for name, count in made.counts.items() if count},
        "held": tuple(one.entry.title[:150] for one in made.held[:20]),
        "aside": tuple(dict.fromkeys([*sorted(made.aside), *state.aside]))[:ASIDE_MAX],
        "twins": tuple(made.twins.values())[:TWINS_MAX],
        "moved": whereabouts(state.moved, made),
        "restless": tuple(made.restless[:RESTLESS_MAX]),
        "refused": remembered(state.refused, taken),
    }
    return state.model_copy(update=update)


def repeatable(header: str) -> str:
    """What a site calls its answer, if that can be kept, and sent back as it came; else nothing."""
    return header if header.isascii() and header.isprintable() else ""


def visited(feed: Feed, now: float, found: Found, asked_s: float) -> dict[str, object]:
    moved = repeatable(found.url) if found.moved_for_good and found.url != feed.url else ""
    return {
        "due": now + next_visit(feed.every_min * 60, asked_s, 0, LUCK.random()),
        "closed_until": 0.0,
        "visited": now,
        "read": now,
        "failures": 0,
        "stopped": False,
        "trouble": None,
        "feeds": (),
        "moved_to": moved,
    }


def address(feed: Feed, state: FeedState) -> str:
    """Where to ask: where the feed has moved to for good, if that is still the same site."""
    moved = state.moved_to
    return moved if moved and same_place(moved, feed.url) else feed.url


def whereabouts(before: tuple[Moved, ...], made: Plan) -> tuple[Moved, ...]:
    """Where items stand by now, and stood before; what moved longest ago is forgotten first."""
    places: Counter[str] = Counter()
    kept = []
    for one in dict.fromkeys((*made.moved, *before)):
        places[one.of] += 1
        if places[one.of] <= PLACES_MAX:
            kept.append(one)
    return tuple(kept[:MOVED_MAX])


def remembered(before: tuple[Refusal, ...], taken: Taken) -> tuple[Refusal, ...]:
    """What stands refused: what is new, and what is still in the feed as it was."""
    kept = [one for one in before if one.key in taken.made.refused]
    return (*taken.refused, *kept)[:REFUSED_MAX]
