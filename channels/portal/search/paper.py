"""An item as it is searched: every word of it that a reader sees."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain

from markupsafe import Markup

from channels.portal.item import Item
from channels.portal.search.catalogue import Facts, Paper
from channels.portal.search.question import EVERYBODY
from channels.portal.site import Site
from contracts.publication import Publication

EDITION = 2
"""Raised when the same item is learnt differently: every catalogue is then made anew."""
BETWEEN = " · "
"""Between the parts, so that an excerpt does not read as if they were one sentence."""
_BLOCK = re.compile("</(?:p|h[2-6]|li|th|td|pre|blockquote)>")
TAIL = 5
_SENTENCE = re.compile("[.!?…:;,][)\"”»’']*$")


def paper(item: Item, site: Site) -> Paper:
    """*item* for the catalogue; its unit is the one of today, as in the feeds."""
    publication = item.publication
    attached, linked = publication.attachments, publication.links
    more = [*(one.title for one in attached), *(one.title for one in linked)]
    parts = (publication.summary, _said(item.body), *more, publication.author)
    return Paper(
        content_id=publication.content_id,
        published_us=int(item.published.timestamp() * 1_000_000),
        facts=Facts(
            title=publication.title,
            topic=publication.topic,
            unit=site.present_unit(publication.unit),
            language=publication.language,
            published=item.published.isoformat(),
            corrected=item.correction.at.isoformat() if item.correction else "",
            shelves=_further(publication, site),
            audiences=publication.audiences or (EVERYBODY,),
        ),
        text=unicodedata.normalize("NFC", BETWEEN.join(part for part in parts if part)),
    )


def _said(body: Markup) -> str:
    """The words of the body; after a heading, a cell or what else has no stop comes BETWEEN."""
    blocks = [*_blocks(body)]
    between = [" " if _SENTENCE.search(block[-TAIL:]) else BETWEEN for block in blocks[:-1]]
    return "".join(chain.from_iterable(zip(blocks, [*between, ""], strict=False)))


def _blocks(body: Markup) -> Iterator[str]:
    for part in _BLOCK.split(body):
        if block := Markup(part).striptags():  # noqa: S704 - nothing of it is shown as HTML
            yield block


def _further(publication: Publication, site: Site) -> tuple[str, ...]:
    """The topics on whose shelves it stands beside its own: those where the portal puts it."""
    slugs, topics = site.slugs_of(publication), site.vocabulary.topics
    return tuple(slug for slug in slugs if slug in topics and slug != publication.topic)
