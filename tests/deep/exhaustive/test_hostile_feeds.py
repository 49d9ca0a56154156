"""For every content of a feed, the import raises only its own errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base.conditional_response import ConditionalResponse
from producers.imports.errors import NotAFeed
from tests.support.hostile_feeds import HEADERS, LINKS, SEEDS, URL, taken

NAMES = [
    "title", "link", "guid", "description", "pubDate", "author", "item", "entry", "channel", "id",
    "summary", "content:encoded", "media:content", "media:thumbnail", "media:title", "gml:pos",
    "gml:Point", "gml:posList", "geo:point", "geo:where", "dc:creator", "dc:date", "itunes:image",
    "itunes:category", "psc:chapter", "psc:chapters", "cc:license", "textInput", "image", "name",
    "url", "category", "cloud", "source", "enclosure", "comments", "ttl", "xhtml:div",
    "contributor", "email", "rights",
]  # fmt: skip
TEXTS = [
    *LINKS, "", " ", "10.1 106.2", "1 2 3", "&#55357;", "&amp;#" + "1" * 5000 + ";", "&#x0;", "&x;",
    "\ufffe", "Thứ sáu", "2027-99-99T99:99:99Z", "Fri, 99 Xyz 99999 25:61:61 +9999", "<", ">", "&",
    "<![CDATA[", "]]>", "<!--", "-->", "<?x", "'", '"', "=", "é", "a@b.vn (A)", "javascript:1",
]  # fmt: skip
ATTRIBUTES = [
    "", " type='text/html'", " type='application/xml' mode='base64'", " mode='escaped'",
    " url='http://[x]/' length='-1' type='x'", " href='http://[x]/' rel='enclosure'",
    " isPermaLink=", " srsName='x' srsDimension='9'", " scheme='x' term='y'", " xml:base='http://[x]/'",
    " x='", " xml:lang='vi'", " url='/a' type='audio/x'", " start='x'",
    " rdf:resource='http://[x]/'",
]  # fmt: skip
PIECE = st.one_of(
    st.sampled_from(TEXTS),
    st.builds("<{}{}>".format, st.sampled_from(NAMES), st.sampled_from(ATTRIBUTES)),
    st.builds("<{}{}/>".format, st.sampled_from(NAMES), st.sampled_from(ATTRIBUTES)),
    st.builds("</{}>".format, st.sampled_from(NAMES)),
    st.builds("<{0}{1}>{2}</{0}>".format, *map(st.sampled_from, (NAMES, ATTRIBUTES, TEXTS))),
)
PIECES = st.lists(PIECE, max_size=4).map("".join)
CHANGE = st.tuples(st.integers(0, 999), st.integers(0, 12), PIECES)
HEADER = st.sampled_from(["", *HEADERS, '"abc"'])
CHARSET = st.sampled_from(["", "utf-8"] * 9 + ["cp1258"] + [*HEADERS, "utf-16", "hex"])


@st.composite
def broken(draw) -> bytes:
    """A feed of which pieces are taken out, and others put in."""
    text = draw(st.sampled_from(SEEDS))
    for where, gone, put in draw(st.lists(CHANGE, max_size=8)):
        at = where * len(text) // 1000
        text = text[:at] + put + text[at + gone :]
    end = draw(st.sampled_from(["", "</rss>", "</channel></rss>", "</feed>"]))
    return (text + end).encode("utf-8", "replace")


@pytest.mark.promise("2.6")
@given(broken(), CHARSET, HEADER, st.sampled_from(["", "?\udce9", "#[", "/é"]))
@settings(max_examples=400, derandomize=True)
def test_whatever_a_site_writes_nothing_unforeseen_leaves_the_import(body, charset, header, more):
    try:
        taken(ConditionalResponse(body, URL + more, True, charset, header, header))
    except NotAFeed as refused:
        refused.error.model_dump_json()
