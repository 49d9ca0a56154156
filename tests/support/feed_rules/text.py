"""Rules shared by all feed formats: times, addresses, HTML."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from lxml import etree, html

_RFC822 = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d(?::\d\d)? (?:GMT|[+-]\d{4})"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_ACTIVE_TAGS = {"script", "iframe", "object", "embed", "form", "style", "link", "meta", "base"}
_ADDRESS_ATTRIBUTES = {"href", "src", "cite", "poster", "action"}
_SAFE_SCHEMES = {"http", "https", "mailto", "tel"}


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One broken rule: its name, the details, and the item's number (0 = the feed itself)."""

    rule: str
    detail: str
    item: int = 0


def broken_rule(rule: str, detail: str, item: int = 0) -> BrokenRule:
    return BrokenRule(rule, detail, item)


def is_absolute(url: str | None) -> bool:
    """An http(s) address with a host, or another absolute IRI such as a tag: or urn:."""
    parts = urlsplit(url or "")
    return bool(parts.netloc) if parts.scheme in ("http", "https") else bool(parts.scheme)


def is_web_address(url: str | None) -> bool:
    return urlsplit(url or "").scheme in ("http", "https") and is_absolute(url)


def is_language(tag: object) -> bool:
    return isinstance(tag, str) and bool(_LANGUAGE.fullmatch(tag))


def is_media_type(text: object) -> bool:
    return isinstance(text, str) and bool(_MEDIA_TYPE.fullmatch(text))


def parse_rfc822(text: str | None) -> datetime | None:
    """Parse an RFC 822 date with a four-digit year; None for other input."""
    if not text or not _RFC822.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def duplicates(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def check_html(text: str, item: int) -> Iterator[BrokenRule]:
    """Embedded HTML: absolute addresses, nothing active, no style."""
    for element in html.fragment_fromstring(text or " ", create_parent="div").iter(etree.Element):
        if element.tag in _ACTIVE_TAGS:
            yield broken_rule("nothing-active", f"<{element.tag}> in the text", item)
        for name, value in element.attrib.items():
            yield from _check_attribute(str(name), str(value), item)


def _check_attribute(name: str, value: str, item: int) -> Iterator[BrokenRule]:
    if name.startswith("on"):
        yield broken_rule("nothing-active", f"the attribute {name}", item)
    if name == "style":
        yield broken_rule("no-style", "a style attribute", item)
    if name in _ADDRESS_ATTRIBUTES:
        scheme = urlsplit(value.strip()).scheme
        if not scheme:
            yield broken_rule("absolute-addresses", f"{name} is relative", item)
        elif scheme not in _SAFE_SCHEMES:
            yield broken_rule("nothing-active", f"{name} has the scheme {scheme}", item)
