"""The two parts of a mail, text and HTML, drawn from one letter."""

import re
from email.message import EmailMessage

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from channels.email import headers
from channels.email.headers import Encoded
from channels.email.letter import TEMPLATES, Letter, texts
from channels.email.mould import Marks, body

HTML = ".html"
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


def part(template: str, letter: Letter, marks: Marks, **own: object) -> EmailMessage:
    """The text or the HTML, as quoted-printable: it passes every relay unchanged."""
    made = headers.message()
    kind = "html" if template.endswith(HTML) else "plain"
    made["Content-Type"] = Encoded(f'text/{kind}; charset="utf-8"')
    made["Content-Transfer-Encoding"] = Encoded("quoted-printable")
    made.set_payload(body(drawn(template, letter, **own), marks))
    return made


def drawn(template: str, letter: Letter, **own: object) -> str:
    """What *template* makes of *letter*; an element's styles stand on itself."""
    text = _JINJA.get_template(template).render(letter=letter, texts=texts(), **own)
    tidy = _BLANK_LINES.sub("\n\n", text).lstrip("\n")
    return _STYLES.inline(tidy) if template.endswith(HTML) else tidy
