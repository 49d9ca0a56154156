"""The two parts of a mail, text and HTML, drawn from one letter."""

import re
from email.message import EmailMessage

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from channels.email.render import headers
from channels.email.render.compiled import Placeholders, encode_body
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import TEMPLATES, MailContent, texts

HTML_SUFFIX = ".html"
_BLANK_LINES = re.compile(r"\n{3,}")
_JINJA = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
# What asks for the screen (width, dark) can't stand on an element: a style tag that says
# data-css-inline="keep" stays where it is.
_STYLES = CSSInliner(
    extra_css=(TEMPLATES / "mail.css").read_text("utf-8"),
    keep_style_tags=False,
    load_remote_stylesheets=False,
    minify_css=True,
)


def render_part(
    template: str, content: MailContent, placeholders: Placeholders, **own: object
) -> EmailMessage:
    """The text or the HTML, as quoted-printable: it passes every relay unchanged."""
    made = headers.new_message()
    kind = "html" if template.endswith(HTML_SUFFIX) else "plain"
    made["Content-Type"] = EncodedHeader(f'text/{kind}; charset="utf-8"')
    made["Content-Transfer-Encoding"] = EncodedHeader("quoted-printable")
    made.set_payload(encode_body(render_template(template, content, **own), placeholders))
    return made


def render_template(template: str, content: MailContent, **own: object) -> str:
    """What *template* makes of *letter*; an element's styles stand on itself."""
    text = _JINJA.get_template(template).render(letter=content, texts=texts(), **own)
    tidy = _BLANK_LINES.sub("\n\n", text).lstrip("\n")
    return _STYLES.inline(tidy) if template.endswith(HTML_SUFFIX) else tidy
