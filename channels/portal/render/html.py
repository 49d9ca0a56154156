"""The portal's HTML pages; the same item always gives the same bytes."""

import json
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from jinja2.runtime import Context
from markupsafe import Markup

from channels.file_note import file_note
from channels.portal.index.campaigns import ShownCampaign
from channels.portal.index.index import RelatedItem
from channels.portal.index.listings import FEED_LIMIT
from channels.portal.model.cover import CoverPicture
from channels.portal.model.item import Item
from channels.portal.model.months import from_microseconds, month_of, to_microseconds
from channels.portal.model.page_sets import OPML_PATH, PageSet
from channels.portal.model.public_channels import PublicChannel, tel_uri
from channels.portal.model.site import (
    ALL_SLUG,
    ASSETS_PATH,
    CAMPAIGNS_FOLDER,
    CORRECTIONS_SLUG,
    FIGURES_PATH,
    Site,
    feed_path,
    item_path,
    listing_path,
    month_path,
)
from channels.portal.model.texts import TEXTS, catalog_text
from channels.portal.render.body_pictures import place_pictures
from channels.portal.render.default_cover import default_cover_url
from channels.portal.render.json_ld import article_json_ld, og_locale
from channels.portal.render.qr import has_qr_code, qr_code
from channels.web_addresses import link_addresses
from contracts.content import Attachment, Link
from contracts.facts.public_figures import DAYS, FEW, PublicFigures
from contracts.text.moments import VIETNAM
from design.frame import URGENT_SHEET, Frame, page_environment

_FRAME_BLOCKS = {"official", "brand", "tools", "menu", "whose", "foot"}
"""Head and foot of a page: they depend on `here` alone."""
TEMPLATE_DIR = Path(__file__).with_name("templates")
_ZALO_SHARE_URL = "https://button-share.zalo.me/share_external"


class Stories(NamedTuple):
    """Items of a list with their summaries: the urgent ones, and the newest others by day."""

    urgent: Sequence[Markup]
    days: Sequence[tuple[datetime, Sequence[Markup]]]
    """The newest others by the day in Vietnam on which they appeared."""

    @property
    def newest(self) -> int:
        """The number of the newest others."""
        return sum(len(items) for _, items in self.days)


class HtmlPages:
    """The pages of one site. *assets_path*: where another face serves the files of the design."""

    def __init__(self, site: Site, assets_path: str = "") -> None:
        self._site = site
        prefix = site.path_prefix
        assets = assets_path or f"{prefix}{ASSETS_PATH}"
        self.frame = Frame(
            lambda asset: f"{assets}/{asset.name}",
            home=f"{prefix}/",
            public_url=site.public_url,
            site=site.identity,
            urgent_css="" if assets_path else prefix + URGENT_SHEET,
            corrections=_corrections_path(site),
        )
        self._environment = page_environment(TEMPLATE_DIR, self.frame)
        self.qr_codes = {one: qr_code(one.url) for one in site.channels if has_qr_code(one)}
        self._environment.filters |= {**_FILTERS, "srcset": partial(_srcset, prefix)}
        self._environment.globals |= _globals(site)
        for template in map(self._environment.get_template, ("page.html", "site.html")):
            for name in template.blocks.keys() & _FRAME_BLOCKS:
                template.blocks[name] = _render_once(template.blocks[name])

    def home(
        self, stories: Stories, used_slugs: Collection[str], changes: Sequence[Item] = ()
    ) -> bytes:
        """The home page, with those topics that are among *used_slugs*, the listings with items."""
        topics = [topic for topic in self._site.topics() if topic in used_slugs]
        topics = list(filter(self._site.is_subscribable, topics))
        blocks = [(slug, about) for slug, about in TEXTS["blocks"].items() if slug in used_slugs]
        facts = {"stories": stories, "topics": topics, "blocks": blocks, "changes": changes}
        return self._page("home.html", here="home", **facts)

    def item(
        self, item: Item, related: Sequence[RelatedItem], campaign: ShownCampaign | None = None
    ) -> bytes:
        """The item's page, or the notice that replaces it after a withdrawal.

        *campaign*: the one that it names.
        """
        slugs = list(dict.fromkeys((ALL_SLUG, item.publication.topic, item.unit_slug)))
        template = "withdrawn.html" if item.withdrawn else "item.html"
        json_ld = Markup(article_json_ld(item, self._site))  # noqa: S704 - escaped for HTML
        facts = {"here": "", "item": item, "shelves": slugs, "about": json_ld, "related": related}
        return self._page(template, campaign=campaign, **facts)

    def listing(self, slug: str, stories: Stories, months: Sequence[tuple[str, int]]) -> bytes:
        """The page of a listing: its newest items and its months."""
        years = groupby(months, key=lambda month: month[0][:4])
        by_year = [(year, list(group)) for year, group in years]
        older = _first_month_beyond(stories.newest, months)
        return self._listing_page(slug, "shelf.html", stories=stories, years=by_year, older=older)

    def campaign(
        self,
        campaign: ShownCampaign,
        head: Item,
        stories: Stories,
        months: Sequence[tuple[str, int]],
    ) -> bytes:
        """The page of a campaign: its own item as the head, then the others as in a listing."""
        older = _first_month_beyond(stories.newest + campaign.is_out, months)
        facts = {"head": head, "stories": stories, "months": months, "older": older}
        facts["names"] = {campaign.slug: campaign.title}
        shown = month_of(to_microseconds(head.published))
        facts["month_of_head"] = shown if campaign.is_out else ""
        return self._listing_page(campaign.slug, "campaign.html", **facts)

    def month(
        self,
        page: PageSet,
        items: Sequence[Markup] | Stories,
        adjacent: tuple[PageSet | None, PageSet | None],
        campaign: str = "",
    ) -> bytes:
        """The page of a listing's month, or a part; *adjacent*: those with older and newer items.

        *campaign*: the title of the one whose listing it is.
        """
        facts: dict[str, Any] = {"page": page, "older": adjacent[0], "newer": adjacent[1]}
        facts["names"] = {page.slug: campaign} if campaign else {}
        kind = "stories" if isinstance(items, Stories) else "lines"
        return self._listing_page(
            page.slug, "month.html", **{"lines": (), "stories": (), kind: items}, **facts
        )

    def feed_overview(self, slugs: Sequence[str], names: Mapping[str, str] | None = None) -> bytes:
        """The page of feeds, first those of corrections and of all items."""
        first = [slug for slug in slugs if self._site.is_corrections(slug)]
        (_, all_items), *groups = self._slugs_by_kind([slug for slug in slugs if slug not in first])
        groups = [("all", [*first, *all_items]), *groups]
        facts = {"groups": groups, "names": names or {}}
        return self._page("feeds.html", here="feeds", per_feed=FEED_LIMIT, **facts)

    def listing_overview(
        self,
        slugs: Sequence[str],
        used_slugs: Collection[str],
        names: Mapping[str, str] | None = None,
    ) -> bytes:
        """The page of topics, units, audiences and campaigns; *used_slugs* have items."""
        facts = {"groups": self._slugs_by_kind(slugs), "names": names or {}}
        return self._page("shelves.html", here="shelves", used=used_slugs, **facts)

    def campaign_overview(self, campaigns: Sequence[tuple[ShownCampaign, Item]]) -> bytes:
        """The page of all campaigns, each with its own item."""
        return self._page("campaigns.html", here="shelves", campaigns=campaigns)

    def channels(self) -> bytes:
        """The page of the ministry's channels, unified and additional, and of national systems."""
        groups: dict[str, list[PublicChannel]] = {name: [] for name in TEXTS["channels"]}
        for channel in self._site.channels:
            groups[channel.group].append(channel)
        return self._page("channels.html", here="channels", groups=groups, codes=self.qr_codes)

    def figures(self, figures: PublicFigures | None) -> bytes:
        """The page of the delivery figures of the last 30 days; None: there are none yet."""
        first = figures.counted_from if figures else None
        counted = (one for one in figures.days if first and one.on >= first) if figures else ()
        days = groupby(counted, key=attrgetter("on"))
        rows = [(day, list(lanes)) for day, lanes in days]
        facts = {"figures": figures, "days": rows[::-1], "span_days": DAYS}
        return self._page("figures.html", here="figures", **facts)

    def about(self) -> bytes:
        return self._page("about.html", here="")

    def not_found(self) -> bytes:
        return self._page("missing.html", here="")

    def search(self, **values: object) -> bytes:
        return self._page("search.html", here="search", **values)

    def fragment(self, template: str, item: Item) -> str:
        """The item in a feed (`entry`), in a list with summaries (`story`) or without (`line`).

        `change`: in a list of corrections and withdrawals.
        """
        template = f"{template}.html"
        return self._environment.get_template(template).render(item=item).strip()

    def _listing_page(self, slug: str, template: str, **values: object) -> bytes:
        slugs = list(dict.fromkeys((slug, ALL_SLUG)))
        kind = self._site.slug_kind(slug)
        here = "corrections" if self._site.is_corrections(slug) else ""
        return self._page(template, here=here, slug=slug, kind=kind, shelves=slugs, **values)

    def _slugs_by_kind(self, slugs: Sequence[str]) -> list[tuple[str, list[str]]]:
        """Slugs by kind: all, topic, unit, audience, campaign, other; without empty groups."""
        groups: dict[str, list[str]] = {kind: [] for kind in TEXTS["groups"]}
        for slug in slugs:
            groups[self._site.slug_kind(slug)].append(slug)
        return [(kind, members) for kind, members in groups.items() if members]

    def _page(self, template: str, **values: object) -> bytes:
        return self._environment.get_template(template).render(values).encode()


def _render_once(block: Callable[[Context], Iterator[str]]) -> Callable[[Context], Iterator[str]]:
    """A block of a template, rendered once for each `here`: no page waits for it again."""
    rendered: dict[object, str] = {}

    def render(context: Context) -> Iterator[str]:
        here = context["here"]
        if here not in rendered:
            rendered[here] = "".join(block(context))
        yield rendered[here]

    return render


def _globals(site: Site) -> dict[str, Any]:
    """Globals of all templates: the site, texts, and functions for addresses."""
    return {
        "site": site,
        "texts": TEXTS,
        "bare": _bare_link_class,
        "foreign": _lang_attribute,
        "item_path": item_path,
        "listing_name": partial(_listing_name, site),
        "wish_path": partial(_subscribe_path, site),
        "path": lambda path: site.path_prefix + path,
        "feed_path": lambda slug, kind: site.path_prefix + feed_path(slug, kind),
        "campaigns_path": f"{site.path_prefix}/{CAMPAIGNS_FOLDER}/",
        "shelf_path": lambda slug: site.path_prefix + listing_path(slug),
        "shelf_url": lambda slug: site.url("/" if slug == ALL_SLUG else listing_path(slug)),
        "month_path": lambda slug, month: site.path_prefix + month_path(slug, month),
        "page_path": lambda page: site.path_prefix + month_path(page.slug, page.month, page.part),
        "page_url": lambda page: site.url(month_path(page.slug, page.month, page.part)),
        "opml": site.path_prefix + OPML_PATH,
        "cover_url": default_cover_url(site),
        "few": FEW,
        "figures_path": site.path_prefix + FIGURES_PATH,
        "feed_url": lambda slug, kind: site.url(feed_path(slug, kind)),
    }


def _subscribe_path(site: Site, slug: str) -> str:
    """Path of the subscription form with *slug* preselected; empty if it is not offered."""
    kind = site.slug_kind(slug)
    if kind == "all":
        return "/dang-ky"
    offered = {"unit": slug in site.units(), "topic": site.is_subscribable(slug)}.get(kind, True)
    field = {"topic": "chu-de", "unit": "don-vi", "audience": "doi-tuong"}.get(kind)
    return f"/dang-ky?{field}={slug}" if field and offered else ""


def _listing_name(site: Site, slug: str) -> str:
    """The name of a listing on pages; the feed of corrections keeps the name of its topic."""
    is_corrections = site.is_corrections(slug)
    return TEXTS["shelf"]["corrections_title"] if is_corrections else site.slug_name(slug)


def _corrections_path(site: Site) -> str:
    """Path of the list of corrections; empty without one."""
    has_list = site.is_corrections(CORRECTIONS_SLUG)
    return site.path_prefix + listing_path(CORRECTIONS_SLUG) if has_list else ""


def _zalo_share_url(address: str) -> str:
    """The address that Zalo's own share button opens: *address* as JSON in base64."""
    facts = b64encode(json.dumps({"url": address}).encode()).decode()
    return f"{_ZALO_SHARE_URL}?{urlencode({'layout': 1, 'd': facts, 'shareType': 0})}"


def _first_month_beyond(shown: int, months: Sequence[tuple[str, int]]) -> str:
    """Month of the newest item after the first *shown* items; empty when there is none."""
    for month, count in months:
        if count > shown:
            return month
        shown -= count
    return ""


def _srcset(prefix: str, picture: CoverPicture, kind: str) -> str:
    """The derivatives of one kind, with their widths."""
    paths = [(picture.path(size, kind), size[0]) for size in picture.sizes]
    return ", ".join(f"{prefix}/{path} {width}w" for path, width in paths)


def _time_filter(name: str) -> Callable[[datetime], str]:
    pattern = catalog_text("time", name)
    return lambda at: at.astimezone(VIETNAM).strftime(pattern)


def _month_name(month: str) -> str:
    """The name of a month like 2026-09 in headings."""
    year, _, number = month.partition("-")
    return catalog_text("time", "month", month=number.lstrip("0"), year=year)


def _lang_attribute(language: str) -> Markup:
    """The `lang` attribute of a text in another language than the page's."""
    return Markup("") if language == "vi" else Markup(' lang="{}"').format(language)


def _bare_link_class(link: Attachment | Link) -> Markup:
    """The class of a link whose text is its address, so that print does not repeat it."""
    return Markup(' class="bare"' if link.title == link.url else "")  # noqa: S704 - our own words


_FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _time_filter(name) for name in ("moment", "spoken", "clock", "day", "short")},
    "weekday": lambda at: TEXTS["time"]["weekdays"][at.astimezone(VIETNAM).weekday()],
    "iso": lambda at: at.astimezone(VIETNAM).isoformat(timespec="seconds"),
    "month_name": _month_name,
    "from_us": from_microseconds,
    "zalo_share": _zalo_share_url,
    "with_links": link_addresses,
    "with_places": place_pictures,
    "og_locale": og_locale,
    "tel": tel_uri,
    "count": lambda count: f"{count:,}".replace(",", "."),
    "percent": lambda permille: f"{permille / 10:.1f}%".replace(".", TEXTS["size"]["decimal"]),
    "file_facts": lambda file: file_note(file, **TEXTS["size"]),
}
