"""A publication as readers see it: with its address, and with names in place of ids."""

from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten

from markupsafe import Markup

from channels.portal.model.body import is_displayable
from channels.portal.model.history import (
    HistoryEntry,
    Reinstatement,
    last_correction,
    last_reinstatement,
)
from channels.portal.model.site import Site
from channels.portal.model.texts import catalog_text
from contracts.content import Cover
from contracts.publication import Publication

EXCERPT_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Item:
    """What pages and feeds are made of; `body` is sanitised HTML."""

    publication: Publication
    body: Markup
    url: str
    unit: str
    unit_slug: str
    topic: str
    audiences: tuple[str, ...]

    @property
    def corrected(self) -> bool:
        return self.publication.action == "corrected"

    @property
    def correction(self) -> HistoryEntry | None:
        """The last correction, whatever text came after it."""
        return last_correction(self.publication)

    @property
    def returned(self) -> Reinstatement | None:
        """When the item was taken back and came again; None while it is gone, or never was."""
        return last_reinstatement(self.publication)

    @property
    def renewed(self) -> datetime | None:
        """When the text that is shown took the place of another; of corrections see there."""
        came_back = self.returned and self.returned.back == self.publication.shown_at
        updated = self.publication.action == "published" and self.updated > self.published
        return self.updated if updated and not came_back else None

    @property
    def withdrawn(self) -> bool:
        return self.publication.action == "withdrawn"

    @property
    def published(self) -> datetime:
        """When readers saw the item first; a correction does not move it."""
        return self.publication.first_shown_at

    @property
    def updated(self) -> datetime:
        return max(self.publication.shown_at, self.publication.first_shown_at)

    @property
    def cover(self) -> Cover | None:
        """The picture where browsers load it: one without TLS is only linked, as in the text."""
        cover = self.publication.cover
        return cover if cover and is_displayable(cover.url, self.url) else None

    @property
    def headline(self) -> str:
        """The title as feeds show it: readers there see no page that says what happened."""
        if self.publication.action == "published":
            return self.publication.title
        return catalog_text("item", self.publication.action, title=self.publication.title)

    @property
    def excerpt(self) -> str:
        """What the item is about, on one line: its summary, or else how it begins."""
        text = self.publication.summary or self.body.striptags() or self.publication.title
        return shorten(text, EXCERPT_LENGTH, placeholder=catalog_text("item", "more"))


def build_item(publication: Publication, body: str, site: Site) -> Item:
    """See *publication* with the site's names of its day."""
    return Item(
        publication=publication,
        body=Markup(body),  # noqa: S704 - it comes from body.to_html, which sanitises
        url=site.item_url(publication.content_id),
        unit=site.unit_name(publication.unit, publication.first_shown_at),
        unit_slug=site.current_unit(publication.unit),
        topic=site.topic_name(publication.topic),
        audiences=tuple(site.audience_name(audience) for audience in publication.audiences),
    )
