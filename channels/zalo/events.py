"""What Zalo's webhook tells, reduced to what concerns us: nobody's words, phone or name."""

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from channels.zalo.envelope import text_of, whole
from contracts.keys import digest

MILLISECONDS = 10**12
"""Times below this are in seconds, as older events have them."""
KEY_LENGTH = 32
_WORD = re.compile(r"[-_A-Za-z0-9]{1,128}")
_USER = re.compile(r"[0-9]{1,30}")

Word = Annotated[str, StringConstraints(pattern=r"^[-_A-Za-z0-9]{0,128}$")]
"""An id or a state, fit to be a part of a key; empty for none."""
Raw = Mapping[str, Any]


class EventKind(StrEnum):
    """What an event is for us; `events.toml` says which is which."""

    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    INBOUND = "inbound"
    INTERACTION = "interaction"
    DELIVERED = "delivered"
    SEEN = "seen"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    TEMPLATE = "template"
    QUOTA = "quota"


OF_PEOPLE = {
    EventKind.FOLLOW,
    EventKind.UNFOLLOW,
    EventKind.INBOUND,
    EventKind.INTERACTION,
    EventKind.WITHDRAWN,
}
EVIDENCE = {EventKind.DELIVERED, EventKind.SEEN, EventKind.ANSWERED}
"""What proves that a message of ours arrived."""


class ZaloEvent(BaseModel):
    """One event; `key` is the same for every copy of it.

    `user_id` belongs to this Official Account alone, and is left out where nothing needs it: the
    recipient of a receipt may be a phone number. Message ids are those of our own messages.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: EventKind
    key: Word
    at: AwareDatetime
    oa_id: Word = ""
    user_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,30}$")] = ""
    message_ids: tuple[Word, ...] = ()
    tracking_id: Word = ""
    delivered_at: AwareDatetime | None = None
    template_id: Word = ""
    state: Word = ""
    quality: Word = ""
    quota: int | None = None


class Unusable(Exception):
    """An event that should concern us, and lacks what it is about."""


@cache
def kinds() -> dict[str, EventKind]:
    """What each of Zalo's events is for us."""
    said = tomllib.loads((Path(__file__).parent / "events.toml").read_text("utf-8"))
    return {name: EventKind(kind) for name, kind in said.items()}


def read(raw: Raw) -> ZaloEvent | None:
    """The event in *raw*, None for one that does not concern us. Raises Unusable."""
    name = text_of(raw, "event_name")
    kind = kinds().get(name)
    if kind is None:
        return None
    at = moment(text_of(raw, "timestamp"))
    if at is None:
        raise Unusable(name)
    event = ZaloEvent(kind=kind, key=key(name, raw), at=at, **about(kind, raw))
    if not usable(event):
        raise Unusable(name)
    return event


def about(kind: EventKind, raw: Raw) -> dict[str, Any]:
    """What an event of this kind is about, and nothing else of it."""
    if kind in OF_PEOPLE:
        return {"user_id": who(raw), "oa_id": account(raw)}
    if kind in EVIDENCE:
        message = part(raw, "message")
        return {
            "message_ids": message_ids(raw),
            "tracking_id": word(text_of(message, "tracking_id")),
            "delivered_at": moment(text_of(message, "delivery_time")),
        }
    return changed(raw)


def account(raw: Raw) -> str:
    """The Official Account to which a person turned."""
    return word(text_of(raw, "oa_id", "oaId") or text_of(part(raw, "recipient"), "id"))


def usable(event: ZaloEvent) -> bool:
    """Whether it says whom or what it is about."""
    if event.kind in OF_PEOPLE:
        return bool(event.user_id)
    if event.kind in EVIDENCE:
        return bool(event.tracking_id or event.message_ids)
    return event.kind is EventKind.QUOTA or bool(event.template_id)


def changed(raw: Raw) -> dict[str, Any]:
    """What became of a template, or of the daily quota."""
    status, quota = raw.get("status"), raw.get("quota")
    state = text_of(status, "new_status") or text_of(raw, "status")
    return {
        "template_id": word(text_of(raw, "template_id")),
        "state": word(state),
        "quality": word(text_of(raw, "quality")),
        "quota": whole(quota.get("new_value")) if isinstance(quota, Mapping) else None,
    }


def key(name: str, raw: Raw) -> str:
    """The same for every copy: the message's id and the event's name, else name, time and subject.

    A digest, because the subject may be somebody's id.
    """
    if ids := message_ids(raw):
        return digest(name, *ids)[:KEY_LENGTH]
    about = who(raw), text_of(raw, "template_id"), text_of(part(raw, "message"), "tracking_id")
    return digest(name, text_of(raw, "timestamp"), *about)[:KEY_LENGTH]


def who(raw: Raw) -> str:
    """The person it is about, under the name that each sort of event has for them."""
    places = part(raw, "follower"), part(raw, "sender")
    found = (
        text_of(places[0], "id")
        or text_of(raw, "user_id")
        or text_of(part(raw, "data"), "user_id")
        or text_of(places[1], "id")
    )
    return found if _USER.fullmatch(found) else ""


def message_ids(raw: Raw) -> tuple[str, ...]:
    message = part(raw, "message")
    one = word(text_of(message, "msg_id") or text_of(raw, "msg_id"))
    if one:
        return (one,)
    several = message.get("msg_ids")
    listed = several if isinstance(several, list) else []
    return tuple(filter(None, (word(text_of({"id": id}, "id")) for id in listed)))


def word(text: str) -> str:
    """*text* if it is fit to be a key, else nothing: ids are looked up, never shown."""
    return text if _WORD.fullmatch(text) else ""


def part(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


def moment(text: str) -> datetime | None:
    """Epoch milliseconds, or seconds; None for anything else."""
    stamp = whole(text)
    if stamp is None or stamp <= 0:
        return None
    try:
        return datetime.fromtimestamp(stamp if stamp < MILLISECONDS else stamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
