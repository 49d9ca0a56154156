"""A publication as a Zalo article: everything but the marker, which differs per delivery."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from yarl import URL

from channels.zalo import lengths
from channels.zalo.plain import paragraphs
from channels.zalo.targets import target
from channels.zalo.wording import words
from contracts.broadcast import announced
from contracts.content import Attachment, Link
from contracts.publication import Publication

BODY_MAX = 10_000
MARK = "loa-"
State = Literal["show", "hide"]


@dataclass(frozen=True, slots=True)
class Site:
    """What the ministry's side adds: its portal, a cover for items without one, its name.

    *copies*: Zalo is given our copies of the items' covers, and never their own addresses.
    """

    public_url: str
    cover_url: str
    author: str = ""
    copies: bool = False

    def item(self, content_id: str) -> str:
        """Where the portal shows an item."""
        return f"{self.public_url.rstrip('/')}/tin/{content_id}"


@dataclass(frozen=True, slots=True)
class Article:
    """What is the same in every attempt to publish one position of an item."""

    content_id: str
    revision: int
    withdrawal: bool
    title: str
    description: str
    author: str
    cover: str
    plain_cover: str
    body: tuple[str, ...]
    ending: str  # the last paragraph's template
    page: str
    since: float = 0.0  # when the item was first released
    picture: str = ""  # where the item's own cover lies, when we have to copy it
    home: str = ""  # where our copies are fetched
    target: Mapping[str, str] = field(default_factory=dict)  # whom the broadcast is for
    also: tuple[str, ...] = ()  # items whose articles stand behind it
    unit: str = ""
    quiet: bool = False  # nobody is to be told of it

    def payload(self, marker: str, cover: str, status: State, id: str = "") -> dict[str, Any]:
        """The whole article, as `create` and (with its id) `update` want it."""
        url = f"{self.page}#{marker}"
        last = words("article", self.ending, url=url)
        article: dict[str, Any] = {
            "type": "normal",
            "title": self.title,
            "author": self.author,
            "cover": {"cover_type": "photo", "photo_url": cover, "status": "show"},
            "description": self.description,
            "body": [text_part(paragraph) for paragraph in (*self.body, last)],
            "tracking_link": url,
            "status": status,
            "comment": "show",
        }
        return {**article, "id": id} if id else article


def marker(delivery_key: str) -> str:
    """How we know our own article among others: short enough for a link, too long to be chance."""
    return f"{MARK}{delivery_key[:20]}"


def render(publication: Publication, site: Site) -> Article:
    """Lay *publication* out within Zalo's limits."""
    withdrawal = publication.action == "withdrawn"
    texts = (
        notice(publication) if withdrawal else [*paragraphs(publication.body), *extras(publication)]
    )
    body, whole = fitted([*remark(publication), *texts])
    return Article(
        content_id=publication.content_id,
        revision=publication.revision,
        withdrawal=withdrawal,
        title=lengths.cut(publication.title, lengths.TITLE),
        description=lengths.cut(lead(publication, texts), lengths.DESCRIPTION),
        author=lengths.cut(author(publication, site), lengths.AUTHOR),
        cover=encoded(publication.cover.url if publication.cover else site.cover_url),
        plain_cover=encoded(site.cover_url),
        body=body,
        ending="portal" if whole else "more",
        page=encoded(site.item(publication.content_id)),
        since=publication.first_released_at.timestamp(),
        picture=publication.cover.url if publication.cover and site.copies else "",
        home=encoded(site.public_url.rstrip("/")),
        target=target(publication.broadcast),
        also=publication.broadcast.also if publication.broadcast else (),
        unit=publication.unit,
        quiet=not announced(publication.broadcast),
    )


def author(publication: Publication, site: Site) -> str:
    return publication.author or site.author or words("article", "author")


def lead(publication: Publication, texts: Sequence[str]) -> str:
    """What stands under the title."""
    if publication.action == "withdrawn":
        return words("withdrawn", "description")
    return publication.summary.strip() or next(iter(texts), "") or publication.title


def remark(publication: Publication) -> Iterator[str]:
    """What was wrong in the article until now: whoever opens it again reads that first."""
    if publication.action == "corrected" and publication.reason:
        yield words("corrected", "first", reason=publication.reason)


def notice(publication: Publication) -> list[str]:
    """A withdrawn item's body: nothing of the old text stays behind a link."""
    if not publication.reason:
        return [words("withdrawn", "body_without_reason")]
    return [words("withdrawn", "body", reason=publication.reason)]


def extras(publication: Publication) -> Iterator[str]:
    """Links and documents, as lines with their addresses."""
    further: tuple[Link | Attachment, ...] = (*publication.links, *publication.attachments)
    for link in further:
        yield words("article", "link", title=link.title, url=link.url)


def fitted(texts: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """As many paragraphs as fit, and whether that is all of them."""
    room, kept = BODY_MAX, list[str]()
    for text in texts:
        if len(text) > room:
            short = lengths.cut(text, lengths.Limit(room, room)) if not kept else ""
            return (*kept, *filter(None, [short])), False
        kept.append(text)
        room -= len(text)
    return tuple(kept), True


def text_part(paragraph: str) -> Mapping[str, str]:
    lines = "<br>".join(escape(line, quote=False) for line in paragraph.split("\n"))
    return {"type": "text", "content": f"<p>{lines}</p>"}


def encoded(url: str) -> str:
    """Percent-encoded: Zalo refuses spaces and Vietnamese letters in an address."""
    return str(URL(url))
