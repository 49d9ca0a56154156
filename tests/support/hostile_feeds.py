"""Feeds that are broken by mistake or on purpose, and what an import makes of them."""

from datetime import UTC, datetime, timedelta

from contracts import events
from contracts.base.conditional_response import ConditionalResponse
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT
from producers.imports import next_state
from producers.imports.compose_event import compose_event
from producers.imports.feed_state import FeedState
from producers.imports.imported_articles import ImportedArticles
from producers.imports.parse import feed_document
from producers.imports.plan import plan_events
from producers.imports.planned import Reading
from producers.units.feed_settings import Feed
from tests.support.feed_site import Article
from tests.support.import_pipeline import TOPIC, UNIT

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
URL = "https://tcnn.example.vn/rss/home.rss"
FEED = Feed(url=URL, topic=TOPIC, since=NOW - timedelta(days=2), backfill=True)
GML = 'xmlns:gml="http://www.opengis.net/gml"'


def taken(found: ConditionalResponse) -> tuple[list[str], FeedState]:
    """Plan a visit to *found* without the bus: the titles sent, and the entries kept.

    Raises NotAFeed.
    """
    read = feed_document.parse_feed(found.body or b"", found.url, found.charset, NOW)
    made = plan_events(Reading(FEED, read.entries, NOW), ImportedArticles(UNIT))
    done, titles = next_state.ReadingResult(found, made, read.title, read.ttl_s), []
    for odd in read.unreadable:
        done.refuse_entry(odd, NOW)
    for draft in made.drafts:
        try:
            event = compose_event(draft, FEED, UNIT)
            events.check(event, DEFAULT)
            titles.append(event.data["title"])
        except ContractError as wrong:
            assert all(one.message_vi and one.message for one in wrong.errors)
    state = next_state.after_reading(FeedState(), FEED, NOW.timestamp(), done)
    return titles, FeedState.model_validate_json(state.model_dump_json())


LINKS = [
    "http://[ten-mien]/tin/2.html",
    "http://[::1/tin",
    "https://tcnn.example.vn/?" + "&amp;".join(f"a{n}=1" for n in range(120)),
]
HEADERS = ['"\udce9"', '"é"', '"\x01"', "\udcff" * 9]
SPACES = (
    f'{GML} xmlns:media="http://search.yahoo.com/mrss/" xmlns:geo="http://www.georss.org/georss" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://web.resource.org/cc/" '
    'xmlns:psc="http://podlove.org/simple-chapters" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
)
FILE = "<enclosure url='/a.pdf' length='9' type='application/pdf'/>"
SEEDS = [
    f"<rss version='2.0' {SPACES}><channel><title>Tạp chí</title><ttl>60</ttl>"
    + "<textInput><title>Tìm</title><name>q</name></textInput><image><url>/a.png</url></image>"
    + Article(1, full="<p>Toàn văn</p>", author="Nguyễn Văn A").item()
    + Article(2).item().replace("</item>", f"{FILE}</item>")
    + "</channel></rss>",
    f"<feed xmlns='http://www.w3.org/2005/Atom' {SPACES}><title>T</title><entry><title>A</title>"
    "<link href='../1'/><id>urn:1</id><published>2027-01-15T07:00:00Z</published><author><name>B"
    "</name></author><content type='xhtml'><div>Một</div></content></entry></feed>",
    f"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' {SPACES} "
    "xmlns='http://purl.org/rss/1.0/'><channel><title>T</title></channel><item rdf:about='/1'>"
    "<title>A</title><link>/1</link><dc:date>2027-01-15</dc:date></item></rdf:RDF>",
]
