"""The links that readers of a text could follow, and what came of asking them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markdown_it.token import Token

from contracts.desk.checks.links import HOST_LINKS_MAX, LINKS_MAX, CheckedLink, LinkChecks
from producers.desk.editor.checks import read_body
from producers.desk.editor.conversion import editor_texts

_BARE = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,:;!?…)\]}”’»]", re.I)
"""A web address in plain words, which the portal makes a link."""
_ADDRESS = {"link_open": "href", "image": "src"}
_ROWS = ("links", "attachments")


@dataclass(frozen=True)
class LinkReport:
    """The links of a text, and what came of those that were asked."""

    urls: tuple[str, ...]
    asked: tuple[CheckedLink, ...]
    most: int = LINKS_MAX
    of_host: int = HOST_LINKS_MAX
    """Links that one check asks, in all and of one host."""

    @property
    def rest(self) -> int:
        """How many were not asked."""
        return len(self.urls) - len(self.asked)

    @property
    def dead(self) -> list[CheckedLink]:
        return [one for one in self.asked if one.reason]

    def said(self, link: CheckedLink) -> str:
        """The result for a link, in Vietnamese."""
        said = editor_texts()["links"]
        text = said["why"][link.reason] if link.reason else said["answers"]
        return str(text.format(detail=link.detail))


def report_links(links: LinkChecks, public_url: str, data: Mapping[str, Any]) -> LinkReport:
    """Known results for the links in the data of a text."""
    urls = find_links(data, public_url)
    return LinkReport(urls, tuple(links.known(urls)))


def find_links(data: Mapping[str, Any], public_url: str) -> tuple[str, ...]:
    """The web addresses in the data of a text, each once; none of the portal's own."""
    found = [*_in_fields(data), *_in_body(str(data.get("body") or ""))]
    own = public_url.casefold().rstrip("/") + "/"
    foreign = (one for one in found if not f"{one.casefold()}/".startswith(own))
    return tuple(dict.fromkeys(one for one in foreign if _BARE.match(one)))


def _in_fields(data: Mapping[str, Any]) -> Iterator[str]:
    rows = [one for name in _ROWS for one in data.get(name) or ()]
    for one in (data.get("cover"), *rows):
        if isinstance(one, Mapping):
            yield str(one.get("url") or "").strip()


def _in_body(body: str) -> Iterator[str]:
    for token in read_body(body):
        for part in token.children or ():
            yield from _in_token(part)


def _in_token(token: Token) -> Iterator[str]:
    if name := _ADDRESS.get(token.type):
        yield str(token.attrs.get(name, ""))
    elif token.type == "text":
        yield from _BARE.findall(token.content)
