"""Where a page says that its site's feeds are."""

import re
from collections.abc import Iterator

from producers.imports.plain import cut_out, unescape
from producers.imports.urls import canonical, web_address

MOST = 20
_LINK = re.compile(r"<link\s([^<>]{1,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([a-z]{1,20})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I
)
_KINDS = ("application/rss+xml", "application/atom+xml")


def feeds_of(body: bytes, url: str) -> list[str]:
    """The feeds that the page *body* at *url* names; what is no web address is none."""
    page = cut_out(body.decode("utf-8", "replace"), "<!--", "-->")
    full = (web_address(one, url) for one in named(page))
    return list(dict.fromkeys(one for one in full if canonical(one)))[:MOST]


def named(page: str) -> Iterator[str]:
    for link in _LINK.finditer(page):
        said = {one[0].lower(): unescape("".join(one[1:])) for one in _ATTRIBUTE.findall(link[1])}
        kind = said.get("type", "").partition(";")[0].strip().lower()
        if "alternate" in said.get("rel", "").lower().split() and kind in _KINDS:
            yield said.get("href", "")
