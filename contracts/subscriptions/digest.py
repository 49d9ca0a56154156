"""A digest: what a day or a week has brought, in one mail for each reader who wants it so."""

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
    """One item's place in a digest; its number there is its place in `Issue.items`, for ever."""

    content_id: str
    revision: int
    seq: int
    """Of its text in PUBLICATIONS."""
    first: bool = False
    """Its only position, released within the window: nobody can have had it who read only this."""
    out: bool = False
    """Left out when the digest was issued again: withdrawn, over, or no longer for mail."""
    expires_at: AwareDatetime | None = None


class Issue(Record):
    """Bucket `digests`, key `issue.<digest_id>.<revision>`, for ever: what one digest holds.

    The window is what PUBLICATIONS holds behind sequence `after` up to `upto`. A digest that was
    stopped because a text in it had changed is issued again, with the next revision.
    """

    digest_id: str
    revision: int
    frequency: DigestFrequency
    after: int
    upto: int
    since: AwareDatetime
    at: AwareDatetime
    due: AwareDatetime
    """When it should have been cut: `at` is later after an outage."""
    issued: AwareDatetime
    """When this issue was made: of the first one the same as `at`."""
    items: tuple[DigestItem, ...]

    @property
    def plan(self) -> PlanKey:
        return PlanKey(ChannelName.EMAIL, self.digest_id, self.revision)

    @property
    def items_mask(self) -> int:
        """The mask of every item that is not left out."""
        return sum(1 << number for number, item in enumerate(self.items) if not item.out)

    @property
    def expires_at(self) -> AwareDatetime | None:
        """When the first of its items is over: nothing of this issue may leave after."""
        ends = [item.expires_at for item in self.items if item.expires_at and not item.out]
        return min(ends, default=None)

    def number_of(self, content_id: str) -> int | None:
        """The place of an item; None when it is not in this digest, or left out."""
        for number, item in enumerate(self.items):
            if item.content_id == content_id and not item.out:
                return number
        return None


@dataclass(frozen=True, slots=True)
class Digest:
    """An issue with its texts, by their place in it: what a channel renders."""

    issue: Issue
    texts: Mapping[int, Publication]

    @property
    def content_id(self) -> str:
        return self.issue.digest_id

    @property
    def key(self) -> str:
        return keys.publication_key(self.issue.digest_id, self.issue.revision)


def digest_id_for(frequency: DigestFrequency, day: date) -> str:
    """The content_id of the digest that is cut on *day*, by Vietnam's calendar."""
    return keys.digest_content_id(frequency, f"{day:%Y-%m-%d}")


def frequency_of(digest_id: str) -> str:
    """Whether a digest is a daily or a weekly one."""
    return digest_id.split("-")[1]


def date_of(digest_id: str) -> date:
    """The day of a digest, by Vietnam's calendar."""
    return date.fromisoformat(digest_id.split("-", 2)[2])
