"""Records of trials, and of who may send them and who gets them.

A trial lies in bucket `trials` and nowhere else: no stream has it, and no dispatcher reads it.
"""

from datetime import date
from typing import Literal, Self

from pydantic import AwareDatetime, Field

from contracts import keys
from contracts.base.retention import DEFAULT as RETENTION
from contracts.errors import WHOLE_EVENT, RateLimited, field_error
from contracts.publication import Publication
from contracts.records import EventRecord, Record

MOST_GUESTS = 10
DAILY_TRIALS = 500
MOST_BYTES = 24 << 20
"""Of a unit's events at a time, in a bucket that all units share."""
_RETRY_AFTER_S = 3600.0
EVENT_PREFIX = "event."
PROGRESS_KEY = "progress"
TRIAL_RECIPIENT = "trial"
"""In place of a recipient's id in the ledger's entries of trials, which no report counts."""
TrialState = Literal["received", "released", "withdrawn", "refused"]
Unsent = Literal["guest_removed", "guest_unreadable"]
"""The code of the error that says why a guest gets no mail."""


class Guest(Record):
    """An official of a unit who agreed to get its trials by mail.

    `id` is made of `address`, which is encrypted for the unit.
    """

    id: str
    address: str
    added: AwareDatetime


class GuestList(Record):
    """Bucket `trial_units`, key `guests.<unit>`."""

    guests: tuple[Guest, ...] = ()

    def find(self, guest_id: str) -> Guest | None:
        return next((one for one in self.guests if one.id == guest_id), None)


class TrialEvent(EventRecord):
    """Bucket `trials`, key `event.<unit>.<event_id>`: an accepted trial, and its outcome."""

    event_id: str
    event: str = ""
    """The event in structured form, until it is released or refused."""
    state: TrialState = "received"
    publication: Publication | None = None
    """The position that readers would get."""
    mailed: dict[str, bool] = Field(default_factory=dict)
    """The guests who get it, by id, and whether they had an earlier position of the item."""
    is_begun: bool = False
    """Whether all its mails are in the ledger, but those of `unsent`."""
    unsent: dict[str, Unsent] = Field(default_factory=dict)
    """The guests of `mailed` whose mail was never begun, by id, and why."""
    unsent_at: AwareDatetime | None = None
    """When that was found; None also where an older version found it."""

    @property
    def key(self) -> str:
        return event_key(self.unit, self.event_id)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.state == "refused" or self.is_begun

    def letter_id(self, guest_id: str) -> str:
        """The content_id of the mail to a guest, the same at every try."""
        parts = self.unit, self.event_id, self.at.isoformat(), guest_id
        return keys.transactional_content_id("unit's trial", *parts)


class DayUse(Record):
    """The trials of a unit on one day, and the bytes of their events."""

    trials: int = 0
    size: int = 0


class TrialUse(Record):
    """Bucket `trials`, key `use.<unit>`: by day in Vietnam, as long as trials are kept."""

    days: dict[date, DayUse] = Field(default_factory=dict)

    def with_more(self, day: date, trials: int, size: int) -> "TrialUse":
        """With *trials* of together *size* bytes on *day*; days whose trials are gone are left out.

        Raises RateLimited for more than a unit may send in a day, or keep.
        """
        first = day - RETENTION.span("trials")
        kept = {one: use for one, use in self.days.items() if one >= first}
        known = kept.get(day, DayUse())
        now = DayUse(trials=known.trials + trials, size=known.size + size)
        days = kept | {day: now}
        if now.trials > DAILY_TRIALS:
            raise _limited("trials_of_a_day", limit=DAILY_TRIALS)
        if sum(use.size for use in days.values()) > MOST_BYTES:
            raise _limited("trials_kept", limit=MOST_BYTES >> 20)
        return TrialUse(days=days)


def _limited(code: str, limit: int) -> RateLimited:
    error = field_error(WHOLE_EVENT, code, limit=limit)
    return RateLimited(error, retry_after_s=_RETRY_AFTER_S)


class TrialProgress(Record):
    """Bucket `trials`, key `progress`: nothing is left to do for what changed up to `seen`.

    `created`: when the bucket was made; a restore numbers its changes anew.
    """

    seen: int = 0
    created: str = ""

    def seen_in(self, present: Self) -> int:
        """How far the changes up to *present* are worked through; 0 in a bucket made anew."""
        is_same = self.created == present.created and self.seen <= present.seen
        return self.seen if is_same else 0


def use_key(unit: str) -> str:
    return f"use.{unit}"


def event_key(unit: str, event_id: str) -> str:
    return f"{EVENT_PREFIX}{unit}.{event_id}"


def item_key(unit: str, content_id: str) -> str:
    return f"item.{unit}.{content_id}"


def guests_key(unit: str) -> str:
    return f"guests.{unit}"


def keyring_key(unit: str) -> str:
    """The key of bucket `trial_units` under which the hashes of a unit's trial keys lie."""
    return f"keys.{unit}"
