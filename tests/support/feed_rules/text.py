"""Rules as tables, and what the feed formats share: times, addresses, HTML."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from lxml import etree, html

from channels.portal.render.xml import ATOM_NS, HISTORY_NS

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
NAMESPACES = {"a": ATOM_NS, "h": HISTORY_NS, "x": "http://www.w3.org/1999/xhtml"}
Rules = Mapping[str, str | Callable[[Any], object]]
"""The name of each rule, and an XPath or a function that is true where it is kept."""


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One broken rule: its name, the part that breaks it, the item's number (0: the feed)."""

    rule: str
    detail: str
    item: int = 0


def broken_rules(part: Any, rules: Rules, item: int = 0) -> Iterator[BrokenRule]:
    """The rules that *part*, an element or a JSON object, breaks."""
    for name, rule in rules.items():
        if not (find(part, f"boolean({rule})") if isinstance(rule, str) else rule(part)):
            text = etree.tostring(part).decode() if etree.iselement(part) else str(part)
            yield BrokenRule(name, text[:300], item)


def find(part: Any, xpath: str) -> Any:
    return part.xpath(xpath, namespaces=NAMESPACES)


def is_absolute(url: str | None) -> bool:
    """An http(s) address with a host, or another absolute IRI such as a tag: or urn:."""
    parts = urlsplit(url or "")
    return bool(parts.netloc) if parts.scheme in ("http", "https") else bool(parts.scheme)


def is_web_address(url: str | None) -> bool:
    return urlsplit(url or "").scheme in ("http", "https") and is_absolute(url)


def are_web_addresses(urls: Iterable[str | None]) -> bool:
    return all(map(is_web_address, urls))


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


def are_unique(values: Iterable[object]) -> bool:
    listed = list(values)
    return len(listed) == len(set(listed))


def check_html(text: str | None, item: int) -> Iterator[BrokenRule]:
    """Embedded HTML: absolute addresses, nothing active, no style."""
    for element in html.fragment_fromstring(text or " ", create_parent="div").iter(etree.Element):
        yield from broken_rules(element, _HTML_RULES, item)


def _is_passive(element: Any) -> bool:
    is_passive = element.tag not in _ACTIVE_TAGS and _schemes(element) <= {*_SAFE_SCHEMES, ""}
    return is_passive and not find(element, "@*[starts-with(name(), 'on')]")


def _schemes(element: Any) -> set[str]:
    attributes = dict(element.attrib).items()
    addresses = (value for name, value in attributes if name in _ADDRESS_ATTRIBUTES)
    return {urlsplit(str(address).strip()).scheme for address in addresses}


_HTML_RULES: Rules = {
    "nothing-active": _is_passive,
    "no-style": "not(@style)",
    "absolute-addresses": lambda element: "" not in _schemes(element),
}
