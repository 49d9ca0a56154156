"""The way back: Markdown as the HTML of a visual editor, which `to_markdown` reads."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_READER = MarkdownIt("commonmark", {"html": False}).enable("table")
_ALIGNMENT = "text-align:"


def editor_html(markdown: str) -> Markup:
    """Render without raw HTML and without inline styles, which the desk's policy refuses."""
    tokens = _READER.parse(markdown)
    for token in tokens:
        _align(token)
    return Markup(_READER.renderer.render(tokens, _READER.options, {}))  # noqa: S704 -- escaped


def _align(token: Token) -> None:
    style = str(token.attrs.pop("style", ""))
    if style.startswith(_ALIGNMENT):
        token.attrs["align"] = style.removeprefix(_ALIGNMENT)
