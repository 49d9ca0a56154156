"""What an item's page says to machines: schema.org's NewsArticle, as JSON-LD."""

import json
from typing import Any

from channels.portal.item import Item
from channels.portal.site import Site
from channels.portal.texts import say
from channels.portal.tree import instant

_CONTEXT = "https://schema.org"
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&'\u2028\u2029"}
"""In JSON these characters stand in strings only, and may be written so there."""


def article(item: Item, site: Site) -> str:
    """A block of data; it cannot end the element in which it stands."""
    return json.dumps(_article(item, site), ensure_ascii=False).translate(_ESCAPES)


def _article(item: Item, site: Site) -> dict[str, Any]:
    publication = item.publication
    said: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "NewsArticle",
        "mainEntityOfPage": item.url,
        "headline": publication.title,
        "description": item.excerpt,
        "inLanguage": publication.language,
        "articleSection": item.topic,
        "datePublished": instant(item.published),
        "dateModified": instant(item.updated),
        "author": [_unit(item.unit)],
        "publisher": _unit(say("site", "owner")) | {"url": site.url("/")},
        "isAccessibleForFree": True,
    }
    return said | _extras(item)


def _extras(item: Item) -> dict[str, Any]:
    """What only some items have."""
    extras: dict[str, Any] = {}
    if item.publication.cover:
        extras["image"] = [item.publication.cover.url]
    if item.audiences:
        extras["audience"] = [{"@type": "Audience", "audienceType": one} for one in item.audiences]
    if item.corrected:
        text = item.publication.reason or say("item", "corrected_without_reason")
        what = {"@type": "CorrectionComment", "text": text}
        extras["correction"] = what | {"datePublished": instant(item.updated)}
    return extras


def _unit(name: str) -> dict[str, Any]:
    return {"@type": "GovernmentOrganization", "name": name}
