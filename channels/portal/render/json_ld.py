"""JSON-LD of an item's page: schema.org's NewsArticle."""

import json
from typing import Any

from channels.organisations import is_organisation
from channels.portal.model.item import Item
from channels.portal.model.site import Site
from channels.portal.model.texts import catalog_text
from channels.portal.render.default_cover import default_cover_url
from channels.portal.render.xml import format_rfc3339
from contracts.interruptions.interruption import Interruption

_CONTEXT = "https://schema.org"
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&'\u2028\u2029"}
"""Escapes for HTML; in JSON these characters occur only in strings."""


def article_json_ld(item: Item, site: Site) -> str:
    """The item as JSON-LD that is safe inside an HTML script element."""
    return json.dumps(_article(item, site), ensure_ascii=False).translate(_ESCAPES)


def og_locale(language: str) -> str:
    """A language as an Open Graph locale, with a default country where none is given."""
    return _LOCALES.get(language) or language.replace("-", "_")


_LOCALES = {"vi": "vi_VN", "en": "en_US", "fr": "fr_FR", "zh": "zh_CN", "ja": "ja_JP"}
_LOCALES |= {"ko": "ko_KR", "ru": "ru_RU", "lo": "lo_LA", "km": "km_KH"}


def _article(item: Item, site: Site) -> dict[str, Any]:
    publication = item.publication
    cover = item.preview_cover
    properties: dict[str, Any] = {
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
        "image": [cover.url if cover else default_cover_url(site)],
        "isAccessibleForFree": True,
    }
    return properties | _extras(item)


def _extras(item: Item) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if item.audiences:
        kind = {"@type": "Audience"}
        extras["audience"] = [kind | {"audienceType": audience} for audience in item.audiences]
    if item.publication.expires_at:
        extras["expires"] = format_rfc3339(item.publication.expires_at)
    if item.interruption:
        extras |= _interruption(item.interruption)
    if item.correction:
        text = item.correction.reason or catalog_text("item", "corrected_without_reason")
        comment = {"@type": "CorrectionComment", "text": text}
        extras["correction"] = comment | {"datePublished": format_rfc3339(item.correction.at)}
    return extras


def _interruption(said: Interruption) -> dict[str, Any]:
    """The services that the item is about, and the time that it covers."""
    ends = said.resumed_at or said.expected_recovery_at
    services = [{"@type": "GovernmentService", "name": name} for name in said.services]
    span = f"{format_rfc3339(said.begins_at)}/{format_rfc3339(ends)}"
    return {"about": services, "temporalCoverage": span}


def _author(item: Item) -> dict[str, Any]:
    """The named author, or else the unit."""
    name = item.publication.author
    if not name:
        return _unit(item.unit)
    return {"@type": "Organization" if is_organisation(name) else "Person", "name": name}


def _unit(name: str) -> dict[str, Any]:
    return {"@type": "GovernmentOrganization", "name": name}
