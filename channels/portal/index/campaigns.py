"""Campaigns in the portal's index: which have a page, their titles, and the items that name them.

A campaign has a page once the item that it is was shown: that item has an entry in its own listing,
which a withdrawal leaves there.
"""

from typing import NamedTuple

from channels.portal.index.listings import Listings
from channels.portal.model.page_sets import PageKind, PageSet
from channels.portal.model.site import campaign_slug
from contracts.vocabulary import CAMPAIGN_PREFIX

_HEAD_SQL = """
SELECT json_extract(publication, '$.title'), json_extract(publication, '$.action') != 'withdrawn'
FROM shelf JOIN item USING (content_id) WHERE content_id = ? AND slug = ?
"""
_MARK_MEMBERS = """
UPDATE item SET undone = 1 WHERE content_id IN (SELECT content_id FROM shelf WHERE slug = ?)
"""


class ShownCampaign(NamedTuple):
    """A campaign with a page. Not `is_out`: its item was withdrawn."""

    slug: str
    title: str
    is_out: bool

    @property
    def content_id(self) -> str:
        """The item that it is."""
        return self.slug.removeprefix(CAMPAIGN_PREFIX)


class Campaigns(Listings):
    """The campaigns of an index."""

    def campaign(self, slug: str) -> ShownCampaign | None:
        """The campaign of a listing; None where the listing is of something else, or not shown."""
        if not slug.startswith(CAMPAIGN_PREFIX):
            return None
        values = slug.removeprefix(CAMPAIGN_PREFIX), slug
        row: tuple[str, int] | None = self._db.execute(_HEAD_SQL, values).fetchone()
        return ShownCampaign(slug, row[0], bool(row[1])) if row else None

    def campaigns(self) -> list[ShownCampaign]:
        """Those with a page."""
        return [one for slug in self.used_slugs() if (one := self.campaign(slug))]

    def campaign_of(self, content_id: str | None) -> ShownCampaign | None:
        """The campaign that an item names, if it has a page and is out."""
        found = self.campaign(campaign_slug(content_id)) if content_id else None
        return found if found and found.is_out else None

    def _campaign_page_sets(self, content_id: str) -> set[PageSet]:
        """Mark the pages of a campaign's items; return the page sets with its title.

        None if the item is no campaign.
        """
        slug = campaign_slug(content_id)
        if slug not in self.slugs_of_item(content_id):
            return set()
        self._db.execute(_MARK_MEMBERS, (slug,))
        kinds = (PageKind.FEED, PageKind.LISTING)
        single = {PageSet(PageKind.OVERVIEWS), PageSet(PageKind.SITEMAP_INDEX)}
        archives = set(self.all_parts(slug)) - {self.open_part(slug)}
        pages = {*self.month_pages(slug), *(PageSet(kind, slug) for kind in kinds)}
        return pages | archives | single
