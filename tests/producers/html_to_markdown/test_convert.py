"""HTML that Markdown cannot say, or that is hostile."""

import pytest

from producers.html_to_markdown import Loss, to_markdown
from producers.html_to_markdown.errors import TableTooLarge, TooNested


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("<p>a<script>alert(1)</script><style>p{}</style><!-- x -->b</p>", "ab\n"),
        ("<p onclick=x>a <span style='color:red'>b</span></p>", "a b\n"),
        ("<p><del>cũ</del><ins>mới</ins></p>", "mới\n"),
        ("<p>Xem!<a href='https://a.vn'>b</a></p>", "Xem\\![b](https://a.vn)\n"),
        ("<p><b>!</b><a href='https://a.vn'>b</a></p>", "**!**[b](https://a.vn)\n"),
        ("<p>a<b>!</b><a href='https://a.vn'>b</a></p>", "a\\![b](https://a.vn)\n"),
        ("<p><a href='https://a.vn/'> b </a>c</p>", "[b](https://a.vn/) c\n"),
        ("<p><a href='https://a.vn/x y'>b</a></p>", "[b](https://a.vn/x%20y)\n"),
        ("<p>a<b> b </b>c</p>", "a **b** c\n"),
        ("<p>Điều<b>:</b>x</p>", "Điều:x\n"),
        ("<p><b></b><i> </i>a</p>", "a\n"),
        ("<p><br>a<br></p>", "a\n"),
        ("<h2>a<br>b #</h2>", "## a b \\#\n"),
        ("<ul><li>a<li></ul><ul><li>b</ul>", "- a\n-\n\n* b\n"),
        ("<ul><li>a</li><ol><li>b</li></ol></ul>", "- a\n  1. b\n"),
        ("<ul>x<li>a</ul>", "- a\n"),
        ("<ul><li><ul><li><ul><li></ul></ul></ul>", "+ - -\n"),
        (
            "<table><tr><td>a<table><tr><td>b<td>c</table></table>",
            "a\n\n| b | c |\n| --- | --- |\n",
        ),
        ("<table></table><p> </p>", ""),
        ("&#1;a\x00b\ue000", "ab\ue000\n"),
    ],
)
def test_markup_becomes(markup, markdown):
    assert to_markdown(markup).markdown == markdown


def test_a_table_in_a_cell_leaves_its_words():
    inner = "<table><tr><td>a<td>b<tr><td>c<td>d</table>"
    found = to_markdown(f"<table><tr><td>x<td>y<tr><td>{inner}<td>z</table>")
    assert found.markdown == "| x | y |\n| --- | --- |\n| a, b; c, d | z |\n"
    assert dict(found.losses) == {Loss.NESTED_TABLE: 1}


def test_columns_keep_their_alignment():
    cell = "<td style='color:red;text-align: right'>1</td>"
    assert "| --: | --: |" in to_markdown(f"<table><tr>{cell * 2}</tr></table>").markdown


@pytest.mark.parametrize("span", ["0", "-1", "x", "1" * 5000, "²", "65536"])
def test_a_wrong_span_covers_no_more_than_the_table(span):
    row = f"<tr><td rowspan='{span}'>a</td><td>b</td></tr>"
    assert "a" in to_markdown(f"<table>{row * 2}</table>").markdown


@pytest.mark.parametrize(
    ("markup", "error"),
    [
        ("<div>" * 20_000, TooNested),
        ("<b>" * 101 + "x", TooNested),
        ("<table><tr>" + "<td>a" * 51, TableTooLarge),
        ("<table>" + "<tr><td colspan=50 rowspan=200>a" * 200, TableTooLarge),
    ],
)
def test_what_costs_too_much_is_refused(markup, error):
    with pytest.raises(error):
        to_markdown(markup)


@pytest.mark.parametrize("markup", ["<" * 100_000, "[" * 50_000, "*" * 50_000, "<p>&" * 20_000])
def test_many_signs_take_no_long_time(markup):
    assert to_markdown(markup).markdown.endswith("\n")
