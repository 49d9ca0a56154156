"""An item as each channel would show it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from contracts.delivery import ChannelName


class Document(StrEnum):
    """An HTML document of a channel, which the desk shows apart from its own page."""

    PORTAL = "cong"
    MAIL_LIGHT = "thu-sang"
    MAIL_DARK = "thu-toi"
    FEED = "nguon-tin"


class Wanted(NamedTuple):
    """A revision of an item: the newest one if `revision` is None.

    `account`: who wants to see it. `reader`: which of the mails, by the kind of its readers.
    """

    account: str
    content_id: str
    revision: int | None = None
    reader: str = ""


class MailPreview(NamedTuple):
    """The mail for one kind of readers: `new`, `earlier`, or `digest`."""

    reader: str
    subject: str
    sender: str
    text: str


class BroadcastPreview(NamedTuple):
    """The broadcast of an article; without words in a field it is for all."""

    ages: Sequence[str] = ()
    gender: str = "all"
    regions: Sequence[str] = ()
    provinces: Sequence[str] = ()
    also: Sequence[str] = ()
    """Items whose articles follow in the same broadcast."""


class ArticlePreview(NamedTuple):
    """The article on Zalo; `broadcast` is None if followers are not told.

    `paragraphs`: HTML as Zalo is sent it, with no elements but paragraphs and line breaks.
    """

    title: str
    description: str
    author: str
    cover: str
    paragraphs: Sequence[str]
    url: str
    is_hidden: bool
    broadcast: BroadcastPreview | None


class FeedPreview(NamedTuple):
    """The item's entry in feeds; `xml` is that of RSS."""

    title: str
    published: datetime
    xml: str


class ItemPreview(NamedTuple):
    """A revision as all channels would show it."""

    content_id: str
    revision: int
    state: str
    title: str
    channels: Sequence[ChannelName]
    mails: Sequence[MailPreview]
    article: ArticlePreview
    feed: FeedPreview


class Previews(Protocol):
    """Renders an item by the channels' own code. Raises ContractError, BusError.

    `picture_host`: from where the documents may load pictures. `files`: style sheet and pictures of
    the portal's frame, which the desk has to serve beside its own.
    """

    @property
    def files(self) -> Sequence[Any]: ...

    @property
    def picture_host(self) -> str: ...
    async def preview(self, wanted: Wanted) -> ItemPreview: ...
    async def document(self, wanted: Wanted, document: Document) -> str: ...
