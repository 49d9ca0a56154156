"""A publication as a Zalo article, complete except for the marker of each delivery."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, get_args

from yarl import URL

from channels.markdown_text import paragraphs
from channels.zalo.publications.issue import ShortIssue, shorten_issue
from channels.zalo.texts import catalog_text
from contracts import keys
from contracts.bulletins.composition import body_of
from contracts.content import Ages, Attachment, Broadcast, Link, Region, is_broadcast
from contracts.delivery import ChannelName
from contracts.interruptions.wording import stated_facts, summary_of
from contracts.publication import Publication
from contracts.text.limits import (
    AUTHOR_LIMIT,
    DESCRIPTION_LIMIT,
    TITLE_LIMIT,
    TextLimit,
    shorten,
)
from contracts.vocabulary import PROVINCES

BODY_MAX = 10_000
_CUT_ROOM_MIN = 200
"""A line that does not fit is cut only if as many characters of it can be shown."""
MARKER_PREFIX = "loa-"
State = Literal["show", "hide"]
_AGES = {group: code for code, group in enumerate(get_args(Ages))}
_GENDERS = {"male": 1, "female": 2}
_REGIONS = {region: code for code, region in enumerate(get_args(Region))}


@dataclass(frozen=True, slots=True)
class ArticleDefaults:
    """The ministry's part of an article: portal, default cover, author.

    *copies_covers*: Zalo is given our copies of covers instead of the items' own addresses.
    """

    public_url: str
    cover_url: str
    author: str = ""
    copies_covers: bool = False

    def item_url(self, content_id: str) -> str:
        """The item's page on the portal."""
        return f"{self.public_url.rstrip('/')}/tin/{content_id}"


@dataclass(frozen=True, slots=True)
class RenderedArticle:
    """The content that all attempts to publish one position of an item share."""

    content_id: str
    revision: int
    is_withdrawal: bool
    title: str
    description: str
    author: str
    cover: str
    default_cover: str
    body: tuple[str, ...]
    ending: str  # name of the last paragraph's text
    page_url: str
    left_out: int = 0  # items of an issue that the portal alone has
    released_at: float = 0.0  # first release of the item
    picture_url: str = ""  # the item's own cover, where we have to copy it
    copies_url: str = ""  # public address of our copies
    target: Mapping[str, str] = field(default_factory=dict)  # of the broadcast
    companion_ids: tuple[str, ...] = ()  # items whose articles follow in the broadcast
    unit: str = ""
    is_quiet: bool = False  # no announcement

    def payload(self, marker: str, cover: str, status: State, id: str = "") -> dict[str, Any]:
        """The whole article, for `create` and (with its id) for `update`."""
        url = f"{self.page_url}#{marker}"
        last = catalog_text("article", self.ending, url=url, count=self.left_out)
        article: dict[str, Any] = {
            "type": "normal",
            "title": self.title,
            "author": self.author,
            "cover": {"cover_type": "photo", "photo_url": cover, "status": "show"},
            "description": self.description,
            "body": [_text_block(paragraph) for paragraph in (*self.body, last)],
            "tracking_link": url,
            "status": status,
            "comment": "show",
        }
        return {**article, "id": id} if id else article


def article_marker(delivery_key: str) -> str:
    """Marker of our own article: short enough for a link, long enough to be unique."""
    return f"{MARKER_PREFIX}{delivery_key[:20]}"


def render(publication: Publication, site: ArticleDefaults) -> RenderedArticle:
    """Lay *publication* out within Zalo's limits."""
    texts = _texts(publication)
    author = publication.author or site.author or catalog_text("article", "author")
    title, lead = _title(publication)
    room = BODY_MAX - sum(map(len, lead))
    shown = _fitted_issue(publication, texts, room)
    body, whole = _fit_paragraphs([*_correction_lines(publication), *shown.texts], room)
    ending = "portal" if whole else "more"
    return RenderedArticle(
        content_id=publication.content_id,
        revision=publication.revision,
        is_withdrawal=publication.action == "withdrawn",
        title=title,
        description=shorten(_description_text(publication, texts), DESCRIPTION_LIMIT),
        author=shorten(author, AUTHOR_LIMIT),
        cover=_percent_encoded(publication.cover.url if publication.cover else site.cover_url),
        default_cover=_percent_encoded(site.cover_url),
        body=(*lead, *body),
        ending="more_items" if shown.left_out else ending,
        left_out=shown.left_out,
        page_url=_percent_encoded(site.item_url(publication.content_id)),
        released_at=publication.first_released_at.timestamp(),
        picture_url=publication.cover.url if publication.cover and site.copies_covers else "",
        copies_url=_percent_encoded(site.public_url.rstrip("/")),
        target=target_codes(publication.broadcast),
        companion_ids=publication.broadcast.also if publication.broadcast else (),
        unit=publication.unit,
        is_quiet=not is_broadcast(publication.broadcast),
    )


def _fitted_issue(publication: Publication, texts: Sequence[str], room: int) -> ShortIssue:
    """The paragraphs; of an issue that does not fit, its corrections before its first items."""
    issue, links = publication.bulletin, [*_link_lines(publication)]
    around = sum(map(len, (*_correction_lines(publication), *links)))
    is_told = issue and publication.action != "withdrawn" and publication.body == body_of(issue)
    body = sum(map(len, texts)) - sum(map(len, links))
    if issue is None or not is_told or around + body <= room:
        return ShortIssue(tuple(texts), 0)
    short = shorten_issue(issue, room - around)
    return short._replace(texts=(*short.texts, *links))


def _title(publication: Publication) -> tuple[str, tuple[str, ...]]:
    """The title within Zalo's limit, and the paragraph with the whole title if it was cut."""
    given = publication.short_title or publication.title
    shown = shorten(given, TITLE_LIMIT)
    return shown, () if TITLE_LIMIT.allows(given) else (publication.title,)


def _texts(publication: Publication) -> list[str]:
    """The paragraphs of the body, in full length; of a withdrawn item, the reason alone."""
    if publication.action != "withdrawn":
        told = [*_interruption_lines(publication), *paragraphs(publication.body)]
        return [*told, *_link_lines(publication)]
    if not publication.reason:
        return [catalog_text("withdrawn", "body_without_reason")]
    return [catalog_text("withdrawn", "body", reason=publication.reason)]


def _description_text(publication: Publication, texts: Sequence[str]) -> str:
    if publication.action == "withdrawn":
        return catalog_text("withdrawn", "description")
    said = publication.interruption
    stated = summary_of(said) if said else next(iter(texts), "")
    return publication.summary.strip() or stated or publication.title


def _correction_lines(publication: Publication) -> Iterator[str]:
    """The correction notice, as the first paragraph of a corrected article."""
    if publication.action == "corrected" and publication.reason:
        yield catalog_text("corrected", "first", reason=publication.reason)


def _interruption_lines(publication: Publication) -> Iterator[str]:
    """The facts of an interruption of services, as one paragraph."""
    if publication.interruption:
        facts = stated_facts(publication.interruption)
        yield "\n".join(f"{fact.label}: {fact.value}" for fact in facts)


def _link_lines(publication: Publication) -> Iterator[str]:
    """Links and documents, each as a line with its address."""
    further: tuple[Link | Attachment, ...] = (*publication.links, *publication.attachments)
    for link in further:
        yield catalog_text("article", "link", title=link.title, url=link.url)


def _fit_paragraphs(texts: Sequence[str], room: int) -> tuple[tuple[str, ...], bool]:
    """The paragraphs that fit, and whether all of them do."""
    kept = list[str]()
    for text in texts:
        if len(text) > room:
            return (*kept, *filter(None, [_beginning(text, room)])), False
        kept.append(text)
        room -= len(text)
    return tuple(kept), True


def _beginning(text: str, room: int) -> str:
    """The lines of *text* that fit, and of the next one as many words; no short rest of a line."""
    lines = list[str]()
    for line in text.split("\n"):
        if len(line) > room:
            lines.append(shorten(line, TextLimit(room, room)) if room >= _CUT_ROOM_MIN else "")
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join(lines).rstrip("\n")


def _text_block(paragraph: str) -> Mapping[str, str]:
    lines = "<br>".join(escape(line, quote=False) for line in paragraph.split("\n"))
    return {"type": "text", "content": f"<p>{lines}</p>"}


def _percent_encoded(url: str) -> str:
    """*url* percent-encoded: Zalo refuses spaces and Vietnamese letters in an address."""
    return str(URL(url))


def target_codes(broadcast: Broadcast | None) -> dict[str, str]:
    """Zalo's `target`; empty for all followers.

    Zalo counts the 63 provinces of before July 2025, so that a province of today is the sum of its
    parts. Zalo prefers provinces to regions: with provinces no region is named.
    """
    if broadcast is None:
        return {}
    places = {code for province in broadcast.provinces for code in PROVINCES[province].zalo}
    regions = [] if places else [_REGIONS[region] for region in broadcast.regions]
    target: dict[str, Collection[int]] = {
        "ages": [_AGES[group] for group in broadcast.ages],
        "gender": [_GENDERS[broadcast.gender]] if broadcast.gender in _GENDERS else [],
        "locations": regions,
        "cities": places,
    }
    return {field: ",".join(map(str, sorted(codes))) for field, codes in target.items() if codes}


def preview_payload(publication: Publication, site: ArticleDefaults) -> dict[str, Any]:
    """The article as Zalo's API would get it, before its release."""
    article = render(publication, site)
    parts = publication.content_id, publication.revision, ChannelName.ZALO, keys.SOLE_RECIPIENT
    state: State = "hide" if article.is_withdrawal else "show"
    return article.payload(article_marker(keys.delivery_key(*parts)), article.cover, state)
