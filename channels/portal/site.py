"""Where the portal's things live and what they are called: addresses, names, Vietnam's days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from channels.portal.texts import say
from contracts.publication import Publication
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

ALL = "tat-ca"
COVER_PATH = "/tai-nguyen/loa-cover.png"
"""The picture of items that bring none, where other channels need one; this address stays."""
CANARY_PATH = "/nguon-tin/kiem-tra/tin.atom"
"""What a canary writes. No feed can have it: theirs are one level up. No list names it."""
HOME = ""
"""The home page's own shelf: what `tat-ca` has, without what was withdrawn. No id can be empty."""


@dataclass(frozen=True)
class Site:
    """The portal as seen from outside; `public_url` may have a path of its own."""

    public_url: str
    vocabulary: Vocabulary

    @property
    def root(self) -> str:
        """What stands before every path: empty unless the portal lives below a path."""
        return urlsplit(self.public_url).path.rstrip("/")

    def url(self, path: str = "/") -> str:
        return self.public_url.rstrip("/") + path

    def item_url(self, content_id: str) -> str:
        """The item's address and, for ever, its identity in every feed."""
        return self.url(item_path(content_id))

    def slugs_of(self, publication: Publication) -> tuple[str, ...]:
        """The shelves that show *publication*; a withdrawn item stays in the feeds as a notice."""
        feeds = (ALL, publication.topic, self.present_unit(publication.unit))
        return feeds if publication.action == "withdrawn" else (*feeds, HOME)

    def present_unit(self, unit: str) -> str:
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

    def units(self) -> list[str]:
        """The units of today: their feeds exist before their first item."""
        return [name for name, unit in self.vocabulary.units.items() if unit.until is None]

    def standing_slugs(self) -> Iterator[str]:
        yield ALL
        yield from self.topics()
        yield from self.units()

    def slug_name(self, slug: str) -> str:
        """What a feed is called. Should a topic and a unit share an id, they share the feed."""
        if slug == ALL:
            return say("feed", "all")
        if slug in self.vocabulary.topics:
            return self.topic_name(slug)
        return self.vocabulary.units[slug].name if slug in self.vocabulary.units else slug

    def slug_description(self, slug: str) -> str:
        if slug == ALL:
            return say("feed", "description_all")
        kind = "topic" if slug in self.vocabulary.topics else "unit"
        return say("feed", f"description_{kind}", name=self.slug_name(slug))


def item_path(content_id: str) -> str:
    return f"/tin/{content_id}"


def feed_path(slug: str, kind: str = "") -> str:
    """A feed's path; without *kind* what its three formats have in common."""
    return f"/nguon-tin/{slug}.{kind}" if kind else f"/nguon-tin/{slug}"
