"""Images in a text: those that a browser may not load become links, or words; no broken frames."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.portal.body import to_html

HERE = "https://x.vn/tin/a"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("![b](https://a.vn/b.png)", '<img src="https://a.vn/b.png" alt="b" loading="lazy">'),
        ("![b](/b.png)", '<img src="https://x.vn/b.png" alt="b" loading="lazy">'),
        ("![b](//a.vn/b.png)", '<img src="https://a.vn/b.png" alt="b" loading="lazy">'),
        (
            "![một *ảnh* <b>](http://a.vn/b.png)",
            '<a href="http://a.vn/b.png" rel="noopener">một ảnh &lt;b&gt;</a>',
        ),
        ("![](HTTP://a.vn/b.png)", '<a href="HTTP://a.vn/b.png" rel="noopener">Ảnh</a>'),
        (
            "[![b](http://a.vn/b.png)](https://c.vn)",
            '<a href="https://c.vn" rel="noopener">b</a>',
        ),
        ("![b](data:image/png;base64,AAAA)", "b"),
        ("![b](ftp://a.vn/b.png)", "b"),
    ],
)
def test_only_what_may_be_loaded_is_an_image(markdown, html):
    assert to_html(markdown, HERE) == f"<p>{html}</p>"


def test_a_portal_without_tls_shows_its_own():
    base = "http://localhost:8000/tin/a"
    html = to_html("![a](/a.png) ![b](http://localhost:8000/b.png) ![c](http://c.vn/c.png)", base)
    assert html.count("<img") == 2
    assert '<a href="http://c.vn/c.png"' in html


@given(st.text(st.sampled_from("htpsdaf:/[]()!x.%\\\n \"'<>@#?1"), max_size=40))
def test_whatever_an_address_says_nothing_is_loaded_without_tls(address):
    html = to_html(f"![x]({address}) ![y](<{address}>) ![z](http:{address})", HERE)
    assert not re.search('<img [^>]*src="(?!https:)', html)
