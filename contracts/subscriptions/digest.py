"""A digest: the publications of a day or a week in one mail per subscriber."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import AwareDatetime

from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication
from contracts.records import Record

DigestFrequency = Literal["daily", "weekly"]
FREQUENCIES: tuple[DigestFrequency, ...] = ("daily", "weekly")


class DigestItem(Record):
    """One item of a digest; its index in `Issue.items` never changes."""

    content_id: str
    revision: int
    seq: int
    """Sequence of its text in PUBLICATIONS."""
    first: bool = False
    """The only position of the item, released within the window: new to every digest reader."""
    out: bool = False
    """Left out of a reissue: withdrawn, expired, or no longer for mail."""
    expires_at: AwareDatetime | None = None


class Issue(Record):
    """Bucket `digests`, key `issue.<digest_id>.<revision>`, for ever: the content of one issue.

    The window is PUBLICATIONS from sequence `after` (exclusive) to `upto`. A digest that was
    stopped because a text in it changed is issued again with the next revision.
    """

    digest_id: str
    revision: int
    frequency: DigestFrequency
    after: int
    upto: int
    since: AwareDatetime
    at: AwareDatetime
    due: AwareDatetime
    """The scheduled time of the cut; `at` is later after an outage."""
    issued: AwareDatetime
    """When this issue was made; equal to `at` for the first one."""
    items: tuple[DigestItem, ...]

    @property
    def plan(self) -> PlanKey:
        return PlanKey(ChannelName.EMAIL, self.digest_id, self.revision)

    @property
    def items_mask(self) -> int:
        """Bit mask of the items that are not left out."""
        return sum(1 << number for number, item in enumerate(self.items) if not item.out)

    @property
    def expires_at(self) -> AwareDatetime | None:
        """The earliest expiry of its items; nothing of this issue may be sent after."""
        ends = [item.expires_at for item in self.items if item.expires_at and not item.out]
        return min(ends, default=None)

    def number_of(self, content_id: str) -> int | None:
        """The index of an item; None if the digest lacks the item or leaves it out."""
        for number, item in enumerate(self.items):
            if item.content_id == content_id and not item.out:
                return number
        return None


@dataclass(frozen=True, slots=True)
class Digest:
    """An issue with its texts by item index; input of the renderer."""

    issue: Issue
    texts: Mapping[int, Publication]

    @property
    def content_id(self) -> str:
        return self.issue.digest_id

    @property
    def key(self) -> str:
        return keys.publication_key(self.issue.digest_id, self.issue.revision)


def digest_id_for(frequency: DigestFrequency, day: date) -> str:
    """The content_id of the digest of *day*, by Vietnam's calendar."""
    return keys.digest_content_id(frequency, f"{day:%Y-%m-%d}")


def frequency_of(digest_id: str) -> str:
    """The frequency of a digest, from its id."""
    return digest_id.split("-")[1]


def date_of(digest_id: str) -> date:
    """The day of a digest, by Vietnam's calendar."""
    return date.fromisoformat(digest_id.split("-", 2)[2])
