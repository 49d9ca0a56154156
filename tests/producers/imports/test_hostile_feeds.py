"""Feeds that are broken by mistake or on purpose: reading, planning and wording raise only the
errors that they declare.
"""

import pytest

from contracts.base.conditional_response import ConditionalResponse
from producers.imports.errors import NotAFeed
from producers.imports.parse import feed_document
from tests.support.feed_site import Article, rss
from tests.support.hostile_feeds import GML, HEADERS, LINKS, NOW, SEEDS, URL, taken


def among_others(item: str) -> bytes:
    """A feed with *item* between two ordinary articles."""
    first, second = rss(Article(1)), Article(2).item().encode()
    return first.replace(b"</channel>", item.encode() + second + b"</channel>")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("tag", ["link", "guid", "enclosure"])
def test_an_odd_address_stops_neither_its_article_nor_the_others(tag, link):
    said = f"<enclosure url='{link}'/>" if tag == "enclosure" else f"<{tag}>{link}</{tag}>"
    body = among_others(f"<item><title>Bài lạ</title>{said}<description>A</description></item>")
    titles, state = taken(ConditionalResponse(body, URL))
    assert len(titles) == 3 and "Bài lạ" in titles
    assert state.refused == ()


@pytest.mark.parametrize("number", ["1" * 5000, "0" * 5000 + "65", "9" * 12])
def test_a_number_that_is_no_letter_costs_its_article_alone(number):
    body = among_others(f"<item><title>Bài lạ &amp;#{number};</title></item>")
    titles, _ = taken(ConditionalResponse(body, URL))
    assert len(titles) == 2
    assert feed_document.parse_feed(body, URL, "", NOW).entries[1].title == "Bài lạ \ufffd"


def test_what_the_parser_falls_over_is_no_feed():
    body = among_others(f"<item><title>A</title><gml:pos {GML}>10.1 106.2</gml:pos></item>")
    with pytest.raises(NotAFeed) as refused:
        taken(ConditionalResponse(body, URL))
    assert "KeyError" in refused.value.error.message
    assert "KeyError" in refused.value.error.message_vi


@pytest.mark.parametrize("odd", HEADERS)
def test_a_header_that_cannot_be_sent_back_is_not_remembered(odd):
    found = ConditionalResponse(
        rss(Article(1)), f"{URL}?{odd}", moved_permanently=True, etag=odd, last_modified=odd
    )
    titles, state = taken(found)
    assert (len(titles), state.etag, state.modified, state.moved_to) == (1, "", "", "")


def test_an_encoding_of_no_name_is_no_feed():
    for odd in ("\udce9", "a\x00b", "x" * 5000):
        with pytest.raises(NotAFeed) as refused:
            taken(ConditionalResponse(SEEDS[0].encode(), URL, charset=odd))
        refused.value.error.model_dump_json()
