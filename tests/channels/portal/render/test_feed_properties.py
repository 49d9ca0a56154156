"""Feeds, archives and lists of feeds of hostile publications keep every rule of their format."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from channels.portal.index import listings
from channels.portal.index.index import PortalIndex
from channels.portal.model.site import Site
from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.writer import add_publication
from tests.support.feed_rules.check import check_feed
from tests.support.hostile_portal import LINES, TEXTS, valid_addresses
from tests.support.portal_dir import PUBLIC_URL, WORDS
from tests.support.publications import RELEASED_AT, a_publication

FEED_SUFFIXES = (".rss", ".atom", ".json", ".opml")
FEED_SIZE = 3
"""Items per feed and per archive, so that few items give archives."""
SITES = [SiteFiles(Site(PUBLIC_URL, WORDS, hub)) for hub in ("", "https://hub.example.vn/?a=1&b=2")]
FILE = {"media_type": "application/pdf", "size": 12}

lines = st.sampled_from(LINES) | st.text(max_size=20)
texts = st.sampled_from(TEXTS) | st.text(max_size=60)
addresses = st.sampled_from(
    ["https://moha.gov.vn/?a=1&b=2#<c>", *(url for line in LINES for url in valid_addresses(line))]
)
minutes = st.integers(0, 3 * 31 * 24 * 60)


@st.composite
def publications(draw):
    """A publication with hostile text in every field; None for one that the contract refuses."""
    first = RELEASED_AT + timedelta(minutes=draw(minutes))
    action = draw(st.sampled_from(["published", "corrected", "withdrawn"]))
    again = action != "published"
    link = {"url": draw(addresses), "title": draw(lines)}
    try:
        return a_publication(
            content_id=f"tin-{draw(st.integers(0, 8))}",
            action=action,
            revision=draw(st.integers(2, 4)) if again else 1,
            unit=draw(st.sampled_from(["van-phong-bo", "cuc-viec-lam", "don-vi-cu"])),
            topic=draw(st.sampled_from(["lich-nghi-le", "viec-lam", "chu-de-cu"])),
            audiences=draw(st.sampled_from([[], ["cong-dan"], ["vien-chuc", "to-chuc"]])),
            language=draw(st.sampled_from(["vi", "en", "zh-Hant-TW"])),
            lane=draw(st.sampled_from(["normal", "urgent"])),
            title=draw(lines),
            summary=draw(texts),
            author=draw(lines),
            reason=draw(lines),
            body=f"[x](<{draw(lines)}>) ![x](<{draw(lines)}>)\n\n{draw(texts)}",
            cover=draw(st.none() | st.just({"url": link["url"], "alt": link["title"]})),
            links=[link],
            attachments=[link, link | FILE],
            first_released_at=first,
            released_at=first + timedelta(days=1) if again else first,
        )
    except ValidationError:
        return None


@pytest.fixture(autouse=True, scope="module")
def short_feeds():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(listings, "FEED_LIMIT", FEED_SIZE)
        yield


def feeds_of(site, released):
    """Every feed, archive and list of feeds of a portal with these publications, by path."""
    with (
        TemporaryDirectory() as folder,
        closing(PortalIndex(Path(folder) / "index.sqlite")) as index,
    ):
        index.create_tables()
        with index.transaction():
            for publication in released:
                add_publication(index, site, publication)
        return {
            path: body
            for page_set in site.all_page_sets(index)
            if page_set.paths[0].endswith(FEED_SUFFIXES) or page_set.kind == "lists"
            for path, body in site.page_set_files(page_set, index)
            if path.endswith(FEED_SUFFIXES)
        }


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SITES), st.lists(publications(), max_size=10))
def test_every_feed_of_hostile_publications_keeps_every_rule(site, released):
    feeds = feeds_of(site, [one for one in released if one])
    assert len(feeds) > 3 * len(WORDS.topics)
    for path, body in feeds.items():
        assert check_feed(body, f"{PUBLIC_URL}/{path}") == [], path
