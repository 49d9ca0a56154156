"""One entry of a feed as it was read, what it says, and what it is recognised by."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from contracts import keys, text
from contracts.base.times import VIETNAM
from contracts.errors import FieldError
from producers.imports.parse import html_text
from producers.imports.parse.similarity import TextSignature, text_signature
from producers.texts import get_text
from producers.units.canonical_urls import canonical_url

KEY_LENGTH = 16
HTTPS = "https://"
MAX_SUMMARY = 500
MAX_TITLE = 150


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A document that a site encloses."""

    url: str
    title: str
    media_type: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
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
        return get_text("import", "odd_entry", error=self.kind).as_field_error("entry")


@dataclass(frozen=True)
class Entry:
    """What a site says of one of its pages: `lead` and `full` are HTML, the rest is plain text."""

    title: str
    url: str = ""
    guid: str = ""
    lead: str = ""
    full: str = ""
    author: str = ""
    published_at: datetime | None = None
    days: frozenset[str] = frozenset()
    files: tuple[Enclosure, ...] = ()
    scheduled_for: datetime | None = None
    """The site's date where it is still to come; `at` is then the moment of reading."""
    shares_url: bool = False
    """Other entries lead to the same place, so that the address says nothing of which is which."""

    @cached_property
    def guid_key(self) -> str:
        """By the site's own name for it; empty where it has none."""
        return entry_key("g", canonical_url(self.guid) or self.guid) if self.guid else ""

    @cached_property
    def url_key(self) -> str:
        """By its address, however that is spelt."""
        same = canonical_url(self.url)
        return (
            entry_key("u", same) if "/" in same.removeprefix(HTTPS) and not self.shares_url else ""
        )

    @cached_property
    def title_keys(self) -> tuple[str, ...]:
        """By its title on a day: what two addresses of one article have in common."""
        squeezed = text.squeeze(self.title)
        return tuple(entry_key("t", squeezed, day) for day in sorted(self.days)) if squeezed else ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys that are its own, the surest first; a title's may be another's, too."""
        return tuple(filter(None, (self.guid_key, self.url_key))) or (self.text_key,)

    @property
    def text_key(self) -> str:
        """By what it says, where it has neither guid nor address."""
        words = text_signature("\n".join(self.plain_texts), (), None).words
        return entry_key("x", text.squeeze(self.title), *sorted(self.days), words)

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.names, *self.title_keys)

    @cached_property
    def fingerprint(self) -> str:
        """A fingerprint of what it says, wherever it stands; spaces and markup aside."""
        said = (html_text.comparable_text(part) for part in (self.title, self.lead, self.full))
        files = (one.url for one in self.files)
        return keys.digest(*(text.nfc(one) for one in said), *files)[:KEY_LENGTH]

    @cached_property
    def headline(self) -> str:
        """The title as an event may carry it."""
        return html_text.shorten(text.nfc(self.title), MAX_TITLE)

    @property
    def markdown_texts(self) -> tuple[str, str]:
        """Summary and body, in Markdown, as an event has them."""
        summary, body = self.plain_texts
        return summary, html_text.markdown_of(self.with_date(body))

    @cached_property
    def plain_texts(self) -> tuple[str, str]:
        """Summary and body; a site that writes but one text says it once."""
        lead, full = html_text.text_of(self.lead), html_text.text_of(self.full)
        body = full or lead or self.title
        summary = html_text.shorten(lead or body, MAX_SUMMARY)
        alone = summary == " ".join(body.split())
        return "" if alone else summary, self.with_cut_title(body)

    def with_cut_title(self, body: str) -> str:
        """A title that had to be cut stands whole before the text."""
        whole = len(text.nfc(self.title)) <= MAX_TITLE or body == self.title
        return body if whole else f"{self.title}\n\n{body}"

    def with_date(self, body: str) -> str:
        """Where no link says the site's day, the text ends with it."""
        day = "" if self.url else site_day(self)
        return f"{body}\n\n{get_text('import', 'dated', day=day).vi}" if day else body

    @cached_property
    def signature(self) -> TextSignature:
        """What it is compared by with others of its title."""
        return text_signature(
            "\n".join(self.markdown_texts), (one.title for one in self.files), self.published_at
        )


def site_day(entry: Entry) -> str:
    """The day that the site has put on it, in Vietnam: `25/4/2025`.

    Empty without one, and where `at` is but the moment of reading: such a date is a mistake.
    """
    if (at := entry.scheduled_for or entry.published_at) is None:
        return ""
    day = at.astimezone(VIETNAM)
    return f"{day.day}/{day.month}/{day.year}" if f"{day:%Y-%m-%d}" in entry.days else ""


def entry_key(kind: str, *parts: str) -> str:
    """`<kind>.<digest>`: short, and safe in an attribute of an event."""
    return f"{kind}.{keys.digest(kind, *parts)[:KEY_LENGTH]}"


def drop_shared_names(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without names that several of them bear although they are different.

    Some sites write one guid, or the address of their home page, into every entry. What has another
    title, or a guid that leads elsewhere, is not the same for that.
    """
    listed = list(entries)
    guids = shared_names((one.guid_key, one.url_key + text.squeeze(one.title)) for one in listed)
    urls = shared_names((one.url_key, text.squeeze(one.title)) for one in listed)
    return [
        replace(
            one,
            guid="" if one.guid_key in guids else one.guid,
            shares_url=one.url_key in urls,
        )
        for one in listed
    ]


def shared_names(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Names that stand for more than one thing."""
    first: dict[str, str] = {}
    return {name for name, thing in pairs if name and first.setdefault(name, thing) != thing}
