"""Addresses and names of the portal's items and listings."""

from dataclasses import dataclass, field
from datetime import date, datetime
from urllib.parse import urlsplit

from channels.portal.model.history import last_change
from channels.portal.model.public_channels import DEFAULT_CHANNELS as CHANNELS
from channels.portal.model.public_channels import DEFAULT_UPDATED, PublicChannel
from channels.portal.model.texts import catalog_text
from contracts.publication import Publication
from contracts.text.moments import VIETNAM
from contracts.vocabulary import CAMPAIGN_PREFIX, CORRECTIONS_TOPIC, Vocabulary
from design.settings import SiteIdentity

ALL_SLUG = "tat-ca"
CORRECTIONS_SLUG = CORRECTIONS_TOPIC
"""The topic whose listing has every item that was ever corrected or withdrawn."""
CAMPAIGNS_FOLDER = "chuyen-de"
"""Where the pages of campaigns are."""
ASSETS_PATH = "/tai-nguyen"
"""Where the files of the design are; those named by their bytes may be kept for ever."""
DEFAULT_COVER_PATH = f"{ASSETS_PATH}/loa-cover.png"
"""The picture of items without a cover, where other channels need one; a stable address.

Pages name `render.default_cover`, whose address changes with its bytes.
"""
FIGURES_PATH = "/hieu-nang"
"""Where the delivery figures of the last 30 days are, as a page and for reuse."""
CANARY_PATH = "/nguon-tin/kiem-tra/tin.atom"
"""The canary's feed. No other feed can have this path, and no list names it."""


@dataclass(frozen=True)
class Site:
    """The portal seen from outside; `public_url` may include a path."""

    public_url: str
    vocabulary: Vocabulary
    hub: str = ""
    """The WebSub hub named in feeds; empty for none."""
    channels: tuple[PublicChannel, ...] = CHANNELS
    """The channels listed at `/kenh/`."""
    identity: SiteIdentity = field(default_factory=SiteIdentity)
    """Details of the ministry in head and foot of the pages."""
    channels_updated: date | None = DEFAULT_UPDATED
    """When the list of channels was last changed; None if its operator does not say."""
    mail_sender: str = ""
    """Whom mails come from, as the list of channels says; empty to leave it out."""

    @property
    def path_prefix(self) -> str:
        """The prefix of every path; empty unless the portal lives below a path."""
        return urlsplit(self.public_url).path.rstrip("/")

    def url(self, path: str = "/") -> str:
        return self.public_url.rstrip("/") + path

    def item_url(self, content_id: str) -> str:
        """The item's address, which is also its permanent id in every feed."""
        return self.url(item_path(content_id))

    def listing_slugs(self, publication: Publication) -> tuple[str, ...]:
        """Slugs of the listings with *publication*; without audiences, those of every audience."""
        unit = self.current_unit(publication.unit)
        has_changed = last_change(publication) and CORRECTIONS_SLUG in self.vocabulary.topics
        corrections = (CORRECTIONS_SLUG,) if has_changed else ()
        audiences = publication.audiences or self.audiences()
        joined = (campaign_slug(publication.campaign),) if publication.campaign else ()
        slugs = (ALL_SLUG, publication.topic, unit, *audiences, *corrections, *joined)
        return tuple(dict.fromkeys(slugs))

    def current_unit(self, unit: str) -> str:
        """The unit's current id; a renamed unit keeps one feed."""
        try:
            return self.vocabulary.resolve(unit)
        except KeyError:
            return unit

    def unit_name(self, unit: str, at: datetime) -> str:
        """The unit's name on that day in Vietnam."""
        try:
            return self.vocabulary.unit(unit).name_at(at.astimezone(VIETNAM).date())
        except KeyError:
            return unit

    def topic_name(self, topic: str) -> str:
        entry = self.vocabulary.topics.get(topic)
        return entry.name if entry else topic

    def audience_name(self, audience: str) -> str:
        entry = self.vocabulary.audiences.get(audience)
        return entry.name if entry else audience

    def topics(self) -> list[str]:
        return list(self.vocabulary.topics)

    def is_subscribable(self, topic: str) -> bool:
        """Whether readers can subscribe to *topic*, which is false for system labels."""
        entry = self.vocabulary.topics.get(topic)
        return entry is None or entry.is_subscribable

    def units(self) -> list[str]:
        """Ids of current units; their feeds exist before their first item."""
        return [name for name, unit in self.vocabulary.units.items() if unit.until is None]

    def audiences(self) -> list[str]:
        return list(self.vocabulary.audiences)

    def slug_kind(self, slug: str) -> str:
        """`all`, `topic`, `unit`, `audience`, `campaign` or `other`; equal ids, one listing."""
        if slug in self.vocabulary.topics:
            return "topic"
        if slug in self.vocabulary.units:
            return "unit"
        if slug in self.vocabulary.audiences:
            return "audience"
        if slug.startswith(CAMPAIGN_PREFIX):
            return "campaign"
        return "all" if slug == ALL_SLUG else "other"

    def slug_name(self, slug: str) -> str:
        match self.slug_kind(slug):
            case "all":
                return catalog_text("feed", "all")
            case "topic":
                return self.topic_name(slug)
            case "unit":
                return self.vocabulary.units[slug].name
        return self.audience_name(slug)

    def is_corrections(self, slug: str) -> bool:
        """Whether *slug* is the listing of corrected and withdrawn items."""
        return slug == CORRECTIONS_SLUG and slug in self.vocabulary.topics

    def slug_description(self, slug: str, name: str = "") -> str:
        """*name*: what a campaign is called, which the vocabulary does not know."""
        kind = "corrections" if self.is_corrections(slug) else self.slug_kind(slug)
        return catalog_text("feed", f"description_{kind}", name=name or self.slug_name(slug))


def item_path(content_id: str) -> str:
    return f"/tin/{content_id}"


def feed_path(slug: str, feed_format: str = "") -> str:
    """Path of a feed; without *feed_format* the common part of its three formats."""
    return f"/nguon-tin/{slug}.{feed_format}" if feed_format else f"/nguon-tin/{slug}"


def listing_path(slug: str) -> str:
    if slug.startswith(CAMPAIGN_PREFIX):
        return f"/{CAMPAIGNS_FOLDER}/{slug.removeprefix(CAMPAIGN_PREFIX)}/"
    return f"/muc/{slug}/"


def campaign_slug(content_id: str) -> str:
    """The slug of the listing of a campaign's items."""
    return f"{CAMPAIGN_PREFIX}{content_id}"


def month_path(slug: str, month: str, part: int = 0) -> str:
    """Path of a month's page, or of one of its parts; *month* is like 2026-11."""
    path = f"{listing_path(slug)}{month.replace('-', '/')}/"
    return f"{path}{part}/" if part else path


def sitemap_path(month: str, part: int = 0) -> str:
    return f"/so-do/{month}-{part}.xml" if part else f"/so-do/{month}.xml"
