"""The feed rules, by which other tests judge every feed, find feeds that break them."""

import re

import pytest

from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import PUBLIC_URL, feed, publish
from tests.support.publications import a_publication

URL = f"{PUBLIC_URL}/nguon-tin/tat-ca"
ITEM = f"{PUBLIC_URL}/tin/lich-nghi-tet-2027"
PDF = {"url": "https://moha.gov.vn/a.pdf", "media_type": "application/pdf", "size": 1}


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    files = [PDF | {"title": "Toàn văn"}]
    other = a_publication(content_id="khac", title="Tin khác & cũ hơn", attachments=files)
    publish(folder, a_publication(), other)
    kinds = {kind: feed(folder, f"tat-ca.{kind}").decode() for kind in ("rss", "atom", "json")}
    return kinds | {"opml": feed(folder, "nguon-tin.opml").decode()}


BREACHES = [
    ("rss", "no-byte-order-mark", r"^", "\ufeff"),
    ("rss", "well-formed", "<ttl>", "<ttl>&nbsp;"),
    ("rss", "no-doctype", "<rss ", '<!DOCTYPE rss [<!ENTITY a "b">]><rss '),
    ("rss", "known-format", r"<rss (.*)</rss>", r"<rdf \1</rdf>"),
    ("rss", "rss-channel-has", "<description>[^<]*</description>", ""),
    ("rss", "self-is-where-served", "tat-ca.rss", "khac.rss"),
    ("rss", "rfc822-gmt", "(<pubDate>[^<]*)GMT<", r"\1+0700<"),
    ("rss", "not-newer-than-its-feed", "(<pubDate>[^<]*) 2026", r"\1 2027"),
    ("rss", "guid-unique", f">{ITEM}</guid>", f">{PUBLIC_URL}/tin/khac</guid>"),
    ("rss", "one-enclosure", "(<enclosure[^>]*/>)", r"\1\1"),
    ("rss", "hexadecimal-references", "&#x26; cũ", "&amp; cũ"),
    ("rss", "nothing-active", "(<content:encoded>)", r"\1&lt;script&gt;x&lt;/script&gt;"),
    ("rss", "absolute-addresses", "(<content:encoded>)", r"\1&lt;a href='/tin/a'&gt;x&lt;/a&gt;"),
    ("rss", "archive-moves-on", "<ttl>", f'<atom:link rel="next-archive" href="{URL}.rss"/><ttl>'),
    ("atom", "atom-exactly-one", "<updated>[^<]*</updated>", ""),
    ("atom", "rfc3339", "(<published>[^<]*)T", r"\1t"),
    ("atom", "published-before-updated", "<published>2026", "<published>2027"),
    ("atom", "one-self-link", 'rel="self"', 'rel="via"'),
    ("atom", "nothing-active", "<title>[^<]*<", '<title type="html">&lt;script&gt;<'),
    ("atom", "atom-versions-differ", f"<id>{ITEM}</id>", f"<id>{PUBLIC_URL}/tin/khac</id>"),
    ("opml", "opml-feed-address", 'xmlUrl="[^"]*"', 'xmlUrl="/a.atom"'),
    ("opml", "opml-feed-once", "(<outline type[^>]*/>)", r"\1\1"),
    ("json", "json-title", '"title": "[^"]*", ', ""),
    ("json", "json-known-keys", '"language"', '"generator"'),
    ("json", "json-id-unique", f'"id": "{ITEM}"', f'"id": "{PUBLIC_URL}/tin/khac"'),
    ("json", "rfc3339", '"date_published": "[^"]*"', '"date_published": "20/11/2026"'),
    ("json", "nothing-active", '"content_html": "', '"content_html": "<script>x</script>'),
]


@pytest.mark.parametrize(("kind", "rule", "old", "new"), BREACHES)
def test_a_rule_finds_what_breaks_it(feeds, kind, rule, old, new):
    broken, count = re.subn(old, new, feeds[kind], count=1, flags=re.DOTALL)
    assert count == 1
    assert check_feed(feeds[kind].encode(), f"{URL}.{kind}") == []
    assert rule in {found.rule for found in check_feed(broken.encode(), f"{URL}.{kind}")}


def test_a_broken_rule_names_the_item(feeds):
    broken = re.sub("<guid[^>]*>[^<]*</guid>", "", feeds["rss"], count=1)
    [found] = check_feed(broken.encode(), f"{URL}.rss")
    assert (found.rule, found.item) == ("one-guid", 1) and ITEM in found.detail
