"""The size of a Markdown text in each form in which a channel shows it."""

from channels.email.render import markdown as mail_markdown
from channels.email.render import styles
from channels.markdown_text import indented_text, paragraphs
from channels.portal.model.body import to_html

PAGE = "https://thong-bao.bonoivu.example/tin/" + "a" * 64
_FRAME = '<div class="text">{}</div>'


def portal_html(markdown: str) -> int:
    return len(to_html(markdown, PAGE).encode())


def mail_html(markdown: str) -> int:
    """With its styles on the elements, as it leaves."""
    html = mail_markdown.render_html(mail_markdown.parse(markdown, PAGE))
    return _styled_size(html) - _styled_size("")


def _styled_size(html: str) -> int:
    return len(styles._INLINER.inline(_FRAME.format(html)).encode())


def mail_text(markdown: str) -> int:
    return len(indented_text(mail_markdown.parse(markdown, PAGE)).encode())


def zalo_text(markdown: str) -> int:
    return len("\n".join(paragraphs(markdown)).encode())


def largest_form(markdown: str) -> int:
    return max(form(markdown) for form in (portal_html, mail_html, mail_text, zalo_text))


PIECES = (
    *(
        "> ",
        ">",
        "- ",
        "+ ",
        "1. ",
        "123456789) ",
        "\n",
        "\n\n",
        "    ",
        "\t",
        " ",
        "  \n",
        "\\",
    ),
    *("|", "| a ", "|-|-|\n", "|a|b|\n|:-:|-:|\n", "---\n", "===\n", "#", "## ", "***\n"),
    *("`", "```\n", "~~~\n", "*", "**", "_", "[a]", "[a]:", "[a]: /x", "[a]: <", "[]", "![a]"),
    *("](", ")", "<", ">", "https://e/ộ", "<https://e/ộ>", "<a@b.vn>", "&#10;", "&", "&nGg;"),
    *(
        '"',
        "'",
        "(",
        "](<",
        "x",
        "ộ",
        "😀",
        "\u00a0",
        'b "t"',
        "[b]: ?",
        "\\]:",
        "[![",
        "&amp;",
    ),
)
"""Of these, texts are made that mean much in Markdown."""
