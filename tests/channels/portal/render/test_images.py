"""Images in bodies and covers: those that are not the portal's own become links or text."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from channels.portal.model.body import to_html
from channels.portal.render.default_cover import default_cover_url
from tests.support.portal_dir import PORTAL_SITE, PUBLIC_URL, feed, page, publish, text_of
from tests.support.publications import a_publication

HERE = "https://x.vn/tin/a"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("![b](https://a.vn/b.png)", '<a href="https://a.vn/b.png" rel="noopener">b</a>'),
        ("![b](/b.png)", '<img src="https://x.vn/b.png" alt="b" loading="lazy">'),
        ("![b](https://x.vn/b.png)", '<img src="https://x.vn/b.png" alt="b" loading="lazy">'),
        ("![b](https://x.vn.a.vn/b)", '<a href="https://x.vn.a.vn/b" rel="noopener">b</a>'),
        ("![b](https://x.vn@a.vn/b)", '<a href="https://x.vn@a.vn/b" rel="noopener">b</a>'),
        ("![b](//a.vn/b.png)", '<a href="https://a.vn/b.png" rel="noopener">b</a>'),
        (
            "![một *ảnh* <b>](http://a.vn/b.png)",
            '<a href="http://a.vn/b.png" rel="noopener">một ảnh &lt;b&gt;</a>',
        ),
        ("![](HTTP://a.vn/b.png)", '<a href="HTTP://a.vn/b.png" rel="noopener">Ảnh</a>'),
        ("[![b](http://a.vn/b.png)](https://c.vn)", '<a href="https://c.vn" rel="noopener">b</a>'),
        ("![b](data:image/png;base64,AAAA)", "b"),
        ("![b](ftp://a.vn/b.png)", "b"),
    ],
)
def test_only_the_portals_own_is_an_image(markdown, html):
    assert to_html(markdown, HERE) == f"<p>{html}</p>"


def test_a_portal_without_tls_shows_its_own():
    base = "http://localhost:8000/tin/a"
    html = to_html("![a](/a.png) ![b](http://localhost:8000/b.png) ![c](http://c.vn/c.png)", base)
    assert html.count("<img") == 2
    assert '<a href="http://c.vn/c.png"' in html


@given(st.text(st.sampled_from("htpsdaf:/[]()!x.%\\\n \"'<>@#?1"), max_size=40))
def test_whatever_an_address_says_nothing_is_loaded_from_elsewhere(address):
    html = to_html(f"![x]({address}) ![y](<{address}>) ![z](https:{address})", HERE)
    assert not re.search('<img [^>]*src="(?!https://x[.]vn[/?#"])', html)


ITEM = "tin/lich-nghi-tet-2027"
WHAT = 'Phố "ngày" Tết'
OWN_COVER = default_cover_url(PORTAL_SITE)


def covered(folder, cover, url=PUBLIC_URL):
    """The item's page, the picture that JSON Feed names, and the text in each kind of feed."""
    publish(folder, a_publication(cover={"url": cover, "alt": WHAT}), url=url)
    entry = json.loads(feed(folder, "tat-ca.json"))["items"][0]
    texts = [
        etree.fromstring(feed(folder, name)).xpath(f"//*[local-name() = '{text}']/text()")[0]
        for name, text in (("tat-ca.rss", "encoded"), ("tat-ca.atom", "content"))
    ]
    return page(folder, ITEM), entry.get("image"), [entry["content_html"], *texts]


def pictures(document):
    """Images in metadata, and images on the page."""
    [script] = document.xpath("//script")
    told = document.xpath("//meta[@property='og:image']/@content")
    return [*told, *json.loads(script.text)["image"]], document.xpath("//main//img/@src")


def test_a_cover_of_the_portal_is_shown_everywhere(tmp_path):
    url = f"{PUBLIC_URL}/bia.jpg"
    document, image, texts = covered(tmp_path, url)
    assert pictures(document) == ([url, url], [url])
    assert image == url and all(f'<img src="{url}"' in text for text in texts)


@pytest.mark.parametrize("url", ["https://moha.gov.vn/bia.jpg", "HTTP://moha.gov.vn/bia.jpg"])
def test_a_cover_from_elsewhere_is_a_link_as_an_image_in_the_text_is(tmp_path, url):
    document, image, texts = covered(tmp_path, url)
    told, loaded = pictures(document)
    assert told == [url if url.startswith("https") else OWN_COVER] * 2 and loaded == []
    [link] = document.xpath("//main//a[starts-with(@href, $url)]", url=url)
    assert text_of(link) == f"Ảnh: {WHAT}"
    assert image is None and not any("<img" in text for text in texts)
    assert all(f'<a href="{url}" rel="noopener">Ảnh: ' in text for text in texts)


def test_a_portal_without_tls_shows_a_cover_of_its_own(tmp_path):
    own = "http://localhost:8000/bia.jpg"
    document, image, _ = covered(tmp_path, own, url="http://localhost:8000")
    assert pictures(document) == ([own, own], [own]) and image == own
