"""An item: a publication with its address, its body as HTML, and names in place of ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from textwrap import shorten
from urllib.parse import urlsplit

from markupsafe import Markup

from channels.organisations import is_organisation
from channels.portal.model.body import is_own_address
from channels.portal.model.cover import CoverPicture
from channels.portal.model.history import (
    HistoryEntry,
    Reinstatement,
    last_change,
    last_correction,
    last_reinstatement,
)
from channels.portal.model.site import Site
from channels.portal.model.texts import TEXTS, catalog_text
from channels.web_addresses import find_addresses
from contracts.content import Cover, Link
from contracts.interruptions.interruption import Interruption
from contracts.interruptions.wording import StatedFact, stated_facts, summary_of
from contracts.publication import Publication

_EXCERPT_LENGTH = 300
FEED_BODY_MAX = 64 * 1024
"""Characters of a body in a feed, which has 50 of them; a longer one stands on its page alone."""


@dataclass(frozen=True, slots=True)
class Item:
    """The data of an item's page and feed entries; `body` is sanitised HTML."""

    publication: Publication
    body: Markup
    url: str
    unit: str
    unit_slug: str
    topic: str
    audiences: tuple[str, ...]
    picture: CoverPicture | None = None
    """The cover in several widths; pages show it, feeds do not."""

    @property
    def corrected(self) -> bool:
        return self.publication.action == "corrected"

    @property
    def correction(self) -> HistoryEntry | None:
        """The last correction, also when a later revision followed."""
        return last_correction(self.publication)

    @property
    def change(self) -> HistoryEntry | None:
        """The last correction or withdrawal, by which lists of changes order the item."""
        return last_change(self.publication)

    @property
    def returned(self) -> Reinstatement | None:
        """Withdrawal and return of the item; None if it is still withdrawn or never was."""
        return last_reinstatement(self.publication)

    @property
    def renewed(self) -> datetime | None:
        """When an ordinary update replaced the text; None for corrections and returns."""
        came_back = self.returned and self.returned.back == self.publication.shown_at
        updated = self.publication.action == "published" and self.updated > self.published
        return self.updated if updated and not came_back else None

    @property
    def withdrawn(self) -> bool:
        return self.publication.action == "withdrawn"

    @property
    def published(self) -> datetime:
        """When readers first saw the item; a correction does not change it."""
        return self.publication.first_shown_at

    @property
    def updated(self) -> datetime:
        return max(self.publication.shown_at, self.publication.first_shown_at)

    @property
    def cover(self) -> Cover | None:
        """The cover, if the portal serves it; others are only linked.

        Loading a picture from another host would tell that host who reads.
        """
        cover = self.publication.cover
        return cover if cover and is_own_address(cover.url, self.url) else None

    @property
    def preview_cover(self) -> Cover | None:
        """The cover for services that preview a page; readers' browsers do not load it."""
        cover = self.publication.cover
        has_tls = cover is not None and urlsplit(cover.url).scheme == "https"
        return cover if has_tls else self.cover

    @property
    def is_long(self) -> bool:
        """Whether a feed has the beginning of the item and a link, instead of the whole."""
        return len(self.body) > FEED_BODY_MAX

    @property
    def headline(self) -> str:
        """The title in feeds, which also says whether the item was corrected or withdrawn."""
        if self.publication.action == "published":
            return self.publication.title
        return catalog_text("item", self.publication.action, title=self.publication.title)

    @property
    def change_headline(self) -> str:
        """The title in lists of changes, which also says what the last change was."""
        kind = self.change.action if self.change else self.publication.action
        has_returned = kind == "withdrawn" and not self.withdrawn
        text = "returned" if has_returned else kind
        return catalog_text("item", text, title=self.publication.title)

    @property
    def lead(self) -> str:
        """The summary, unless the body begins with it."""
        summary = self.publication.summary
        first = self.body.partition("</p>")[0].striptags()
        return "" if first.startswith(" ".join(summary.split())) else summary

    @property
    def readers(self) -> str:
        """The audiences as one phrase; empty without any, which is for all readers."""
        first, *others = self.audiences or ("",)
        return ", ".join((first, *map(_in_sentence, others)))

    @property
    def author_label(self) -> str:
        """The label of the author: a person, or an office."""
        is_body = is_organisation(self.publication.author or "")
        return catalog_text("item", "author_body" if is_body else "author")

    @property
    def documents(self) -> Sequence[Link]:
        """Those links that lead to legal or administrative documents, as their titles say."""
        kinds = tuple(TEXTS["item"]["documents"])
        return [link for link in self.publication.links if link.title.startswith(kinds)]

    @property
    def other_links(self) -> Sequence[Link]:
        return [link for link in self.publication.links if link not in self.documents]

    @property
    def named_item(self) -> str:
        """The address of the other item of this portal that the reason names; empty without one.

        Whether that item replaces this one is for the reason to say.
        """
        items = self.url.removesuffix(self.publication.content_id)
        named = find_addresses(self.publication.reason)
        others = (one for one in named if one.startswith(items) and _page_of(one) != self.url)
        return next(others, "")

    @property
    def interruption(self) -> Interruption | None:
        """The interruption of services that the item announces; none once it is withdrawn."""
        return None if self.withdrawn else self.publication.interruption

    @property
    def stated_facts(self) -> Sequence[StatedFact]:
        """The item's facts about the interruption, with labels."""
        return stated_facts(self.interruption) if self.interruption else ()

    @property
    def excerpt(self) -> str:
        """One line about the item: its summary, the interruption, or the beginning of its body."""
        stated = summary_of(self.interruption) if self.interruption else ""
        own = self.publication.summary or stated
        text = own or self.body.striptags() or self.publication.title
        return _excerpt(text)


@lru_cache(maxsize=8)
def _excerpt(text: str) -> str:
    """Kept, because a page says it three times."""
    return shorten(text, _EXCERPT_LENGTH, placeholder=catalog_text("item", "more"))


def _page_of(address: str) -> str:
    """*address* without its query and its fragment."""
    return urlsplit(address)._replace(query="", fragment="").geturl().rstrip("/")


def _in_sentence(name: str) -> str:
    """*name* within a phrase: without its capital, unless it is an abbreviation."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def build_item(
    publication: Publication, body: str, site: Site, picture: CoverPicture | None = None
) -> Item:
    """Build the item of *publication*, with the names of its day."""
    return Item(
        publication=publication,
        body=Markup(body),  # noqa: S704 - it comes from body.to_html, which sanitises
        url=site.item_url(publication.content_id),
        unit=site.unit_name(publication.unit, publication.first_shown_at),
        unit_slug=site.current_unit(publication.unit),
        topic=site.topic_name(publication.topic),
        audiences=tuple(site.audience_name(audience) for audience in publication.audiences),
        picture=picture,
    )
