"""Search documents: all visible words of an item."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain

from markupsafe import Markup

from channels.portal.model.item import Item
from channels.portal.model.site import Site
from channels.portal.search.index import DocumentFacts, SearchDocument
from channels.portal.search.query import EVERY_AUDIENCE
from contracts.publication import Publication

DOCUMENT_VERSION = 2
"""To be raised when the same item is indexed differently; every search index is then rebuilt."""
SEPARATOR = " · "
"""Separator of the parts, so that a snippet does not read like one sentence."""
_BLOCK = re.compile("</(?:p|h[2-6]|li|th|td|pre|blockquote)>")
TAIL_LENGTH = 5
_SENTENCE = re.compile("[.!?…:;,][)\"”»’']*$")


def build_document(item: Item, site: Site) -> SearchDocument:
    """Build the search document of *item*, with its unit's current id, as in feeds."""
    publication = item.publication
    attachments, links = publication.attachments, publication.links
    more = [*(file.title for file in attachments), *(link.title for link in links)]
    parts = (publication.summary, _body_text(item.body), *more, publication.author)
    return SearchDocument(
        content_id=publication.content_id,
        published_us=int(item.published.timestamp() * 1_000_000),
        facts=DocumentFacts(
            title=publication.title,
            topic=publication.topic,
            unit=site.current_unit(publication.unit),
            language=publication.language,
            published=item.published.isoformat(),
            corrected=item.correction.at.isoformat() if item.correction else "",
            shelves=_other_topics(publication, site),
            audiences=publication.audiences or (EVERY_AUDIENCE,),
        ),
        text=unicodedata.normalize("NFC", SEPARATOR.join(part for part in parts if part)),
    )


def _body_text(body: Markup) -> str:
    """Text of the body; blocks without punctuation at the end get a SEPARATOR."""
    blocks = [*_blocks(body)]
    between = [
        " " if _SENTENCE.search(block[-TAIL_LENGTH:]) else SEPARATOR for block in blocks[:-1]
    ]
    return "".join(chain.from_iterable(zip(blocks, [*between, ""], strict=False)))


def _blocks(body: Markup) -> Iterator[str]:
    for part in _BLOCK.split(body):
        if block := Markup(part).striptags():  # noqa: S704 - used for its text only
            yield block


def _other_topics(publication: Publication, site: Site) -> tuple[str, ...]:
    """Other topics whose listings have the item."""
    slugs, topics = site.listing_slugs(publication), site.vocabulary.topics
    return tuple(slug for slug in slugs if slug in topics and slug != publication.topic)
