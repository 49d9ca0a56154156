"""An item as it is searched: every word of it that a reader sees."""

import unicodedata

from channels.portal.item import Item
from channels.portal.search.catalogue import Facts, Paper
from channels.portal.site import Site


def paper(item: Item, site: Site) -> Paper:
    """*item* for the catalogue; its unit is the one of today, as in the feeds."""
    publication = item.publication
    attached, linked = publication.attachments, publication.links
    more = [*(one.title for one in attached), *(one.title for one in linked)]
    parts = (publication.summary, item.body.striptags(), *more, publication.author)
    return Paper(
        content_id=publication.content_id,
        published_us=int(item.published.timestamp() * 1_000_000),
        facts=Facts(
            title=publication.title,
            topic=publication.topic,
            unit=site.present_unit(publication.unit),
            language=publication.language,
            published=item.published.isoformat(),
            corrected=item.updated.isoformat() if item.corrected else "",
        ),
        text=unicodedata.normalize("NFC", " ".join(part for part in parts if part)),
    )
