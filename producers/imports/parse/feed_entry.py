"""One entry of a feed: its content, and the keys that identify it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from contracts import keys, text
from contracts.errors import FieldError
from contracts.text.moments import VIETNAM
from producers.imports.parse import html_text
from producers.imports.parse.similarity import TextSignature, text_signature
from producers.texts import get_text
from producers.units.canonical_urls import canonical_url

_KEY_LENGTH = 16
HTTPS = "https://"
_MAX_SUMMARY = 500
_MAX_TITLE = 300


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A document enclosed by an entry."""

    url: str
    title: str
    media_type: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry that cannot be parsed: `kind` is the Python exception's class."""

    kind: str
    title: str = ""
    url: str = ""

    @property
    def key(self) -> str:
        """Key of its refusal."""
        return f"? {keys.digest('odd', self.title, self.url)[:_KEY_LENGTH]}"

    @property
    def error(self) -> FieldError:
        return get_text("import", "odd_entry", error=self.kind).as_field_error("entry")


@dataclass(frozen=True)
class Entry:
    """One article in a feed: `lead` and `full` are HTML, the rest is plain text."""

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
    """A future date of the site; `at` is then the time of reading."""
    shares_url: bool = False
    """Other articles have this address, so it identifies none of them."""

    @cached_property
    def guid_key(self) -> str:
        """Key of the guid; empty without one."""
        return _entry_key("g", canonical_url(self.guid) or self.guid) if self.guid else ""

    @cached_property
    def url_key(self) -> str:
        """Key of the canonical address."""
        same = canonical_url(self.url)
        names_it = "/" in same.removeprefix(HTTPS) and not self.shares_url
        return _entry_key("u", same) if names_it else ""

    @cached_property
    def title_keys(self) -> tuple[str, ...]:
        """Keys of title and day, shared by two addresses of one article."""
        title = text.squeeze(self.title)
        return tuple(_entry_key("t", title, day) for day in sorted(self.days)) if title else ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Keys of the entry alone, the surest first; a title's key may be shared."""
        return tuple(filter(None, (self.guid_key, self.url_key))) or (self.text_key,)

    @property
    def text_key(self) -> str:
        """Key of the text, without guid and address."""
        words = text_signature("\n".join(self.plain_texts), (), None).words
        return _entry_key("x", text.squeeze(self.title), *sorted(self.days), words)

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.names, *self.title_keys)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the text, independent of address, spaces and markup."""
        texts = (html_text.comparable_text(part) for part in (self.title, self.lead, self.full))
        files = (part_text.url for part_text in self.files)
        return keys.digest(*(text.nfc(part_text) for part_text in texts), *files)[:_KEY_LENGTH]

    @cached_property
    def headline(self) -> str:
        """The title within the length of an event's title."""
        return html_text.shorten(text.nfc(self.title), _MAX_TITLE)

    @property
    def markdown_texts(self) -> tuple[str, str]:
        """Summary and body in Markdown, as in the event."""
        summary, body = self.plain_texts
        return summary, html_text.markdown_of(self.with_date(body))

    @cached_property
    def plain_texts(self) -> tuple[str, str]:
        """Summary and body; equal texts are used once."""
        lead, full = html_text.text_of(self.lead), html_text.text_of(self.full)
        body = full or lead or self.title
        summary = html_text.shorten(lead or body, _MAX_SUMMARY)
        alone = summary == " ".join(body.split())
        return "" if alone else summary, self.with_cut_title(body)

    def with_cut_title(self, body: str) -> str:
        """Put a cut title in full before the text."""
        whole = len(text.nfc(self.title)) <= _MAX_TITLE or body == self.title
        return body if whole else f"{self.title}\n\n{body}"

    def with_date(self, body: str) -> str:
        """Append the site's date to a text without a link."""
        if self.url or not (day := site_day(self)):
            return body
        shown = f"{day.day}/{day.month}/{day.year}"  # another form would make each text a new one
        return f"{body}\n\n{get_text('import', 'dated', day=shown).vi}"

    @cached_property
    def signature(self) -> TextSignature:
        """Signature for comparing with entries of the same title."""
        return text_signature(
            "\n".join(self.markdown_texts), (file.title for file in self.files), self.published_at
        )


def site_day(entry: Entry) -> datetime | None:
    """The site's date in Vietnam; None without one, or if `at` is the reading's."""
    if (at := entry.scheduled_for or entry.published_at) is None:
        return None
    day = at.astimezone(VIETNAM)
    return day if f"{day:%Y-%m-%d}" in entry.days else None


def _entry_key(kind: str, *parts: str) -> str:
    """`<kind>.<digest>`: short, and safe in an attribute of an event."""
    return f"{kind}.{keys.digest(kind, *parts)[:_KEY_LENGTH]}"


def drop_shared_names(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, without names that different entries share.

    Some sites use one guid, or the home page's address, for every entry. Entries with different
    titles or addresses are different.
    """
    listed = list(entries)
    guids = _shared_names((one.guid_key, one.url_key + text.squeeze(one.title)) for one in listed)
    urls = _shared_names((one.url_key, text.squeeze(one.title)) for one in listed)
    return [
        replace(one, guid="" if one.guid_key in guids else one.guid, shares_url=one.url_key in urls)
        for one in listed
    ]


def _shared_names(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Names used for more than one thing."""
    first: dict[str, str] = {}
    return {name for name, thing in pairs if name and first.setdefault(name, thing) != thing}
