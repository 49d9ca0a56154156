"""Content events: an item submitted, corrected or withdrawn, with its broadcast on Zalo."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import (
    ARRAY_OR_NULL,
    NO_DUPLICATES,
    NON_EMPTY,
    NON_EMPTY_UNIQUE_ITEMS,
    NULL_AS_EMPTY,
    UNIQUE_ITEMS,
    AudienceId,
    ContentId,
    Contract,
    Count,
    Flag,
    HttpUrl,
    Id,
    Instant,
    Line,
    Line150,
    Line250,
    Line300,
    OptionalLine,
    Revision,
    Summary,
    Text,
    TopicId,
)
from contracts.bulletins.issue import BulletinIssue
from contracts.campaigns.plan import CampaignPlan, EntryNumber
from contracts.delivery import ChannelName, Lane
from contracts.interruptions.interruption import Interruption
from contracts.vocabulary import PROVINCES

_MAX_FURTHER_ITEMS = 4
Ages = Literal["0-12", "13-17", "18-24", "25-34", "35-44", "45-54", "55-64", "65+"]
Gender = Literal["all", "male", "female"]
Region = Literal["north", "central", "south"]


def _check_province(province: str) -> str:
    if province not in PROVINCES:
        raise PydanticCustomError("unknown_province", "unknown", {"value": province})
    return province


ProvinceId = Annotated[Id, AfterValidator(_check_province)]


class Broadcast(Contract):
    """Whether followers are told of the item at once, and which of them; nothing said = all."""

    enabled: Flag = True
    """false: an article that nobody is told of."""
    ages: Annotated[tuple[Ages, ...], Field(max_length=8), NO_DUPLICATES, UNIQUE_ITEMS] = ()
    """Only followers of these ages; none = all."""
    gender: Gender = "all"
    """Only followers of this gender."""
    regions: Annotated[tuple[Region, ...], Field(max_length=3), NO_DUPLICATES, UNIQUE_ITEMS] = ()
    """Only followers in these parts of the country; none = all."""
    provinces: Annotated[
        tuple[ProvinceId, ...], Field(max_length=len(PROVINCES)), NO_DUPLICATES, UNIQUE_ITEMS
    ] = ()
    """Ids of `provinces.toml`; where there are some, `regions` says nothing."""
    also: Annotated[
        tuple[ContentId, ...], Field(max_length=_MAX_FURTHER_ITEMS), NO_DUPLICATES, UNIQUE_ITEMS
    ] = ()
    """Other items whose articles stand in the same broadcast, behind this one."""


def is_broadcast(broadcast: Broadcast | None) -> bool:
    """Whether an item is to be broadcast; the default is yes."""
    return broadcast is None or broadcast.enabled


MAX_LINKS = 20
RequestableLane = Literal[Lane.URGENT, Lane.NORMAL, Lane.BULK]
"""The lanes that content may ask for."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
MediaType = Annotated[
    str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$", max_length=120)
]


class Cover(Contract):
    """The picture of an item."""

    url: HttpUrl
    """An address on the portal; a picture elsewhere becomes a link."""
    alt: Line250
    """Text for a person who cannot see the picture."""


class Link(Contract):
    """Where to read on."""

    url: HttpUrl
    """The address, with http:// or https://."""
    title: Line250
    """Text of the link."""


class Attachment(Contract):
    """A document that belongs to the item."""

    url: HttpUrl
    """Its address, with http:// or https://."""
    title: Line250
    """Its name, as readers see it."""
    media_type: MediaType | None = None
    """As in `application/pdf`."""
    size: Count | None = None
    """In bytes."""


Audiences = Annotated[tuple[AudienceId, ...], Field(max_length=50), NO_DUPLICATES, UNIQUE_ITEMS]
Channels = Annotated[
    tuple[ChannelName, ...],
    Field(max_length=len(ChannelName)),
    NON_EMPTY,
    NO_DUPLICATES,
    NON_EMPTY_UNIQUE_ITEMS,
]
Links = Annotated[tuple[Link, ...], Field(max_length=MAX_LINKS), NULL_AS_EMPTY, ARRAY_OR_NULL]
Attachments = Annotated[
    tuple[Attachment, ...], Field(max_length=MAX_LINKS), NULL_AS_EMPTY, ARRAY_OR_NULL
]


_LEFT_OUT_IF_NULL = Field(exclude_if=lambda value: value is None)
ShortTitle = Annotated[Line150 | None, _LEFT_OUT_IF_NULL]
"""The title where there is little room, as on Zalo; left out of stored JSON where it is null."""


class Content(Contract):
    """Text and audience of an item: shared by what units send and what Loa releases."""

    content_id: ContentId
    """The item's own name, for ever; it is part of the item's address on the portal."""
    revision: Revision
    """1 for the first text, higher for each later one."""
    topic: TopicId
    """Topic of the item: one of `GET /v1/vocabulary`. Readers follow topics."""
    title: Line300
    """One line, shown whole on the portal, in feeds and mails."""
    short_title: ShortTitle = None
    """The title on Zalo, which has less room; null = `title`, cut at a word where it must be."""
    summary: Summary = ""
    """Text below the title in lists, feeds and Zalo; empty = the beginning of the body."""
    language: Language = "vi"
    """The language of the text (BCP 47)."""
    author: Line150 | None = None
    """Who wrote it; this person may not approve it at the desk."""
    cover: Cover | None = None
    """The picture of the item."""
    links: Links = ()
    """Where to read on, below the text."""
    attachments: Attachments = ()
    """Documents to download, below the text."""
    audiences: Audiences = ()
    """Who the item is for; none = everyone."""
    channels: Channels = tuple(ChannelName)
    """Where the item goes; nothing said = everywhere."""
    lane: RequestableLane = Lane.NORMAL
    """`urgent` is open to units that may use it."""
    not_before: Instant | None = None
    """Nothing leaves before this moment."""
    expires_at: Instant | None = None
    """Nothing leaves after this moment."""
    broadcast: Broadcast | None = None
    """Which followers on Zalo are told of it at once; null = all of them."""
    bulletin: Annotated[BulletinIssue | None, _LEFT_OUT_IF_NULL] = None
    """The issue of a bulletin that the item is; left out of stored JSON where it is null."""
    campaign: Annotated[ContentId | None, _LEFT_OUT_IF_NULL] = None
    """The campaign that the item joins, by its item; a campaign names itself. As `bulletin`."""
    interruption: Annotated[Interruption | None, _LEFT_OUT_IF_NULL] = None
    """The planned interruption of services that the item announces; else left out."""

    @field_validator("expires_at")
    @classmethod
    def _check_times(cls, ends: Instant | None, info: ValidationInfo) -> Instant | None:
        begins = info.data.get("not_before")
        if ends and begins and ends <= begins:
            raise PydanticCustomError("not_after", "too early", {"other": "not_before"})
        return ends

    @field_validator("broadcast")
    @classmethod
    def _check_companions(cls, value: Broadcast | None, info: ValidationInfo) -> Broadcast | None:
        itself = info.data.get("content_id")
        if value and itself in value.also:
            raise PydanticCustomError("names_itself", "itself", {"value": itself})
        return value

    @field_validator("bulletin")
    @classmethod
    def _check_issue_id(
        cls, value: BulletinIssue | None, info: ValidationInfo
    ) -> BulletinIssue | None:
        """An issue is the item of its number, so that no number can be given twice."""
        if value and info.data.get("content_id") not in (None, value.content_id):
            raise PydanticCustomError("bulletin_content_id", "id", {"value": value.content_id})
        return value


class Submitted(Content):
    """A unit hands in a revision of an item."""

    body: Text
    """Markdown."""
    campaign_entry: Annotated[EntryNumber | None, _LEFT_OUT_IF_NULL] = None
    """The planned item of the campaign that this one is; it is not published. As `bulletin`."""
    campaign_plan: Annotated[CampaignPlan | None, _LEFT_OUT_IF_NULL] = None
    """The plan, if the item is a campaign; `released` does not have it. As `bulletin`."""


class Corrected(Submitted):
    """A new text for an item that is already out.

    Readers who got an older text are told what was wrong; all others get the item as news.
    """

    revision: Annotated[Revision, Field(gt=1)]
    """2 or more, and higher than each revision before it."""
    corrects_revision: Revision
    """The revision with the mistake; lower than `revision`."""
    reason: OptionalLine = ""
    """Mistake and its correction, as the public will read them."""

    @field_validator("corrects_revision")
    @classmethod
    def _check_corrected_revision(cls, corrected: int, info: ValidationInfo) -> int:
        revision = info.data.get("revision")
        if revision is not None and corrected >= revision:
            raise PydanticCustomError("not_earlier_revision", "later", {"revision": revision})
        return corrected


class Withdrawn(Contract):
    """An item must not be shown or sent any more, and why."""

    content_id: ContentId
    """The item that is withdrawn."""
    reason: Line
    """Why, as the public will read it."""
    title: Line300 | None = None
    """Title for readers in place of the item's, which is the harm itself; none = it stays."""
    short_title: ShortTitle = None
    """As in `submitted`; for the title of the withdrawal."""
