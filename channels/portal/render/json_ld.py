"""What an item's page says to machines: schema.org's NewsArticle, as JSON-LD."""

import json
from typing import Any

from channels.portal.model.item import Item
from channels.portal.model.site import DEFAULT_COVER_PATH, Site
from channels.portal.model.texts import TEXTS, catalog_text
from channels.portal.render.xml import format_rfc3339

_CONTEXT = "https://schema.org"
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&'\u2028\u2029"}
"""In JSON these characters stand in strings only, and may be written so there."""


def article_json_ld(item: Item, site: Site) -> str:
    """A block of data; it cannot end the element in which it stands."""
    return json.dumps(_article(item, site), ensure_ascii=False).translate(_ESCAPES)


def og_locale(language: str) -> str:
    """As Open Graph writes it: with a country, the usual one where none was said."""
    return _LOCALES.get(language) or language.replace("-", "_")


_LOCALES = {"vi": "vi_VN", "en": "en_US", "fr": "fr_FR", "zh": "zh_CN", "ja": "ja_JP"} | {
    "ko": "ko_KR",
    "ru": "ru_RU",
    "lo": "lo_LA",
    "km": "km_KH",
}


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
        "datePublished": format_rfc3339(item.published),
        "dateModified": format_rfc3339(item.updated),
        "author": [_author(item)],
        "publisher": _unit(catalog_text("site", "owner")) | {"url": site.url("/")},
        "image": [item.cover.url if item.cover else site.url(DEFAULT_COVER_PATH)],
        "isAccessibleForFree": True,
    }
    return said | _extras(item)


def _extras(item: Item) -> dict[str, Any]:
    """What only some items have."""
    extras: dict[str, Any] = {}
    if item.audiences:
        extras["audience"] = [{"@type": "Audience", "audienceType": one} for one in item.audiences]
    if item.publication.expires_at:
        extras["expires"] = format_rfc3339(item.publication.expires_at)
    if item.correction:
        text = item.correction.reason or catalog_text("item", "corrected_without_reason")
        what = {"@type": "CorrectionComment", "text": text}
        extras["correction"] = what | {"datePublished": format_rfc3339(item.correction.at)}
    return extras


def _author(item: Item) -> dict[str, Any]:
    """Who is named as author; else the unit. An office is known by how its name begins."""
    name = item.publication.author
    if not name:
        return _unit(item.unit)
    office = name.casefold().startswith(tuple(f"{one} " for one in TEXTS["author"]["offices"]))
    return {"@type": "Organization" if office else "Person", "name": name}


def _unit(name: str) -> dict[str, Any]:
    return {"@type": "GovernmentOrganization", "name": name}
