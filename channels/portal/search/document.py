"""Search documents: all visible words of an item."""

import re

from markupsafe import Markup

from channels.portal.model.item import Item
from channels.portal.model.months import to_microseconds
from channels.portal.model.site import Site
from channels.portal.search.index import DocumentFacts, SearchDocument
from channels.portal.search.query import EVERY_AUDIENCE
from contracts.text import nfc

DOCUMENT_VERSION = 3
"""To be raised when the same item is indexed differently; every search index is then rebuilt."""
_SEPARATOR = " · "
"""Separator of the parts, so that a snippet does not read like one sentence."""
_BLOCK = re.compile("</(?:p|h[2-6]|li|th|td|pre|blockquote)>")
_TAIL_LENGTH = 5
_SENTENCE_END = re.compile("[.!?…:;,][)\"”»’']*$")


def build_document(item: Item, site: Site) -> SearchDocument:
    """Build the search document of *item*, with its unit's current id, as in feeds."""
    publication = item.publication
    more = [file.title for file in publication.attachments]
    more += [link.title for link in publication.links]
    other_topics = [slug for slug in site.listing_slugs(publication) if slug in site.topics()]
    facts = [f"{fact.label}: {fact.value}" for fact in item.stated_facts]
    parts = (item.lead, *facts, _body_text(item.body), *more, publication.author)
    return SearchDocument(
        content_id=publication.content_id,
        published_us=to_microseconds(item.published),
        facts=DocumentFacts(
            title=publication.title,
            topic=publication.topic,
            unit=site.current_unit(publication.unit),
            language=publication.language,
            published=item.published.isoformat(),
            corrected=item.correction.at.isoformat() if item.correction else "",
            shelves=tuple(topic for topic in other_topics if topic != publication.topic),
            audiences=publication.audiences or (EVERY_AUDIENCE,),
            names=_SEPARATOR.join((item.topic, item.unit)),
        ),
        text=nfc(_SEPARATOR.join(filter(None, parts))),
    )


def _body_text(body: Markup) -> str:
    """Text of the body; blocks without punctuation at the end get a SEPARATOR."""
    text, separator = "", ""
    for part in _BLOCK.split(body):
        if block := Markup(part).striptags():  # noqa: S704 - used for its text only
            text += separator + block
            separator = " " if _SENTENCE_END.search(block[-_TAIL_LENGTH:]) else _SEPARATOR
    return text
