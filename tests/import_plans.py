"""A unit whose feeds are planned: what is planned stands in its log, as the door would have it."""

from collections import Counter
from datetime import timedelta

from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.after import whereabouts
from producers.imports.compose import compose
from producers.imports.draft import Moved, Plan, Reading, Twin
from producers.imports.entry import trusted
from producers.imports.feed import Feed
from producers.imports.known import Known
from producers.imports.plan import plan
from tests.feed_site import NOW, SITE, Article

UNIT = "tap-chi-to-chuc-nha-nuoc-va-lao-dong"
FEED = Feed(url=f"{SITE}/rss", topic="cai-cach-hanh-chinh", since=NOW - timedelta(days=2), most=500)
OTHER = FEED.model_copy(update={"url": f"{SITE}/rss/hai"})
OLD = 3 * 24 * 60


class House:
    """One unit; `take` plans a reading of its feed and has its events happen."""

    def __init__(self, feed: Feed = FEED) -> None:
        self.feed = feed
        self.known = Known(UNIT)
        self.aside: frozenset[str] = frozenset()
        self.twins: dict[str, Twin] = {}
        self.moved: tuple[Moved, ...] = ()
        self.read = False
        self.log: list = []

    def take(self, *articles: Article, feed: Feed | None = None, **more) -> Plan:
        feed = feed or self.feed
        entries = trusted(one.entry() for one in articles)
        feeds = frozenset({FEED.feed_id, OTHER.feed_id})
        given = {"first": not self.read, "aside": self.aside, "feeds": feeds, "now": NOW}
        given |= {"twins": self.twins, "moved": self.moved} | more
        made = plan(Reading(feed, entries, **given), self.known)
        self.happen(made, feed, given["now"])
        self.aside |= made.aside
        self.twins = made.twins
        self.moved = whereabouts(self.moved, made)
        self.read = True
        return made

    def happen(self, made: Plan, feed: Feed = FEED, at=NOW) -> None:
        for draft in made.drafts:
            self.hear(compose(draft, feed, UNIT), at)

    def hear(self, event, at=NOW) -> None:
        events.check(event, DEFAULT)
        events.check_sender(event, UNIT, DEFAULT)
        self.log.append(event)
        self.known.learn(event, at)

    def said(self, since: int = 0) -> Counter:
        return Counter(events.kind_of(one.type) for one in self.log[since:])
