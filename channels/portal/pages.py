"""The portal's HTML: every page as bytes, always the same for the same item."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import groupby
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from channels.portal.item import Item
from channels.portal.metadata import article, og_locale
from channels.portal.places import OPML_PATH
from channels.portal.public_channels import UNIFIED, telephone
from channels.portal.site import ALL, COVER_PATH, Site, feed_path, item_path, month_path, shelf_path
from channels.portal.texts import HERE, TEXTS, say
from contracts.content import Attachment, Link
from contracts.vietnam import VIETNAM

FEED_LIMIT = 50
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"


@dataclass(frozen=True)
class Asset:
    """A file that pages point at; its name changes with its bytes, so it may be kept for ever."""

    path: str
    body: bytes


class Pages:
    """The pages of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.css = _asset("loa.css")
        self.icon = _asset("loa.svg")
        self._environment = _environment(site, self.css, self.icon)

    def home(self, stories: Sequence[Markup], used: Collection[str]) -> bytes:
        """*used*: the shelves that have items; topics without any are on the list of shelves."""
        topics = [one for one in self._site.topics() if one in used and self._site.is_chosen(one)]
        return self._page("home.html", here="home", stories=stories, topics=topics)

    def item(self, item: Item) -> bytes:
        """The item's page, or the notice that stands in its place once it is withdrawn."""
        feeds = list(dict.fromkeys((ALL, item.publication.topic, item.unit_slug)))
        template = "withdrawn.html" if item.withdrawn else "item.html"
        about = Markup(article(item, self._site))  # noqa: S704 - it has no character that HTML knows
        return self._page(template, here="", item=item, shelves=feeds, about=about)

    def shelf(
        self, slug: str, stories: Sequence[Markup], months: Sequence[tuple[str, int]]
    ) -> bytes:
        """A topic, a unit, an audience or everything: its newest items, and its months."""
        years = groupby(months, key=lambda month: month[0][:4])
        by_year = [(year, list(some)) for year, some in years]
        older = _month_after(len(stories), months)
        return self._about(slug, "shelf.html", stories=stories, years=by_year, older=older)

    def month(
        self, slug: str, month: str, lines: Sequence[Markup], beside: tuple[str, str]
    ) -> bytes:
        """What came in one month; *beside* = the months with items before and after."""
        older, newer = beside
        return self._about(slug, "month.html", month=month, lines=lines, older=older, newer=newer)

    def feeds(self, slugs: Sequence[str]) -> bytes:
        """The page that lists the feeds, for people."""
        groups = self._groups(slugs)
        return self._page("feeds.html", here="feeds", groups=groups, per_feed=FEED_LIMIT)

    def shelves(self, slugs: Sequence[str], used: Collection[str]) -> bytes:
        """The page that lists topics, units and audiences; those without items in a line."""
        groups = self._groups(slugs)
        return self._page("shelves.html", here="shelves", groups=groups, used=used)

    def channels(self) -> bytes:
        """The ministry's channels: those where everything is found, and those that add to them."""
        unified = [one for one in self._site.channels if one.kind in UNIFIED]
        others = [one for one in self._site.channels if one.kind not in UNIFIED]
        return self._page(
            "channels.html", here="channels", groups={"unified": unified, "others": others}
        )

    def about(self) -> bytes:
        """Who answers for the site, and what it keeps of its readers."""
        return self._page("about.html", here="")

    def missing(self) -> bytes:
        return self._page("missing.html", here="")

    def search(self, **values: object) -> bytes:
        """The page of `/tim`, which shows what the search found."""
        return self._page("search.html", here="search", **values)

    def entry(self, item: Item) -> str:
        """What a feed carries of the item: HTML with absolute links only."""
        return self._part("entry.html", item)

    def story(self, item: Item) -> str:
        """The item in a list that says what it is about."""
        return self._part("story.html", item)

    def line(self, item: Item) -> str:
        """The item in a list of many."""
        return self._part("line.html", item)

    def _part(self, template: str, item: Item) -> str:
        return self._environment.get_template(template).render(item=item).strip()

    def _about(self, slug: str, template: str, **values: object) -> bytes:
        shelves = list(dict.fromkeys((slug, ALL)))
        kind = self._site.slug_kind(slug)
        return self._page(template, here="", slug=slug, kind=kind, shelves=shelves, **values)

    def _groups(self, slugs: Sequence[str]) -> list[tuple[str, list[str]]]:
        """Shelves by kind: all, topic, unit, audience, other; only those that there are."""
        groups: dict[str, list[str]] = {kind: [] for kind in TEXTS["groups"]}
        for slug in slugs:
            groups[self._site.slug_kind(slug)].append(slug)
        return [(kind, some) for kind, some in groups.items() if some]

    def _page(self, template: str, **values: object) -> bytes:
        return self._environment.get_template(template).render(values).encode()


def _environment(site: Site, css: Asset, icon: Asset) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters |= _FILTERS
    environment.globals |= _globals(site) | {
        "css": site.root + css.path,
        "icon": site.root + icon.path,
    }
    return environment


def _globals(site: Site) -> dict[str, Any]:
    """What every template may use: words, and addresses on this site."""
    return {
        "site": site,
        "texts": TEXTS,
        "bare": _bare,
        "foreign": _foreign,
        "item_path": item_path,
        "wish_path": partial(_wish_path, site),
        "path": lambda path: site.root + path,
        "feed_path": lambda slug, kind: site.root + feed_path(slug, kind),
        "shelf_path": lambda slug: site.root + shelf_path(slug),
        "shelf_url": lambda slug: site.url("/" if slug == ALL else shelf_path(slug)),
        "month_path": lambda slug, month: site.root + month_path(slug, month),
        "month_url": lambda slug, month: site.url(month_path(slug, month)),
        "opml": site.root + OPML_PATH,
        "cover_url": site.url(COVER_PATH),
        "feed_url": lambda slug, kind: site.url(feed_path(slug, kind)),
    }


def _wish_path(site: Site, slug: str) -> str:
    """Where one subscribes by mail, with the shelf chosen already; empty for one nobody chooses."""
    kind = site.slug_kind(slug)
    if kind == "all":
        return "/dang-ky"
    offered = {"unit": slug in site.units(), "topic": site.is_chosen(slug)}.get(kind, True)
    return f"/dang-ky?{_WISHES[kind]}={slug}" if kind in _WISHES and offered else ""


_WISHES = {"topic": "chu-de", "unit": "don-vi", "audience": "doi-tuong"}


def _month_after(shown: int, months: Sequence[tuple[str, int]]) -> str:
    """The month of the newest item that is not among the *shown*; empty when all are."""
    for month, count in months:
        if count > shown:
            return month
        shown -= count
    return ""


def _asset(name: str) -> Asset:
    body = (STATIC / name).read_bytes()
    stem, _, suffix = name.partition(".")
    return Asset(f"/tai-nguyen/{stem}-{sha256(body).hexdigest()[:16]}.{suffix}", body)


def _iso(at: datetime) -> str:
    return at.astimezone(VIETNAM).isoformat(timespec="seconds")


def _here(at: datetime, form: str) -> str:
    return at.astimezone(VIETNAM).strftime(form)


def _foreign(language: str) -> Markup:
    """The `lang` attribute of a text that is not in the page's own language."""
    return Markup("") if language == "vi" else Markup(' lang="{}"').format(language)


def _bare(link: Attachment | Link) -> Markup:
    """Marks a link whose words are its address: on paper it is not written twice."""
    return Markup(' class="bare"' if link.title == link.url else "")  # noqa: S704 - our own words


def _file_facts(attachment: Attachment) -> str:
    """Kind and size of a file, as far as they are known: ` (PDF, 1,2 MB)`."""
    kind = TEXTS["media"].get(attachment.media_type or "")
    size = None if attachment.size is None else _size(attachment.size)
    facts = ", ".join(fact for fact in (kind, size) if fact)
    return f" ({facts})" if facts else ""


def _size(count: float) -> str:
    *smaller, largest = TEXTS["size"]["units"]
    for unit in smaller:
        if count < 1000:
            return _amount(count, unit)
        count /= 1000
    return _amount(count, largest)


def _amount(count: float, unit: str) -> str:
    digits = 0 if count >= 10 or count == int(count) else 1
    return f"{count:.{digits}f} {unit}".replace(".", say("size", "decimal"))


_FILTERS: dict[str, Callable[..., Any]] = {
    "iso": _iso,
    "moment": lambda at: _here(at, say("time", "moment")),
    "spoken": lambda at: _here(at, say("time", "spoken")),
    "day": lambda at: _here(at, say("time", "day")),
    "short": lambda at: _here(at, say("time", "short")),
    "month_name": lambda month: say("time", "month", month=month[5:], year=month[:4]),
    "og_locale": og_locale,
    "tel": telephone,
    "file_facts": _file_facts,
}
