"""Where the portal's things live and what they are called: addresses, names, Vietnam's days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from channels.portal.model.history import last_change
from channels.portal.model.public_channels import DEFAULT_CHANNELS as CHANNELS
from channels.portal.model.public_channels import PublicChannel
from channels.portal.model.texts import catalog_text
from contracts.base.times import VIETNAM
from contracts.publication import Publication
from contracts.vocabulary import Vocabulary

ALL_SLUG = "tat-ca"
CORRECTIONS_SLUG = "dinh-chinh"
"""The topic whose shelf has every item that was ever corrected or withdrawn, beside its own."""
DEFAULT_COVER_PATH = "/tai-nguyen/loa-cover.png"
"""The picture of items that bring none, where other channels need one; this address stays."""
CANARY_PATH = "/nguon-tin/kiem-tra/tin.atom"
"""What a canary writes. No feed can have it: theirs are one level up. No list names it."""


@dataclass(frozen=True)
class Site:
    """The portal as seen from outside; `public_url` may have a path of its own."""

    public_url: str
    vocabulary: Vocabulary
    hub: str = ""
    """The WebSub hub that feeds name; empty = none."""
    channels: tuple[PublicChannel, ...] = CHANNELS
    """The list that `/kenh/` shows."""
    postal_address: str = ""
    """The agency's, on one line; empty where it was not given."""

    @property
    def path_prefix(self) -> str:
        """What stands before every path: empty unless the portal lives below a path."""
        return urlsplit(self.public_url).path.rstrip("/")

    def url(self, path: str = "/") -> str:
        return self.public_url.rstrip("/") + path

    def item_url(self, content_id: str) -> str:
        """The item's address and, for ever, its identity in every feed."""
        return self.url(item_path(content_id))

    def listing_slugs(self, publication: Publication) -> tuple[str, ...]:
        """The shelves of *publication*; one for everybody stands on that of each audience."""
        unit = self.current_unit(publication.unit)
        changed = last_change(publication) and CORRECTIONS_SLUG in self.vocabulary.topics
        also = (CORRECTIONS_SLUG,) if changed else ()
        audiences = publication.audiences or self.audiences()
        shelves = (ALL_SLUG, publication.topic, unit, *audiences, *also)
        return tuple(dict.fromkeys(shelves))

    def current_unit(self, unit: str) -> str:
        """The unit's id of today: a renamed unit keeps one feed."""
        try:
            return self.vocabulary.resolve(unit)
        except KeyError:
            return unit

    def unit_name(self, unit: str, at: datetime) -> str:
        """What the unit was called on that day in Vietnam."""
        try:
            return self.vocabulary.unit(unit).name_at(at.astimezone(VIETNAM).date())
        except KeyError:
            return unit

    def topic_name(self, topic: str) -> str:
        known = self.vocabulary.topics.get(topic)
        return known.name if known else topic

    def audience_name(self, audience: str) -> str:
        known = self.vocabulary.audiences.get(audience)
        return known.name if known else audience

    def topics(self) -> list[str]:
        return list(self.vocabulary.topics)

    def is_subscribable(self, topic: str) -> bool:
        """Whether readers choose it: a system label is none of theirs."""
        known = self.vocabulary.topics.get(topic)
        return known is None or known.is_subscribable

    def units(self) -> list[str]:
        """The units of today: their feeds exist before their first item."""
        return [name for name, unit in self.vocabulary.units.items() if unit.until is None]

    def audiences(self) -> list[str]:
        return list(self.vocabulary.audiences)

    def vocabulary_slugs(self) -> Iterator[str]:
        yield from dict.fromkeys((ALL_SLUG, *self.topics(), *self.units(), *self.audiences()))

    def slug_kind(self, slug: str) -> str:
        """all, topic, unit, audience, or other. What shares an id shares the shelf."""
        known = (("topic", self.vocabulary.topics), ("unit", self.vocabulary.units))
        for kind, words in (*known, ("audience", self.vocabulary.audiences)):
            if slug in words:
                return kind
        return "all" if slug == ALL_SLUG else "other"

    def slug_name(self, slug: str) -> str:
        """What a shelf and its feed are called."""
        match self.slug_kind(slug):
            case "all":
                return catalog_text("feed", "all")
            case "topic":
                return self.topic_name(slug)
            case "unit":
                return self.vocabulary.units[slug].name
        return self.audience_name(slug)

    def is_corrections(self, slug: str) -> bool:
        """Whether the shelf has what was corrected or withdrawn, whatever it is about."""
        return slug == CORRECTIONS_SLUG and slug in self.vocabulary.topics

    def slug_description(self, slug: str) -> str:
        """What the feed of a shelf carries."""
        kind = "corrections" if self.is_corrections(slug) else self.slug_kind(slug)
        return catalog_text("feed", f"description_{kind}", name=self.slug_name(slug))


def item_path(content_id: str) -> str:
    return f"/tin/{content_id}"


def feed_path(slug: str, feed_format: str = "") -> str:
    """A feed's path; without *kind* what its three formats have in common."""
    return f"/nguon-tin/{slug}.{feed_format}" if feed_format else f"/nguon-tin/{slug}"


def listing_path(slug: str) -> str:
    return f"/muc/{slug}/"


def month_path(slug: str, month: str) -> str:
    """A month's page; *month* is like 2026-11."""
    return f"{listing_path(slug)}{month.replace('-', '/')}/"


def sitemap_path(month: str) -> str:
    return f"/so-do/{month}.xml"
