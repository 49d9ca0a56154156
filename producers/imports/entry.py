"""One entry of a feed as it was read, what it says, and what it is recognised by."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from contracts import keys, text
from contracts.errors import FieldError
from contracts.vietnam import VIETNAM
from producers.imports import plain
from producers.imports.likeness import Gist, gist
from producers.imports.urls import canonical
from producers.wording import say

KEY_LENGTH = 16
HTTPS = "https://"
SUMMARY_MAX = 500
TITLE_MAX = 150


@dataclass(frozen=True, slots=True)
class File:
    """A document that a site encloses."""

    url: str
    title: str
    media_type: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Odd:
    """An entry that nobody can understand: `kind` is what went wrong, as Python calls it."""

    kind: str
    title: str = ""
    url: str = ""

    @property
    def key(self) -> str:
        """What it is remembered by as refused."""
        return f"? {keys.digest('odd', self.title, self.url)[:KEY_LENGTH]}"

    @property
    def error(self) -> FieldError:
        return say("import", "odd_entry", error=self.kind).about("entry")


@dataclass(frozen=True)
class Entry:
    """What a site says of one of its pages: `lead` and `full` are HTML, the rest is plain text."""

    title: str
    url: str = ""
    guid: str = ""
    lead: str = ""
    full: str = ""
    author: str = ""
    at: datetime | None = None
    days: frozenset[str] = frozenset()
    files: tuple[File, ...] = ()
    ahead: datetime | None = None
    """The site's date where it is still to come; `at` is then the moment of reading."""
    shares_url: bool = False
    """Other entries lead to the same place, so that the address says nothing of which is which."""

    @cached_property
    def guid_key(self) -> str:
        """By the site's own name for it; empty where it has none."""
        return key("g", canonical(self.guid) or self.guid) if self.guid else ""

    @cached_property
    def url_key(self) -> str:
        """By its address, however that is spelt."""
        same = canonical(self.url)
        return key("u", same) if "/" in same.removeprefix(HTTPS) and not self.shares_url else ""

    @cached_property
    def title_keys(self) -> tuple[str, ...]:
        """By its title on a day: what two addresses of one article have in common."""
        squeezed = text.squeeze(self.title)
        return tuple(key("t", squeezed, day) for day in sorted(self.days)) if squeezed else ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys that are its own, the surest first; a title's may be another's, too."""
        return tuple(filter(None, (self.guid_key, self.url_key))) or (self.text_key,)

    @property
    def text_key(self) -> str:
        """By what it says, where it has neither guid nor address."""
        words = gist("\n".join(self.said), (), None).words
        return key("x", text.squeeze(self.title), *sorted(self.days), words)

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.names, *self.title_keys)

    @cached_property
    def mark(self) -> str:
        """A fingerprint of what it says, wherever it stands; spaces and markup aside."""
        said = (plain.bare(part) for part in (self.title, self.lead, self.full))
        files = (one.url for one in self.files)
        return keys.digest(*(text.nfc(one) for one in said), *files)[:KEY_LENGTH]

    @cached_property
    def headline(self) -> str:
        """The title as an event may carry it."""
        return plain.short(text.nfc(self.title), TITLE_MAX)

    @property
    def words(self) -> tuple[str, str]:
        """Summary and body, in Markdown, as an event has them."""
        summary, body = self.said
        return summary, plain.markdown_of(self.dated(body))

    @cached_property
    def said(self) -> tuple[str, str]:
        """Summary and body; a site that writes but one text says it once."""
        lead, full = plain.text_of(self.lead), plain.text_of(self.full)
        body = full or lead or self.title
        summary = plain.short(lead or body, SUMMARY_MAX)
        alone = summary == " ".join(body.split())
        return "" if alone else summary, self.under_its_title(body)

    def under_its_title(self, body: str) -> str:
        """A title that had to be cut stands whole before the text."""
        whole = len(text.nfc(self.title)) <= TITLE_MAX or body == self.title
        return body if whole else f"{self.title}\n\n{body}"

    def dated(self, body: str) -> str:
        """Where no link says the site's day, the text ends with it."""
        day = "" if self.url else day_of(self)
        return f"{body}\n\n{say('import', 'dated', day=day).vi}" if day else body

    @cached_property
    def gist(self) -> Gist:
        """What it is compared by with others of its title."""
        return gist("\n".join(self.words), (one.title for one in self.files), self.at)


def day_of(entry: Entry) -> str:
    """The day that the site has put on it, in Vietnam: `25/4/2025`.

    Empty without one, and where `at` is but the moment of reading: such a date is a mistake.
    """
    if (at := entry.ahead or entry.at) is None:
        return ""
    day = at.astimezone(VIETNAM)
    return f"{day.day}/{day.month}/{day.year}" if f"{day:%Y-%m-%d}" in entry.days else ""


def key(kind: str, *parts: str) -> str:
    """`<kind>.<digest>`: short, and safe in an attribute of an event."""
    return f"{kind}.{keys.digest(kind, *parts)[:KEY_LENGTH]}"


def trusted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without names that several of them bear although they are different.

    Some sites write one guid, or the address of their home page, into every entry. What has another
    title, or a guid that leads elsewhere, is not the same for that.
    """
    listed = list(entries)
    guids = shared((one.guid_key, one.url_key + text.squeeze(one.title)) for one in listed)
    urls = shared((one.url_key, text.squeeze(one.title)) for one in listed)
    return [
        replace(
            one,
            guid="" if one.guid_key in guids else one.guid,
            shares_url=one.url_key in urls,
        )
        for one in listed
    ]


def shared(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Names that stand for more than one thing."""
    first: dict[str, str] = {}
    return {name for name, thing in pairs if name and first.setdefault(name, thing) != thing}
