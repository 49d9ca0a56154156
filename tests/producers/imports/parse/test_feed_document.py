"""Feeds as they are found: what is read of them, and why some are not read."""

import io
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.text import nfc
from producers.imports.errors import NotAFeed
from producers.imports.parse import feed_document, html_text
from producers.imports.parse.feed_entry import Enclosure
from tests.support.feed_site import Article, rss

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
URL = "https://tcnn.example.vn/rss/home.rss"


def read(body: bytes, charset: str = "") -> feed_document.FeedDocument:
    return feed_document.parse_feed(body, URL, charset, NOW)


def channel(*items: str, head: str = '<?xml version="1.0"?>') -> str:
    return f"{head}<rss version='2.0'><channel><title>T</title>{''.join(items)}</channel></rss>"


def only(text: str) -> feed_document.Entry:
    [entry] = read(text.encode()).entries
    return entry


def refusal(body: bytes, charset: str = "") -> str:
    with pytest.raises(NotAFeed) as refused:
        read(body, charset)
    assert refused.value.error.field == "feed"
    assert refused.value.error.message_vi != refused.value.error.message
    return refused.value.error.message


def test_rss_is_read():
    found = read(rss(Article(7, full="<p>Toàn văn</p>", author="Nguyễn Văn A"), ttl=60))
    [entry] = found.entries
    assert (found.title, found.ttl_s) == ("Tạp chí", 3600)
    assert entry.title == "Hướng dẫn số 7 về cải cách hành chính"
    assert entry.url == "https://tcnn.example.vn/tin/7.html"
    assert (entry.guid, entry.author) == ("tcnn-7", "Nguyễn Văn A")
    assert entry.published_at == datetime(2027, 1, 15, 7, 0, tzinfo=UTC)
    assert (entry.lead[:3], entry.full) == ("<p>", "<p>Toàn văn</p>")


def test_atom_is_read():
    entry = only(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://b.example.vn/x/"><title>T</title>'
        '<entry><title type="text">Lương &lt; 5 triệu</title><link href="../1"/><id>urn:1</id>'
        "<published>2027-01-15T07:00:00Z</published><updated>2027-01-15T07:30:00Z</updated>"
        '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Một</p></div></content>'
        "</entry></feed>"
    )
    named = (entry.title, entry.url, entry.guid)
    assert named == ("Lương < 5 triệu", "https://b.example.vn/1", "urn:1")
    assert "<p>Một</p>" in entry.full
    assert entry.published_at == datetime(2027, 1, 15, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ("<link>/tin/1</link>", "https://tcnn.example.vn/tin/1"),  # relative to the feed
        ("<guid>https://b.example.vn/1</guid>", "https://b.example.vn/1"),
    ],
)
def test_the_link_of_an_entry(fields, url):
    assert only(channel(f"<item><title>A</title>{fields}</item>")).url == url


@pytest.mark.parametrize("name", ["a3", "urn:uuid:1", "tag:b.vn,2027:1"])
def test_a_name_that_is_no_address_is_no_link(name):
    atom = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>A</title><id>{name}</id>'
    assert (only(f"{atom}</entry></feed>").url, only(f"{atom}</entry></feed>").guid) == ("", name)
    assert only(channel(f"<item><title>A</title><guid>{name}</guid></item>")).url == ""


def test_an_address_is_no_author():
    item = "<item><title>A</title><author>ban-bien-tap@moha.gov.vn</author></item>"
    assert only(channel(item)).author == ""


def test_a_bare_ampersand_and_additions_behind_the_end_stop_nothing():
    added = "\n<!-- 0.2 s --><script>theo_doi()</script>"
    assert only(channel("<item><title>Hỏi & đáp</title></item>") + added).title == "Hỏi & đáp"


@pytest.mark.parametrize(
    ("named", "codec"),
    [("utf-8", "utf-8"), ("UTF-16", "utf-16"), ("windows-1258", "cp1258"), ("utf-8", "utf-8-sig"),
     ("iso-8859-1", "utf-8")],
)  # fmt: skip
def test_encodings_that_are_read(named, codec):
    title = "Đề án số hoá"
    # code page 1258 has letters and tones apart
    written = "\u0110ê\u0300 a\u0301n sô\u0301 hoa\u0301" if codec == "cp1258" else title
    head = f'<?xml version="1.0" encoding="{named}"?>'
    text = channel(f"<item><title>{written}</title></item>", head=head)
    [entry] = read(text.encode(codec)).entries
    assert nfc(entry.title) == title


def test_what_the_server_says_counts_where_the_document_says_nothing():
    text = channel("<item><title>Đ</title></item>", head="")
    [entry] = read(text.encode("cp1258"), "windows-1258").entries
    assert entry.title == "Đ"


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<rss version='2.0'><channel><title>&b;</title></channel></rss>"
)
OUTSIDE = (
    '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<rss version='2.0'><channel><title>&x;</title></channel></rss>"
)


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE, LAUGHS.replace("<!ENTITY", "<!entity")])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_entities_of_its_own_are_refused(text, codec):
    assert "entities" in refusal(text.encode(codec))


def test_an_old_doctype_without_entities_is_read():
    old = '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    text = channel("<item><title>A</title></item>", head=old).replace("2.0", "0.91")
    assert only(text).title == "A"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"<html><body>Kh\xc3\xb4ng th\xe1\xba\xa5y</body></html>", "is a web page"),
        (b"\n<!-- x --><!DOCTYPE HTML><title>404</title>", "is a web page"),
        (b"<!doctype html><p>...</rss>", "is a web page"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "is a JSON Feed"),
        (b'{"error": 404}', "is JSON"),
        (rss(Article(1))[:-20], "ends before"),
        (b"/etc/passwd", "neither RSS nor Atom"),
        (b"https://moha.gov.vn/", "neither RSS nor Atom"),
        (b"<p></rss>", "neither RSS nor Atom"),
        (channel("<item><title>A</title></item>").encode("cp1252") + b"\xff</rss>", "byte"),
        (b'<?xml version="1.0" encoding="x-tcvn"?><rss></rss>', "encoding x-tcvn"),
        (b'<?xml version="1.0" encoding="utf-7"?><rss></rss>', "encoding utf-7"),
        (b'<?xml version="1.0" encoding="zip"?><rss></rss>', "encoding zip"),
    ],
)
def test_what_is_not_read_says_why(body, why):
    assert why in refusal(body)


@pytest.mark.parametrize(
    ("name", "articles"),
    [
        ("guid_key", [Article(1, guid="x"), Article(2, guid="x")]),
        ("guid_key", [Article(1, title="Một"), Article(1, title="Hai")]),
        ("url_key", [Article(1, path="/tin"), Article(2, path="/tin")]),
    ],
    ids=["one guid", "one guid and address", "one address"],
)
def test_a_name_that_different_articles_share_names_nothing(name, articles):
    entries = read(rss(*articles)).entries
    assert [getattr(entry, name) for entry in entries] == ["", ""]
    assert [entry.url for entry in entries] == [article.url for article in articles]


HOSTILE = {
    "brackets": "<" * 400_000,
    "open tags": "<b>" * 130_000,
    "comments": "<!-- " * 80_000,
    "entities": "&amp" * 100_000,
    "attributes": "<a " + "x=" * 200_000,
    "nested": "<div>" * 80_000,
    "quotes": """<a "'""" * 80_000,
    "quoted": """<a "" '' """ * 40_000 + "x=" * 100_000,
    "declarations": "<![" * 130_000,
    "cdata": "<![CDATA[" * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_no_more_than_it_is_long(name):
    """The same text four times as long must not take sixteen times as long."""
    text = HOSTILE[name]
    begin = time.process_time()
    html_text.text_of(text[: len(text) // 4])
    quarter = time.process_time() - begin
    html_text.text_of(text)
    whole = time.process_time() - begin - quarter
    assert whole < 8 * quarter + 0.1


def nested(deep: int) -> str:
    return f"<rss version='2.0'><channel>{'<a>' * deep}</channel></rss>"


LIKE_NO_FEED = {
    "never closed": nested(30_000),
    "within each other": nested(21_000).replace("</channel>", "</a>" * 21_000 + "</channel>"),
    "attributes": f"<rss version='2.0' {' '.join(f'a{n}=1' for n in range(2000))}></rss>",
    "attributes behind <": f"<rss a='<' {' '.join(f'a{n}=1' for n in range(2000))}></rss>",
    "entries": channel("<item><title>a</title></item>" * 5_001),
    "elements": channel("<a/>" * 200_001),
    "hidden": channel("<!-- <![CDATA[ -->" + "<a>" * 30_000 + "<!-- ]]> -->"),
}


@pytest.mark.parametrize("name", LIKE_NO_FEED)
def test_what_would_keep_a_parser_busy_is_not_parsed(name, monkeypatch):
    monkeypatch.setattr(feed_document.feedparser, "parse", None)
    assert "like no feed" in refusal(LIKE_NO_FEED[name].encode())


@pytest.mark.parametrize(
    "text",
    [
        channel("<item><title>a</title></item>" * 5_000),
        channel("<item><description><![CDATA[" + "<br>" * 30_000 + "]]></description></item>"),
        channel(f"<!-- {'<a>' * 30_000} --><item><title>a</title></item>"),
        channel("<item><title>a < b & c</title><link>http://a.vn</item>"),
        f"<!-- no <html> here -->{channel('<item><title>a</title></item>', head='')}",
    ],
)
def test_large_and_broken_feeds_are_read(text):
    assert read(text.encode()).entries


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("&#xD83D;&#xDE00; vui", "😀 vui"),
        ("&#55357;&#56832; vui", "😀 vui"),
        ("&#xD800; một nửa", "\ufffd một nửa"),
        ("&#xDE00;&#xD83D;", "\ufffd\ufffd"),
        ("&#x110000; quá xa", "\ufffd quá xa"),
        ("&#99999999999999999999; quá xa", "\ufffd quá xa"),
        ("&#x1F600;&#272;", "😀Đ"),
        (f"&#x{'0' * 200}D800;", "\ufffd"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "<![CDATA[{}]]>"])
def test_a_number_that_is_half_a_letter_or_none_stops_nothing(written, seen, form):
    said = form.format(written)
    entry = only(channel(f"<item><title>{said}</title><description>{said}</description></item>"))
    assert html_text.text_of(entry.lead) == entry.title == seen


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda s: f"<rss>{s}</rss>".encode()))
def test_no_bytes_break_it(body):
    try:
        read(body)
    except NotAFeed as refused:
        assert refused.error.message


def test_a_body_is_never_taken_for_an_address_or_a_file(monkeypatch):
    monkeypatch.setattr(io, "open", None)
    assert "neither RSS nor Atom" in refusal(str(__file__).encode())


# ---- enclosures: documents come along as attachments, by their address alone


def enclosed(*tags: str) -> tuple[Enclosure, ...]:
    return only(channel(f"<item><title>A</title>{''.join(tags)}</item>")).files


def test_documents_are_attached_by_the_name_in_their_address():
    files = enclosed(
        '<enclosure url="https://a.vn/f/Bi%E1%BB%83u%20m%E1%BA%ABu%2001.docx" '
        'type="application/msword" length="2048"/>',
        '<enclosure url="/f/1.pdf" type="application/pdf" length="-"/>',
        '<enclosure url="https://a.vn/f/1.PDF?x=1" type="?" length="0"/>',
        '<enclosure url="https://a.vn/" type="application/pdf"/>',
    )
    assert files == (
        Enclosure("https://a.vn/f/Bi%E1%BB%83u%20m%E1%BA%ABu%2001.docx", "Biểu mẫu 01.docx",
             "application/msword", 2048),
        Enclosure("https://tcnn.example.vn/f/1.pdf", "1.pdf", "application/pdf"),
        Enclosure("https://a.vn/f/1.PDF?x=1", "1.PDF"),
        Enclosure("https://a.vn/", "Tệp đính kèm", "application/pdf"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "tag",
    [
        '<enclosure url="https://a.vn/1.jpg" type="image/jpeg"/>',
        '<enclosure url="https://a.vn/1.mp3" type="audio/mpeg"/>',
        '<enclosure url="javascript:alert(1)" type="application/pdf"/>',
        '<enclosure url="" type="application/pdf"/>',
        "<enclosure/>",
    ],
)
def test_pictures_and_what_is_no_web_address_are_not_attached(tag):
    assert enclosed(tag) == ()


def test_an_atom_enclosure_is_attached_and_each_file_once():
    link = '<link rel="enclosure" href="https://a.vn/1.pdf" type="application/pdf" length="7"/>'
    entry = f"<entry><title>A</title>{link * 2}</entry>"
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'
    assert only(feed).files == (Enclosure("https://a.vn/1.pdf", "1.pdf", "application/pdf", 7),)
    many = "".join(f'<enclosure url="https://a.vn/{n}" type="a/b"/>' for n in range(30))
    assert len(enclosed(many)) == 20


@pytest.mark.parametrize("name", ["%E1%EB", "a%00b", "%E2%80%AEfdp.exe", "%C3%90.pdf", "a%0Ab"])
def test_a_files_name_that_nobody_should_read_is_not_shown(name):
    [file] = enclosed(f'<enclosure url="https://a.vn/{name}" type="application/pdf"/>')
    assert file.title == "Tệp đính kèm" or file.title.isprintable()
