"""Previews of an item for the desk: each channel's own rendering of a text, released or not."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from markupsafe import Markup

from channels.email.render.build import MailContext
from channels.email.render.preview import Preview, Scheme, in_scheme, publication_previews
from channels.portal.preview import FeedEntryPreview, PortalPreview
from channels.zalo.publications.render import ArticleDefaults, preview_payload
from consumers.desk.access import Access, item_facts
from consumers.reporting.preview import PreviewedPublication, PublicationFinder
from contracts.base.times import Clock, utc_now
from contracts.content import is_broadcast
from contracts.desk.previews import (
    ArticlePreview,
    BroadcastPreview,
    Document,
    FeedPreview,
    ItemPreview,
    MailPreview,
    Wanted,
)
from contracts.desk.roles import READ_DRAFTS
from contracts.publication import Publication
from contracts.vocabulary import PROVINCES
from design.assets import Asset
from producers.bus import Bus

T = TypeVar("T")
_MOST_KEPT = 32


@dataclass(frozen=True)
class ChannelFaces:
    """The ministry's side of each channel; the mails' signer makes no real links."""

    portal: PortalPreview
    mail: MailContext
    article: ArticleDefaults


class _Found(NamedTuple):
    """A publication, and the positions of its item that readers may have had before."""

    previewed: PreviewedPublication
    earlier: Sequence[Publication]

    @property
    def key(self) -> str:
        """The same for what is rendered alike."""
        previewed = self.previewed
        context = (previewed.has_earlier_revision, previewed.previous_digest, len(self.earlier))
        return sha256(f"{context} {previewed.publication.model_dump_json()}".encode()).hexdigest()


@dataclass(frozen=True)
class ItemPreviews:
    """Renders in threads, so that a long text keeps no other request waiting.

    The page and its documents are asked for one after the other: what was rendered last is kept.
    """

    bus: Bus
    clock: Clock
    access: Access
    faces: ChannelFaces
    _kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    _keeping: Lock = field(default_factory=Lock)

    @property
    def files(self) -> Sequence[Asset]:
        return self.faces.portal.files

    @property
    def picture_host(self) -> str:
        """The portal's own host, from which pages load pictures."""
        parts = urlsplit(self.faces.article.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    async def preview(self, wanted: Wanted) -> ItemPreview:
        """The item as all channels would show it.

        Raises Invalid for an unknown item or an unfinished text, Forbidden, BrokenItem.
        """
        found = await self._find(wanted)
        return await asyncio.to_thread(self._preview, found)

    async def document(self, wanted: Wanted, document: Document) -> str:
        """One document in HTML. Raises as `preview`."""
        found = await self._find(wanted)
        return await asyncio.to_thread(self._render, found, document, wanted.reader)

    async def _find(self, wanted: Wanted) -> _Found:
        now = utc_now(self.clock).replace(second=0, microsecond=0)
        finder = PublicationFinder(self.bus, now)
        found = await finder.find(wanted.content_id, wanted.revision)
        if not found.is_visible:
            facts = item_facts(found.written, found.item)
            await self.access.require(wanted.account, facts, READ_DRAFTS)
        return _Found(found, await finder.earlier_publications(found))

    def _preview(self, found: _Found) -> ItemPreview:
        publication = found.previewed.publication
        entry = self._entry(found)
        return ItemPreview(
            content_id=publication.content_id,
            revision=publication.revision,
            state=found.previewed.state,
            title=publication.title,
            channels=publication.channels,
            mails=[_mail(reader, mail) for reader, mail in self._mails(found).items()],
            article=self._article(publication),
            feed=FeedPreview(entry.title, publication.first_shown_at, entry.xml),
        )

    def _render(self, found: _Found, document: Document, reader: str) -> str:
        publication = found.previewed.publication
        if document is Document.PORTAL:
            return self.faces.portal.page(publication, found.earlier)
        if document is Document.FEED:
            return self._entry(found).html
        mails = self._mails(found)
        mail = mails.get(reader) or next(iter(mails.values()), None)
        scheme: Scheme = "dark" if document is Document.MAIL_DARK else "light"
        return in_scheme(mail.html, scheme) if mail else ""

    def _entry(self, found: _Found) -> FeedEntryPreview:
        def render_entry() -> FeedEntryPreview:
            return self.faces.portal.feed_entry(found.previewed.publication, found.earlier)

        return self._rendered("entry", found, render_entry)

    def _mails(self, found: _Found) -> Mapping[str, Preview]:
        def render_mails() -> Mapping[str, Preview]:
            return publication_previews(
                found.previewed.publication,
                self.faces.mail,
                has_earlier=found.previewed.has_earlier_revision,
                digest=found.previewed.previous_digest,
            )

        return self._rendered("mails", found, render_mails)

    def _rendered(self, what: str, found: _Found, work: Callable[[], T]) -> T:
        """The rendering by *work*, or the one of the same text within the minute."""
        name = what, found.key
        with self._keeping:
            known = self._kept.pop(name, None)
        rendered: T = work() if known is None else known
        with self._keeping:
            self._kept[name] = rendered
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return rendered

    def _article(self, publication: Publication) -> ArticlePreview:
        sent = preview_payload(publication, self.faces.article)
        return ArticlePreview(
            title=sent["title"],
            description=sent["description"],
            author=sent["author"],
            cover=sent["cover"]["photo_url"],
            paragraphs=[Markup(block["content"]) for block in sent["body"]],  # noqa: S704 - escaped
            url=sent["tracking_link"],
            is_hidden=sent["status"] == "hide",
            broadcast=_broadcast(publication),
        )


def _mail(reader: str, mail: Preview) -> MailPreview:
    return MailPreview(reader, mail.subject, mail.sender, mail.text.replace("\r\n", "\n"))


def _broadcast(publication: Publication) -> BroadcastPreview | None:
    """The broadcast of the item's article; None if followers are not told."""
    asked = publication.broadcast
    if publication.action == "withdrawn" or not is_broadcast(asked):
        return None
    if asked is None:
        return BroadcastPreview()
    names = [PROVINCES[province].name for province in asked.provinces]
    return BroadcastPreview(asked.ages, asked.gender, asked.regions, names, asked.also)
