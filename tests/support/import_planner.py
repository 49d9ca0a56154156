"""A planner for one unit's feeds; it logs planned events as the gateway would accept them."""

from collections import Counter
from datetime import timedelta

from contracts import events
from contracts.vocabulary import DEFAULT
from producers.imports.compose_event import compose_event
from producers.imports.feed_state import FeedState
from producers.imports.imported_articles import ImportedArticles
from producers.imports.next_state import merge_moved
from producers.imports.parse.feed_entry import drop_shared_names
from producers.imports.plan import plan_events
from producers.imports.planned import ManualVisit, Plan, Reading
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
        self.state = FeedState()
        self.log: list = []

    def plan(
        self,
        *articles: Article,
        feed: Feed | None = None,
        now=NOW,
        release_held=False,
        feeds=(FEED, OTHER),
    ) -> Plan:
        feed = feed or self.feed
        entries = drop_shared_names(article.entry() for article in articles)
        feeds = frozenset(feed.feed_id for feed in feeds)
        manual = ManualVisit(release_held=True) if release_held else None
        plan = plan_events(Reading(feed, entries, now, self.state, feeds, manual), self.known)
        self.apply(plan, feed, now)
        self.state = FeedState(
            read=now.timestamp(),
            aside=(*plan.set_aside, *self.state.aside),
            twins=tuple(plan.twins.values()),
            moved=merge_moved(self.state.moved, plan),
        )
        return plan

    def apply(self, made: Plan, feed: Feed = FEED, at=NOW) -> None:
        for draft in made.drafts:
            self.accept(compose_event(draft, feed, UNIT), at)

    def accept(self, event, at=NOW) -> None:
        events.check(event, DEFAULT)
        events.check_sender(event, UNIT, DEFAULT)
        self.log.append(event)
        self.known.add_event(event, at)

    def event_counts(self) -> Counter:
        return Counter(events.kind_of(one.type) for one in self.log)
