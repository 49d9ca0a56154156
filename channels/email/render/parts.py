"""The text part and the HTML part of a mail, rendered from one content."""

import re
from collections.abc import Sequence
from email.message import EmailMessage

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from channels.email.render import headers
from channels.email.render.compiled import Placeholders, encode_body
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import TEMPLATES, MailContent, texts
from channels.email.render.styles import set_styles
from channels.web_addresses import link_addresses

_HTML_SUFFIX = ".html"
_BLANK_LINES = re.compile(r"\n{3,}")
_JINJA = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _keep_unbroken(text: str, code: str) -> Markup:
    """*text* as HTML, with *code* on one line where the screen is wide enough."""
    whole = Markup('<span class="unbroken">{}</span>').format(code)
    return escape(text).replace(escape(code), whole) if code else escape(text)


_JINJA.filters["unbroken"] = _keep_unbroken
_JINJA.filters["with_links"] = link_addresses


def render_part(
    template: str, content: MailContent, placeholders: Placeholders, **values: object
) -> EmailMessage:
    """The text or HTML part of *content*."""
    return new_part(template, render_template(template, content, **values), placeholders)


def new_part(template: str, text: str, placeholders: Placeholders) -> EmailMessage:
    """A part with the *text* of *template*, quoted-printable: every relay passes it unchanged."""
    kind = "html" if template.endswith(_HTML_SUFFIX) else "plain"
    part = headers.new_message(
        {
            "Content-Type": EncodedHeader(f'text/{kind}; charset="utf-8"'),
            "Content-Transfer-Encoding": EncodedHeader("quoted-printable"),
        }
    )
    part.set_payload(encode_body(text, placeholders))
    return part


def render_template(template: str, content: MailContent, **values: object) -> str:
    """Render *template* with *content*; HTML gets its styles."""
    text = _JINJA.get_template(template).render(mail=content, texts=texts(), **values)
    tidy = _BLANK_LINES.sub("\n\n", text).lstrip("\n")
    return set_styles(tidy) if template.endswith(_HTML_SUFFIX) else tidy


def paragraphs_html(paragraphs: Sequence[str], code: str = "", warning: str = "") -> Markup:
    """*paragraphs* as HTML, with *warning* in a box below, and *code* on one line."""
    paragraph, box = Markup("<p>{}</p>"), Markup('<div class="notice"><p>{}</p></div>')
    shown = [paragraph.format(_keep_unbroken(text, code)) for text in paragraphs]
    return Markup("\n").join([*shown, box.format(warning)] if warning else shown)
