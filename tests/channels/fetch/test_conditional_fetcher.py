"""Coming back to a site: the unchanged need not be sent again, and it is left alone as asked."""

import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from yarl import URL

from channels.fetch.errors import PermanentFetchError, ResourceGone, RetryAfter, TemporaryFetchError
from channels.fetch.fetcher import ConditionalFetcher, FetchLimits, parse_max_age, parse_retry_after
from tests.support.feed_site import FeedSite
from tests.support.picture_server import open_picture_server

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
FEED = b"<rss></rss>"
PACKED = gzip.compress(FEED, mtime=0)


@pytest.fixture
async def server():
    async with open_picture_server() as server:
        yield server


def visitor(server, **limits) -> ConditionalFetcher:
    return ConditionalFetcher(server.gate(), FetchLimits(**limits))


async def test_what_is_there_comes_with_what_to_ask_by_next_time(server):
    said = {"ETag": '"1"', "Last-Modified": "Fri, 15 Jan 2027 07:00:00 GMT"}
    said |= {"Cache-Control": "max-age=900"}
    server.serve("/rss", FEED, "text/xml; charset=windows-1258", headers=said)
    found = await visitor(server).fetch_if_changed(server.url("/rss"))
    assert (found.body, found.charset, found.max_age_s) == (FEED, "windows-1258", 900)
    assert (found.etag, found.last_modified) == ('"1"', "Fri, 15 Jan 2027 07:00:00 GMT")
    assert not found.moved_permanently


async def test_what_has_not_changed_is_not_sent_again(server):
    site = FeedSite(server)
    site.publish(FEED)
    first = await visitor(server).fetch_if_changed(site.url())
    again = await visitor(server).fetch_if_changed(site.url(), etag=first.etag, last_modified="x")
    assert (again.body, site.unchanged) == (None, 1)
    assert server.headers[-1]["If-Modified-Since"] == "x"


async def test_it_says_who_comes(server):
    server.serve("/rss", FEED)
    one = visitor(server)
    one.user_agent = "Loa (+https://tin.example.gov.vn)"
    await one.fetch_if_changed(server.url("/rss"))
    assert server.headers[-1]["User-Agent"] == "Loa (+https://tin.example.gov.vn)"
    assert "Cookie" not in server.headers[-1]


@pytest.mark.parametrize(
    ("steps", "for_good"), [([301], True), ([308, 301], True), ([302], False), ([301, 307], False)]
)
async def test_only_moves_for_good_are_for_good(server, steps, for_good):
    for number, status in enumerate(steps):
        server.move(f"/{number}", f"/{number + 1}", status)
    server.serve(f"/{len(steps)}", FEED)
    found = await visitor(server).fetch_if_changed(server.url("/0"))
    assert (found.url, found.moved_permanently) == (server.url(f"/{len(steps)}"), for_good)


def test_encryption_is_not_left_behind():
    plain, encrypted = "http://moha.gov.vn/rss", "https://moha.gov.vn/rss"
    with pytest.raises(PermanentFetchError, match="https to http"):
        ConditionalFetcher().redirect_target(URL(encrypted), plain)
    assert ConditionalFetcher().redirect_target(URL(plain), encrypted).scheme == "https"


async def test_a_page_that_is_gone_says_so(server):
    server.serve("/rss", status=410)
    with pytest.raises(ResourceGone):
        await visitor(server).fetch_if_changed(server.url("/rss"))


@pytest.mark.parametrize("status", [429, 503])
async def test_a_site_says_how_long_to_stay_away(server, status):
    server.serve("/rss", status=status, headers={"Retry-After": "3600"})
    with pytest.raises(RetryAfter) as busy:
        await visitor(server).fetch_if_changed(server.url("/rss"))
    assert busy.value.after_s == 3600


@pytest.mark.parametrize("pieces", [[FEED], [FEED[:4], b"", FEED[4:]]])
async def test_what_was_packed_is_unpacked_whole(server, pieces):
    packed = b"".join(map(gzip.compress, pieces))
    server.serve("/rss", packed, headers={"Content-Encoding": "gzip"})
    assert (await visitor(server).fetch_if_changed(server.url("/rss"))).body == FEED


async def test_nobody_who_was_not_asked_says_that_nothing_has_changed(server):
    server.serve("/rss", status=304)
    with pytest.raises(PermanentFetchError, match="http 304"):
        await visitor(server).fetch_if_changed(server.url("/rss"))
    assert (await visitor(server).fetch_if_changed(server.url("/rss"), etag='"1"')).body is None


@pytest.mark.parametrize(
    ("body", "coding", "kind", "reason"),
    [
        (gzip.compress(bytes(60_000), mtime=0), "gzip", PermanentFetchError, "too large"),
        (PACKED[:-4], "gzip", TemporaryFetchError, "cut short"),
        (FEED, "gzip", PermanentFetchError, "packed"),
        (PACKED + b"more", "gzip", PermanentFetchError, "packed"),
        (PACKED + PACKED[:-4], "gzip", TemporaryFetchError, "cut short"),
        (gzip.compress(bytes(30_000), mtime=0) * 2, "gzip", PermanentFetchError, "too large"),
        (FEED, "br", PermanentFetchError, "packed"),
        (FEED, "gzip, gzip", PermanentFetchError, "packed"),
    ],
)
async def test_no_packing_gets_around_the_limits(server, body, coding, kind, reason):
    server.serve("/rss", body, headers={"Content-Encoding": coding})
    with pytest.raises(kind, match=reason):
        await visitor(server, max_bytes=50_000).fetch_if_changed(server.url("/rss"))


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        (format_datetime(NOW + timedelta(hours=1), usegmt=True), 3600),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        ("Fri, 15 Jan 2027 09:00:00", 0),
        ("", 0),
        ("bald", 0),
        ("-3", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(said, seconds):
    assert parse_retry_after(said, NOW) == seconds


AGES = {"max-age=300": 300, "public, Max-Age = 60": 60, "s-maxage=9": 0, "no-cache": 0, "": 0}


@pytest.mark.parametrize(("said", "seconds"), AGES.items())
def test_max_age_is_read(said, seconds):
    assert parse_max_age(said) == seconds
