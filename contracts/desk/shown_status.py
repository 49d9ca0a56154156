"""What people are shown of an item at a moment: its status, and which revisions readers have.

A text is published in the log before its time comes, and stays so after it has ended. Until its
time comes it can be given another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from contracts.editorial import OUT, Action, ActionKind, ItemState, Status
from contracts.editorial.moves import name_of
from contracts.errors import Conflict, Invalid, field_error

_S = TypeVar("_S", bound=Status | None)
PAST = OUT | {Status.EXPIRED, Status.WITHDRAWN, Status.REJECTED}
"""Shown statuses of a text whose time has come, or never comes."""
_TIME = "not_before"


def time_of(data: Mapping[str, Any], name: str) -> datetime | None:
    """A time that a text gives; None if it gives none, or one that can't be read."""
    value = data.get(name)
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def shown_status(
    status: _S, begins: datetime | None, ends: datetime | None, now: datetime
) -> _S | Status:
    """The status at a moment of a text that begins and ends at these times."""
    if status is Status.SCHEDULED and (begins is None or begins <= now):
        return Status.APPROVED  # it leaves at once, and waits for no time
    if status not in OUT:
        return status
    if ends is not None and ends <= now:
        return Status.EXPIRED
    return Status.SCHEDULED if begins is not None and begins > now else status


def shown_status_of(status: Status, data: Mapping[str, Any], now: datetime) -> Status:
    """The status at a moment of the text with these fields."""
    return shown_status(status, time_of(data, _TIME), time_of(data, "expires_at"), now)


@dataclass(frozen=True)
class Readership:
    """The revisions that readers see, will see, and had before a withdrawal; 0: none.

    `is_over`: the time of the one that they see has ended.
    """

    seen: int = 0
    ahead: int = 0
    gone: int = 0
    is_over: bool = False

    @property
    def is_any(self) -> bool:
        """Whether a revision ever went out."""
        return bool(self.seen or self.ahead or self.gone)


class _Release(NamedTuple):
    """A revision that went out: when, and from when on and until when readers have it."""

    revision: int
    at: datetime
    begins: datetime
    ends: datetime | None


def readership_of(state: ItemState, acts: Sequence[Action], now: datetime) -> Readership:
    """What readers have at a moment of the item with these acts."""
    released = [*_releases(acts)]
    living = [one for one in released if one.revision > state.ended]
    shown = [one for one in living if not _is_overtaken(one, living)]
    seen = max((one for one in shown if one.begins <= now), default=None)
    return Readership(
        seen=seen.revision if seen else 0,
        ahead=max((one.revision for one in shown if one.begins > now), default=0),
        gone=0 if living else max((one.revision for one in released), default=0),
        is_over=bool(seen and seen.ends and seen.ends <= now),
    )


def begins_later(act: Action, data: Mapping[str, Any]) -> datetime | None:
    """From when on readers have the text that an act publishes; None for at once."""
    begins = time_of(data, _TIME) if act.kind is ActionKind.PUBLISH else None
    return begins if begins and begins > act.at else None


def _releases(acts: Sequence[Action]) -> Iterable[_Release]:
    texts = {act.hash: act.text.data for act in acts if act.text}
    for act in acts:
        if act.kind is ActionKind.PUBLISH:
            data = texts.get(act.hash, {})
            begins = begins_later(act, data) or act.at
            yield _Release(act.revision, act.at, begins, time_of(data, "expires_at"))


def _is_overtaken(release: _Release, others: Iterable[_Release]) -> bool:
    """Whether a newer revision went out before the time of this one came: it is never shown."""
    waits = release.begins > release.at
    newer = (one for one in others if one.revision > release.revision)
    return waits and any(one.at <= release.begins for one in newer)


def move_time(
    status: Status, data: Mapping[str, Any], not_before: str, now: datetime
) -> dict[str, Any]:
    """*data* with another time, in ISO 8601; empty: at once. *status*: as the log has it.

    Raises Conflict for a text whose time has come, Invalid for the time that it has.
    """
    shown = shown_status_of(status, data, now)
    if shown in PAST:
        raise Conflict(field_error(_TIME, "editorial_time_past", status=name_of(shown)))
    moved = {**data, _TIME: not_before}
    if time_of(moved, _TIME) == time_of(data, _TIME):
        raise Invalid(field_error(f"data.{_TIME}", "editorial_time_same"))
    return moved
