"""HTML of sites becomes text, and Markdown that shows exactly that text."""

import re
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from producers.imports.parse import html_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Một</p><p>Hai</p>", "Một\n\nHai"),
        ("<P CLASS=a>Một<BR/>hai</P>", "Một\nhai"),
        ("Một <b>hai</b>,\n ba", "Một hai, ba"),
        ("Một\nhai", "Một\nhai"),
        ("<ul><li>Một</li><li>Hai</li></ul>ba", "- Một\n- Hai\n\nba"),
        ("a &lt; b &amp;amp; c &#272;", "a < b &amp; c Đ"),
        ("1 < 2 và 3 > 2", "1 < 2 và 3 > 2"),
        ("<script>alert('<p>')</script>Còn<style>p{}</style> lại", "Còn lại"),
        ("<svg onload=alert(1)>x</svg>y", "y"),
        ("<a title='a > b' href=x>đọc</a>", "đọc"),
        ("<a title=\"it's>x</a>", "x"),
        ("<!-- <p>ẩn</p> -->hiện<!-- dở", "hiện<!-- dở"),
        ("<!DOCTYPE html><?xml?><p>x", "x"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\n\nc"),
        ("<script>không đóng", ""),
        ("", ""),
    ],
)
def test_text_is_what_a_reader_would_see(markup, text):
    assert html_text.text_of(markup) == text


def test_the_form_does_not_count_when_texts_are_compared():
    for markup in ("<p>Một  <b>hai</b></p>\n", "Một&#32;hai"):
        assert html_text.comparable_text(markup) == "Mộthai"


@given(st.text(max_size=200))
def test_nothing_that_is_no_letter_is_invented(text):
    letters = set(text + "\n -" + html_text.unescape(text))
    assert set(html_text.text_of(f"<p>{text}")) <= letters


@given(st.text("abc đ,;:-", max_size=60), st.integers(2, 20))
def test_a_summary_is_cut_between_words(text, longest):
    said = html_text.shorten(text, longest)
    line = " ".join(text.split())
    assert len(said) <= longest
    assert said == line or line.startswith(said[:-1])


WORDS = st.text(st.sampled_from("ab1 .,*_`#<>[]()!~|&;=+-\\đ:/"), min_size=1, max_size=30)
LINES = st.lists(WORDS, min_size=1, max_size=4)
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def seen(markdown: str) -> str:
    """Words of a rendered text for a reader, without space or list marks."""
    html = MARKDOWN.render(markdown)
    return re.sub(r"[\s+-]|(?<!\w)\d{1,9}[.)]", "", html_text.text_of(html))


@given(LINES)
def test_markdown_shows_the_text_and_makes_nothing_of_it(lines):
    text = html_text.text_of(escape("\n".join(lines)))
    html = MARKDOWN.render(html_text.markdown_of(text))
    assert set(re.findall("<([a-z0-9]+)", html)) <= {"p", "br", "ul", "ol", "li"}
    assert seen(html_text.markdown_of(text)) == re.sub(r"[\s+-]|(?<!\w)\d{1,9}[.)]", "", text)
