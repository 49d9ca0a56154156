"""No body grows beyond the limit in any channel, and what the count says holds for every form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.render import markdown as mail_markdown
from channels.markdown_text import EMPHASIS_MAX, indented_text, paragraphs
from channels.portal.model.body import to_html
from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from tests.support.mails import LONG_BODY
from tests.support.markdown_bombs import BODY_MAX, BOMBS
from tests.support.rendered_forms import PAGE, PIECES, largest_form

SMALL = 160


@pytest.mark.parametrize("name", BOMBS)
def test_the_count_is_never_below_what_is_rendered(name):
    markdown = BOMBS[name](SMALL)
    assert largest_form(markdown) <= rendered_size(markdown)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_the_count_holds_for_any_text(markdown):
    assert largest_form(markdown) <= rendered_size(markdown)


def test_a_stored_text_beyond_the_limit_is_shown_as_written():
    bomb = BOMBS["a reference used often"](BODY_MAX)
    assert to_html(bomb, PAGE) == f"<pre><code>{bomb}</code></pre>"
    assert indented_text(mail_markdown.parse(bomb, PAGE)) == bomb
    assert paragraphs(bomb) == [bomb]


@pytest.mark.parametrize(("sign", "tag"), [("*", "em"), ("**", "strong")])
def test_emphasis_in_emphasis_has_a_depth_and_loses_no_word(sign, tag):
    """Libraries that read HTML recurse: 20,000 levels ended the process that made the mail."""
    deep = f"{sign}a " * 500 + f"b{sign} " * 500
    mail_html = mail_markdown.render_html(mail_markdown.parse(deep, PAGE))
    for html in (to_html(deep, PAGE), mail_html):
        assert html.count(f"<{tag}>") == html.count(f"</{tag}>") == EMPHASIS_MAX
        assert html.count("a ") == 500 and "".join(html.split()).count("b") >= 500


@pytest.mark.parametrize("words", ["ộ", "&", "<", "Bộ Nội vụ thông báo.\n\n", "國", "😀"])
def test_a_text_without_markdown_is_never_too_large(words):
    assert rendered_size((words * BODY_MAX)[:BODY_MAX]) <= RENDERED_MAX


def test_ordinary_texts_are_far_from_the_limit():
    numbers = "| Tỉnh | Số hồ sơ | Tỷ lệ |\n|---|--:|--:|\n" + "| Hà Nội | 1.250 | - |\n" * 700
    links = "- [Nghị định số 30/2020/NĐ-CP](https://vanban.example/nghi-dinh-30-2020-nd-cp)\n" * 500
    notes = "Theo Điều 5 [1].\n" * 100 + "\n[1]: https://vanban.example/luat 'Luật Cán bộ'\n"
    for text in (numbers, links, notes, LONG_BODY * 40):
        assert rendered_size(text) <= RENDERED_MAX
