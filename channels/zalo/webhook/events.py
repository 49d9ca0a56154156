"""Webhook events, reduced to the facts Loa needs: no texts, phones or names of people."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from channels.zalo.client.response import first_text, whole_number
from channels.zalo.errors import UnusableEvent
from contracts.base.times import utc_time
from contracts.catalog import load_texts
from contracts.keys import digest

_MILLISECONDS_FROM = 10**12
"""Times below this are in seconds, as in older events."""
_KEY_LENGTH = 32
_WORD = re.compile(r"[-_A-Za-z0-9]{1,128}")
_USER = re.compile(r"[0-9]{1,30}")

SafeId = Annotated[str, StringConstraints(pattern=r"^[-_A-Za-z0-9]{0,128}$")]
"""An id or a state that can be part of a key; empty for none."""
RawEvent = Mapping[str, Any]


class EventKind(StrEnum):
    """Loa's kinds of events; `events.toml` maps Zalo's names to them."""

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


_PERSON_KINDS = {
    EventKind.FOLLOW,
    EventKind.UNFOLLOW,
    EventKind.INBOUND,
    EventKind.INTERACTION,
    EventKind.WITHDRAWN,
}
DELIVERY_KINDS = {EventKind.DELIVERED, EventKind.SEEN, EventKind.ANSWERED}
"""Kinds that prove the arrival of our own message."""


class ZaloEvent(BaseModel):
    """One event; `key` is the same for every copy of it.

    `user_id` belongs to this Official Account alone. It is left out where it is not needed: the
    recipient of a receipt may be a phone number. Message ids are those of our own messages.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: EventKind
    key: SafeId
    at: AwareDatetime
    oa_id: SafeId = ""
    user_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,30}$")] = ""
    message_ids: tuple[SafeId, ...] = ()
    tracking_id: SafeId = ""
    delivered_at: AwareDatetime | None = None
    template_id: SafeId = ""
    state: SafeId = ""
    quality: SafeId = ""
    quota: int | None = None


@cache
def event_kinds() -> dict[str, EventKind]:
    """Loa's kind of each of Zalo's event names."""
    table = load_texts(Path(__file__).parent / "events.toml")
    return {name: EventKind(kind) for name, kind in table.items()}


def parse_event(raw: RawEvent) -> ZaloEvent | None:
    """The event in *raw*; None for a kind Loa ignores. Raises UnusableEvent."""
    name = first_text(raw, "event_name")
    kind = event_kinds().get(name)
    if kind is None:
        return None
    at = _parse_time(first_text(raw, "timestamp"))
    if at is None:
        raise UnusableEvent(name)
    event = ZaloEvent(kind=kind, key=event_key(name, raw), at=at, **_event_fields(kind, raw))
    if not _is_complete(event):
        raise UnusableEvent(name)
    return event


def _event_fields(kind: EventKind, raw: RawEvent) -> dict[str, Any]:
    """The facts of an event of this kind, without the rest of *raw*."""
    if kind in _PERSON_KINDS:
        account = first_text(raw, "oa_id", "oaId") or first_text(raw.get("recipient"), "id")
        return {"user_id": _person_id(raw), "oa_id": _safe_id(account)}
    if kind in DELIVERY_KINDS:
        return {
            "message_ids": message_ids(raw),
            "tracking_id": _safe_id(_tracking_id(raw)),
            "delivered_at": _parse_time(first_text(raw.get("message"), "delivery_time")),
        }
    return _change_fields(raw)


def _is_complete(event: ZaloEvent) -> bool:
    """Whether the event names its person, message or template."""
    if event.kind in _PERSON_KINDS:
        return bool(event.user_id)
    if event.kind in DELIVERY_KINDS:
        return bool(event.tracking_id or event.message_ids)
    return event.kind is EventKind.QUOTA or bool(event.template_id)


def _change_fields(raw: RawEvent) -> dict[str, Any]:
    """The change of a template, or of the daily quota."""
    status, quota = raw.get("status"), raw.get("quota")
    state = first_text(status, "new_status") or first_text(raw, "status")
    return {
        "template_id": _safe_id(first_text(raw, "template_id")),
        "state": _safe_id(state),
        "quality": _safe_id(first_text(raw, "quality")),
        "quota": whole_number(quota.get("new_value")) if isinstance(quota, Mapping) else None,
    }


def event_key(name: str, raw: RawEvent) -> str:
    """The same key for every copy: message id and event name, otherwise name, time and subject.

    A digest, because the subject may be a person's id.
    """
    if ids := message_ids(raw):
        return digest(name, *ids)[:_KEY_LENGTH]
    template_id, tracking_id = first_text(raw, "template_id"), _tracking_id(raw)
    about = (_person_id(raw), template_id, tracking_id)
    return digest(name, first_text(raw, "timestamp"), *about)[:_KEY_LENGTH]


def _person_id(raw: RawEvent) -> str:
    """The person of the event, whose field differs between kinds."""
    id = (
        first_text(raw.get("follower"), "id")
        or first_text(raw, "user_id")
        or first_text(raw.get("data"), "user_id")
        or first_text(raw.get("sender"), "id")
    )
    return id if _USER.fullmatch(id) else ""


def message_ids(raw: RawEvent) -> tuple[str, ...]:
    message = raw.get("message")
    if single := _safe_id(first_text(message, "msg_id") or first_text(raw, "msg_id")):
        return (single,)
    ids = message.get("msg_ids") if isinstance(message, Mapping) else None
    listed = ids if isinstance(ids, list) else []
    return tuple(filter(None, (_safe_id(first_text({"id": id}, "id")) for id in listed)))


def _safe_id(text: str) -> str:
    """*text* if it can be part of a key; otherwise empty."""
    return text if _WORD.fullmatch(text) else ""


def _tracking_id(raw: RawEvent) -> str:
    return first_text(raw.get("message"), "tracking_id")


def _parse_time(text: str) -> datetime | None:
    """Epoch milliseconds or seconds; None for other texts."""
    stamp = whole_number(text)
    if stamp is None or stamp <= 0:
        return None
    try:
        return utc_time(stamp if stamp < _MILLISECONDS_FROM else stamp / 1000)
    except (ValueError, OverflowError, OSError):
        return None
