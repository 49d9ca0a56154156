"""Preview of an item before its release: its page and its entry in feeds."""

from collections.abc import Iterable, Sequence
from functools import reduce
from html import escape
from typing import NamedTuple

from channels.portal.model import body
from channels.portal.model.history import ShownPublication, merge_history
from channels.portal.model.item import Item, build_item
from channels.portal.model.site import Site
from channels.portal.model.texts import catalog_text
from channels.portal.render import rss
from channels.portal.render.feed import FeedEntry
from channels.portal.render.html import HtmlPages
from contracts.publication import Publication
from design.assets import Asset


class FeedEntryPreview(NamedTuple):
    """The item's entry in feeds: its title, its content as HTML, and the whole as RSS."""

    title: str
    html: str
    xml: str


class PortalPreview:
    """Renders items as the pages of *site* would have them; writes nothing.

    *assets_path*: where the face that shows them serves the files of the design.
    """

    def __init__(self, site: Site, assets_path: str) -> None:
        self._site = site
        self._pages = HtmlPages(site, assets_path)

    @property
    def files(self) -> Sequence[Asset]:
        """The files of the design that the pages name."""
        return self._pages.frame.files

    def page(self, publication: Publication, earlier: Iterable[Publication] = ()) -> str:
        """The item's page, after its *earlier* positions; without pictures made of its cover."""
        return self._pages.item(self._item(publication, earlier), ()).decode()

    def feed_entry(
        self, publication: Publication, earlier: Iterable[Publication] = ()
    ) -> FeedEntryPreview:
        item = self._item(publication, earlier)
        entry = FeedEntry(item, self._pages.fragment("entry", item))
        return FeedEntryPreview(item.headline, entry.html, rss.render_entry(entry).decode())

    def _item(self, publication: Publication, earlier: Iterable[Publication]) -> Item:
        stored: ShownPublication | None = None
        shown = merge_history(reduce(merge_history, earlier, stored), publication)
        html = ""
        if publication.action != "withdrawn":
            html = body.to_html(publication.body, self._site.item_url(publication.content_id))
        return build_item(shown, html, self._site)


def mark_trial(html: str) -> str:
    """The page of a unit's trial, marked in its title and above its head."""
    mark, note = catalog_text("trial", "mark"), escape(catalog_text("trial", "note"))
    head = f'<aside class="trial" aria-label="{escape(mark)}"><p class="frame">{note}</p></aside>'
    titled = html.replace("<title>", f"<title>{escape(mark)}: ", 1)
    return titled.replace("<body>", f"<body>\n{head}", 1)
