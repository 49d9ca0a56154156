"""The feed rules: a clean feed passes, and each rule finds a feed that breaks it."""

import json
import re
from functools import reduce
from operator import getitem

import pytest

from tests.support.feed_rules.check import check_feed
from tests.support.portal_dir import PUBLIC_URL, feed, publish
from tests.support.publications import a_publication

URL = f"{PUBLIC_URL}/nguon-tin/tat-ca"
ITEM = f"{PUBLIC_URL}/tin/lich-nghi-tet-2027"
PDF = {
    "url": "https://moha.gov.vn/a.pdf",
    "title": "Toàn văn",
    "media_type": "application/pdf",
    "size": 1,
}


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    other = a_publication(content_id="khac", title="Tin khác & cũ hơn", attachments=[PDF])
    publish(folder, a_publication(), other)
    kinds = {kind: feed(folder, f"tat-ca.{kind}").decode() for kind in ("rss", "atom", "json")}
    return kinds | {"opml": feed(folder, "nguon-tin.opml").decode()}


def rules_of(text, kind):
    data = text if isinstance(text, bytes) else text.encode()
    return {found.rule for found in check_feed(data, f"{URL}.{kind}")}


@pytest.mark.parametrize("kind", ["rss", "atom", "json", "opml"])
def test_a_clean_feed_breaks_no_rule(feeds, kind):
    assert rules_of(feeds[kind], kind) == set()


def changed(text, old, new):
    """*text* with the pattern *old* replaced once; fails without a match."""
    result, count = re.subn(old, new, text, count=1, flags=re.DOTALL)
    assert count == 1, old
    return result


HISTORY = 'xmlns:fh="http://purl.org/syndication/history/1.0"'
RSS = [
    ("no-byte-order-mark", r"^", "\ufeff"),
    ("well-formed", "</rss>", ""),
    ("well-formed", "<ttl>", "<ttl>&nbsp;"),
    ("no-doctype", "<rss ", '<!DOCTYPE rss [<!ENTITY a "b">]><rss '),
    ("known-format", r"<rss (.*)</rss>", r"<rdf \1</rdf>"),
    ("rss-version", 'version="2.0"', 'version="0.91"'),
    ("rss-one-channel", r"<channel>(.*)</channel>", ""),
    ("rss-channel-has", "<title>Tất cả[^<]*</title>", ""),
    ("rss-channel-has", f"<link>{PUBLIC_URL}/</link>", "<link> </link>"),
    ("rss-channel-has", "<description>[^<]*</description>", ""),
    ("rss-language", "<language>vi</language>", ""),
    ("rss-language", "<language>vi<", "<language>tiếng Việt<"),
    ("rss-ttl", "<ttl>5<", "<ttl>năm<"),
    ("one-self-link", "<atom:link[^>]*/>", ""),
    ("self-is-where-served", "tat-ca.rss", "khac.rss"),
    ("self-type", 'type="application/rss', 'type="text/rss'),
    ("rfc822-gmt", "<pubDate>[^<]*<", "<pubDate>2026-11-20T02:00:00Z<"),
    ("rfc822-gmt", r"(<pubDate>\w+, \d+ \w+) \d+", r"\1 26"),
    ("rfc822-gmt", "(<pubDate>[^<]*)GMT<", r"\1+0700<"),
    ("not-newer-than-its-feed", "(<pubDate>[^<]*) 2026", r"\1 2027"),
    ("one-guid", "<guid[^>]*>[^<]*</guid>", ""),
    ("guid-unique", f">{ITEM}</guid>", f">{PUBLIC_URL}/tin/khac</guid>"),
    ("guid-permalink", f">{ITEM}</guid>", ">lich-nghi-tet-2027</guid>"),
    ("rss-item-link", f"<link>{ITEM}</link>", "<link>/tin/a</link>"),
    (
        "rss-item-has",
        "<item><title>[^<]*</title>(.*?)<description>[^<]*</description>",
        r"<item>\1",
    ),
    ("author-is-a-mailbox", "<dc:creator>", "<author>Văn phòng Bộ</author><dc:creator>"),
    ("enclosure-complete", ' length="1"', ""),
    ("enclosure-complete", ' type="application/pdf"', ""),
    ("one-enclosure", "(<enclosure[^>]*/>)", r"\1\1"),
    ("hexadecimal-references", "&#x26; cũ", "&amp; cũ"),
    ("nothing-active", "(<content:encoded>)", r"\1&lt;script&gt;x&lt;/script&gt;"),
    ("nothing-active", "(<content:encoded>)", r"\1&lt;b onclick='x'&gt;x&lt;/b&gt;"),
    ("nothing-active", "(<content:encoded>)", r"\1&lt;a href='javascript:x'&gt;x&lt;/a&gt;"),
    ("absolute-addresses", "(<content:encoded>)", r"\1&lt;a href='/tin/a'&gt;x&lt;/a&gt;"),
    ("no-style", "(<content:encoded>)", r"\1&lt;b style='x'&gt;x&lt;/b&gt;"),
    (
        "complete-has-no-pages",
        "<ttl>",
        f'<fh:complete {HISTORY}/><atom:link rel="next" href="https://x.vn/"/><ttl>',
    ),
    (
        "paged-or-archived",
        "<ttl>",
        '<atom:link rel="next" href="https://x.vn/"/>'
        '<atom:link rel="prev-archive" href="https://x.vn/"/><ttl>',
    ),
    ("archive-names-current", "<ttl>", f"<fh:archive {HISTORY}/><ttl>"),
    ("one-way-on", "<ttl>", 2 * '<atom:link rel="current" href="https://x.vn/"/>' + "<ttl>"),
    ("absolute-addresses", "<ttl>", '<atom:link rel="prev-archive" href="/a"/><ttl>'),
    ("archive-moves-on", "<ttl>", f'<atom:link rel="next-archive" href="{URL}.rss"/><ttl>'),
]
ATOM = [
    ("atom-exactly-one", "<id>[^<]*</id>", ""),
    ("atom-exactly-one", "(<entry[^>]*>)", r"\1<title>hai</title>"),
    ("atom-exactly-one", "<updated>[^<]*</updated>", ""),
    ("atom-id-absolute", "<id>[^<]*</id>", "<id>tat-ca</id>"),
    ("rfc3339", "<updated>[^<]*<", "<updated>20/11/2026<"),
    ("rfc3339", "(<published>[^<]*)T", r"\1t"),
    ("published-before-updated", "<published>2026", "<published>2027"),
    ("one-self-link", 'rel="self"', 'rel="via"'),
    ("self-is-where-served", '(rel="self"[^>]*)tat-ca.atom', r"\1khac.atom"),
    ("atom-author", r"<author><name>Bộ Nội vụ</name></author>(.*?)<author>.*?</author>", r"\1"),
    ("atom-person-name", "<name>Bộ Nội vụ</name>", ""),
    (
        "atom-person-once",
        "(<name>Bộ Nội vụ</name>)",
        r"\1<uri>https://a.vn/</uri><uri>https://b.vn/</uri>",
    ),
    ("atom-text-type", "<title>", '<title type="markdown">'),
    ("atom-xhtml-div", "<title>[^<]*</title>", '<title type="xhtml"><b>x</b></title>'),
    ("nothing-active", "<title>[^<]*</title>", '<title type="html">&lt;script&gt;</title>'),
    ("absolute-addresses", '(<content type="html">)', r"\1&lt;img src='a.png'&gt;"),
    ("atom-one-content", "(<content[^>]*>[^<]*</content>)", r"\1\1"),
    ("atom-content-src", "<content ", '<content src="https://x.vn/" '),
    (
        "atom-summary-required",
        "<summary>[^<]*</summary><content[^>]*>[^<]*</content>",
        '<content src="https://x.vn/"/>',
    ),
    (
        "atom-content-or-link",
        '(<entry.*?)<link rel="alternate"[^>]*/>(.*?)<content[^>]*>[^<]*</content>',
        r"\1\2",
    ),
    ("atom-one-alternate", '(<entry.*?)(<link rel="alternate"[^>]*/>)', r"\1\2\2"),
    ("atom-versions-differ", f"<id>{ITEM}</id>", f"<id>{PUBLIC_URL}/tin/khac</id>"),
]
OPML = [
    ("opml-version", 'version="2.0"', 'version="1.0"'),
    ("opml-head-and-body", "<head>.*</head>", ""),
    ("opml-has-outlines", "<body>.*</body>", "<body/>"),
    ("opml-text", 'text="[^"]*"', 'text=" "'),
    ("opml-feed-address", 'xmlUrl="[^"]*"', 'xmlUrl="/a.atom"'),
    ("opml-page-address", 'htmlUrl="[^"]*"', 'htmlUrl="/"'),
    ("opml-feed-once", "(<outline type[^>]*/>)", r"\1\1"),
    ("opml-names-feeds", 'xmlUrl="[^"]*"', f'xmlUrl="{URL}.opml"'),
]
BREACHES = [
    (kind, *row) for kind, rows in (("rss", RSS), ("atom", ATOM), ("opml", OPML)) for row in rows
]


@pytest.mark.parametrize(("kind", "rule", "old", "new"), BREACHES)
def test_every_rule_of_an_xml_format_finds_what_breaks_it(feeds, kind, rule, old, new):
    assert rule in rules_of(changed(feeds[kind], old, new), kind)


def put(path, value):
    """The JSON feed with *path* changed; the value `...` removes the member."""

    def change(whole):
        *parents, last = path
        part = reduce(getitem, parents, whole)
        part[last] = value
        if value is ...:
            del part[last]

    return change


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("json-version", put(["version"], "https://jsonfeed.org/version/1")),
        ("json-title", put(["title"], ...)),
        ("json-items", put(["items"], {})),
        ("json-items", put(["items", 0], "một tin")),
        ("json-home", put(["home_page_url"], "/")),
        ("self-is-where-served", put(["feed_url"], f"{URL}.rss")),
        ("json-next-moves-on", put(["next_url"], f"{URL}.json")),
        ("absolute-addresses", put(["next_url"], "/a.json")),
        ("json-hub", put(["hubs"], [{"url": "https://hub.vn/"}])),
        ("json-authors", put(["author"], {"name": "Bộ Nội vụ"})),
        ("json-authors", put(["authors"], [{}])),
        ("json-known-keys", put(["generator"], "x")),
        ("json-known-keys", put(["_1"], "x")),
        ("json-language", put(["language"], "tiếng Việt")),
        ("json-id", put(["items", 0, "id"], 7)),
        ("json-id-unique", put(["items", 0, "id"], f"{PUBLIC_URL}/tin/lich-nghi-tet-2027")),
        ("json-content", put(["items", 0, "content_html"], ...)),
        ("nothing-active", put(["items", 0, "content_html"], "<script>x</script>")),
        ("absolute-addresses", put(["items", 0, "content_html"], "<a href='b'>x</a>")),
        ("absolute-addresses", put(["items", 0, "url"], "/tin/a")),
        ("rfc3339", put(["items", 0, "date_published"], "20/11/2026")),
        ("published-before-updated", put(["items", 0, "date_published"], "2099-01-01T00:00:00Z")),
        ("json-attachment", put(["items", 0, "attachments"], [{"url": "https://x.vn/"}])),
    ],
)
def test_every_rule_of_json_feed_finds_what_breaks_it(feeds, rule, change):
    whole = json.loads(feeds["json"])
    whole["items"].sort(key=lambda item: item["id"])
    change(whole)
    assert rule in rules_of(json.dumps(whole), "json")


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("utf-8", b"<rss version='2.0'>\xff</rss>"),
        ("well-formed", b""),
        ("well-formed", b"{"),
        ("well-formed", b"<rss>\x01</rss>"),
        ("known-format", b"<html></html>"),
        ("json-items", b"{}"),
    ],
)
def test_what_is_no_feed_is_said_to_be_none(rule, data):
    assert rule in rules_of(data, "rss")


def test_a_broken_rule_names_the_item(feeds):
    [found] = check_feed(
        changed(feeds["rss"], "<guid[^>]*>[^<]*</guid>", "").encode(), f"{URL}.rss"
    )
    assert (found.rule, found.item) == ("one-guid", 1) and ITEM in found.detail
