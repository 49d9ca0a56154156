"""Markdown → HTML → Markdown shows the same: for texts of the whole dialect, and for any words."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from channels.portal.model.body import to_html
from contracts.text import nfc
from producers.html_to_markdown import to_markdown

RENDERER = MarkdownIt("commonmark", {"html": False}).enable("table")
SITE = "https://thongbao.moha.gov.vn/"
WORDS = (
    *("Bộ", "Nội vụ", "(quý III)", "30/2020/NĐ-CP;", "năm 2026", "Điều 1.", "a)"),
    *(r"\*", r"\#", r"1\.", r"a\_b\_c", r"\<thẻ\>", r"\&amp;", r"\[x\](y)", r"\|", r"\`mã\`"),
    *("!", "=", "+", "-", "#", "~", "\\\\", r"\!", "“trích”", "...", "&copy;", "a\u00a0b"),
)
LINES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


def wrapped(form: str) -> st.SearchStrategy[str]:
    return LINES.map(lambda words: form.format(words.strip() or "a"))


INLINE = st.lists(
    st.one_of(
        *(LINES, LINES, wrapped("**{}**"), wrapped("*{}*"), wrapped("***{}***")),
        *(wrapped("[{}](https://moha.gov.vn/?a=1&b=(2))"), wrapped("![{}](/tep/1.png)")),
        st.sampled_from(("`a*b_c`", "``a`b``", "<https://moha.gov.vn>", "\\\nxuống dòng")),
    ),
    min_size=1,
    max_size=5,
)


def paragraphs(glue: str) -> st.SearchStrategy[str]:
    joined = INLINE.map(lambda parts: glue.join(parts).strip())
    return joined.filter(lambda text: text and not text.startswith("\\\n"))


PARAGRAPH = paragraphs(" ")
ONE_LINE = PARAGRAPH.map(lambda text: text.replace("\\\n", " "))


@st.composite
def tables(draw) -> str:
    columns = draw(st.integers(2, 4))
    cells = st.lists(ONE_LINE.filter(lambda it: "`" not in it), min_size=columns, max_size=columns)
    rows = draw(st.lists(cells, min_size=1, max_size=4))
    lines = st.sampled_from(("---", ":--", "--:", ":-:"))
    rows.insert(1, draw(st.lists(lines, min_size=columns, max_size=columns)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@st.composite
def lists(draw, inner: st.SearchStrategy[str]) -> str:
    mark = draw(st.sampled_from(("- ", "* ", "1. ", "4. ", "1) ")))
    gap = draw(st.sampled_from(("\n", "\n\n")))
    items = draw(st.lists(inner, min_size=1, max_size=3))
    pad = "\n" + " " * len(mark)
    return gap.join(mark + item.replace("\n", pad) for item in items)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3)
    quotations = several.map(lambda it: "\n".join(f"> {x}" for x in "\n\n".join(it).split("\n")))
    joined = st.tuples(several, st.sampled_from(("\n", "\n\n"))).map(lambda it: it[1].join(it[0]))
    return quotations | lists(joined)


LEAVES = st.one_of(
    *(PARAGRAPH, tables(), st.sampled_from(("***", "```\nmã  lệnh\n\n  `x` <b>\n```"))),
    st.tuples(st.integers(1, 6), ONE_LINE).map(lambda it: f"{'#' * it[0]} {it[1]}"),
)
BLOCKS = st.recursive(LEAVES, containers, max_leaves=6)


def has_empty_heading(markdown: str) -> bool:
    """Nothing is shown of it, and it is not written again; but it shifts other headings."""
    return bool(re.search(r"<(h\d)></\1>", RENDERER.render(markdown)))


TEXTS = (
    st.lists(BLOCKS, min_size=1, max_size=5)
    .map("\n\n".join)
    .filter(lambda text: not has_empty_heading(text))
)


def shown(markdown: str) -> str:
    """The HTML of the portal, without what no reader sees: tight or loose, blanks at ends."""
    root = lxml_html.fragment_fromstring(to_html(markdown, SITE), create_parent="div")
    for paragraph in [*root.iter("p")]:
        if paragraph.getparent().tag == "li":
            paragraph.tag = "div"
    text = re.sub(r"\s+", " ", lxml_html.tostring(root, encoding="unicode", method="xml"))
    text = text.replace("<li/>", "<li></li>")
    for _ in range(3):
        text = re.sub(r"</(strong|em)>(\s*)<\1>", r"\2", text)
    text = re.sub(r"</?div>", "", text)
    blocks = "li|ul|ol|p|blockquote|div|td|th|tr|table|thead|tbody|br|h[1-6]|hr|pre"
    return re.sub(rf"\s*(</?(?:{blocks})\b[^>]*>)\s*", r"\1", text).strip()


def converted(markdown: str) -> str:
    return to_markdown(RENDERER.render(markdown)).markdown


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_markdown_there_and_back_shows_the_same_and_changes_nothing_a_second_time(text):
    once = converted(text)
    assert shown(once) == shown(text)
    assert converted(once) == once


@settings(max_examples=100, deadline=None)
@given(paragraphs("").filter(lambda text: not has_empty_heading(text)))
def test_emphasis_within_words_costs_no_word_and_shows_no_sign(text):
    """CommonMark reads no emphasis between a letter and a sign: it is left out there."""
    assert without_emphasis(shown(converted(text))) == without_emphasis(shown(text))


def without_emphasis(html: str) -> str:
    return "".join(re.sub(r"</?(strong|em)>", "", html).split())


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=60))
def test_any_words_stay_words(words):
    """No sign of a text becomes Markdown."""
    element = lxml_html.Element("p")
    element.text = words
    markdown = to_markdown(lxml_html.tostring(element, encoding="unicode")).markdown
    read = lxml_html.fragment_fromstring(RENDERER.render(markdown), create_parent="div")
    assert [child.tag for child in read.iter()][1:] in ([], ["p"])
    assert squeezed(read.text_content()) == squeezed(words)


def squeezed(text: str) -> str:
    return "".join(nfc(text).split())
