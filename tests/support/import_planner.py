"""A unit whose feeds are planned: what is planned is in its log, as the gateway would have it."""

from collections import Counter
from datetime import timedelta

from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.compose_event import compose_event
from producers.imports.imported_articles import ImportedArticles
from producers.imports.next_state import merge_moved
from producers.imports.parse.feed_entry import drop_shared_names
from producers.imports.plan import plan_events
from producers.imports.planned import Moved, Plan, Reading, Twin
from producers.units.feed_settings import Feed
from tests.support.feed_site import NOW, SITE, Article

UNIT = "tap-chi-to-chuc-nha-nuoc-va-lao-dong"
FEED = Feed(url=f"{SITE}/rss", topic="cai-cach-hanh-chinh", since=NOW - timedelta(days=2), most=500)
OTHER = FEED.model_copy(update={"url": f"{SITE}/rss/hai"})
OLD = 3 * 24 * 60


class ImportPlanner:
    """One unit; `take` plans a reading of its feed and has its events happen."""

    def __init__(self, feed: Feed = FEED) -> None:
        self.feed = feed
        self.known = ImportedArticles(UNIT)
        self.set_aside: frozenset[str] = frozenset()
        self.twins: dict[str, Twin] = {}
        self.moved: tuple[Moved, ...] = ()
        self.read = False
        self.log: list = []

    def plan(self, *articles: Article, feed: Feed | None = None, **more) -> Plan:
        feed = feed or self.feed
        entries = drop_shared_names(one.entry() for one in articles)
        feeds = frozenset({FEED.feed_id, OTHER.feed_id})
        given = {"is_first": not self.read, "set_aside": self.set_aside, "feeds": feeds, "now": NOW}
        given |= {"twins": self.twins, "moved": self.moved} | more
        made = plan_events(Reading(feed, entries, **given), self.known)
        self.apply(made, feed, given["now"])
        self.set_aside |= made.set_aside
        self.twins = made.twins
        self.moved = merge_moved(self.moved, made)
        self.read = True
        return made

    def apply(self, made: Plan, feed: Feed = FEED, at=NOW) -> None:
        for draft in made.drafts:
            self.accept(compose_event(draft, feed, UNIT), at)

    def accept(self, event, at=NOW) -> None:
        events.check(event, DEFAULT)
        events.check_sender(event, UNIT, DEFAULT)
        self.log.append(event)
        self.known.add_event(event, at)

    def event_counts(self, since: int = 0) -> Counter:
        return Counter(events.kind_of(one.type) for one in self.log[since:])
