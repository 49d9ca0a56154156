"""Web addresses in texts: found, and made links."""

import re
from functools import partial

from markupsafe import Markup

_TAG = re.compile("(<[^>]*>)")
_LINK_TAGS = {"<a": 1, "</a": -1}
_ADDRESS = re.compile(r"https?://(?:&amp;|[^\s\"<>&'])*[^\s\"<>&'.,:;!?…)\]}”’»]")
"""A web address in escaped text, without the punctuation that follows it."""


def find_addresses(text: str) -> list[str]:
    """The web addresses in plain *text*, without the punctuation that follows them."""
    return _ADDRESS.findall(text)


def link_addresses(html: str, named: str = "", name: str = "") -> Markup:
    """Turn each bare web address in the text of sanitised *html* into a link.

    The address *named* is shown as *name*.
    """
    within, parts = 0, []
    for part in _TAG.split(html):
        if part.startswith("<"):
            within += _LINK_TAGS.get(part.rstrip(">").split(" ")[0], 0)
        elif not within:
            part = _ADDRESS.sub(partial(_link, named=named, name=name), part)
        parts.append(part)
    return Markup("".join(parts))  # noqa: S704 - the pieces are those of sanitised HTML


def _link(found: re.Match[str], named: str, name: str) -> str:
    if named and found[0] == named:
        return Markup('<a href="{}">{}</a>').format(named, name)
    return f'<a href="{found[0]}" class="bare" rel="noopener">{found[0]}</a>'
