"""The revisions of an item that readers have, will have, and had before a withdrawal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from contracts.desk.shown.text_times import EXPIRES_AT, NOT_BEFORE, time_of
from contracts.editorial import Action, ActionKind, ItemState
from contracts.editorial.action import NOT_RELEASED


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
    """The revision that readers have at a moment of the item with these acts."""
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
    is_released = act.kind is ActionKind.PUBLISH and act.code != NOT_RELEASED
    begins = time_of(data, NOT_BEFORE) if is_released else None
    return begins if begins and begins > act.at else None


def _releases(acts: Sequence[Action]) -> Iterable[_Release]:
    texts = {act.hash: act.text.data for act in acts if act.text}
    for act in acts:
        if act.kind is ActionKind.PUBLISH and act.code != NOT_RELEASED:
            data = texts.get(act.hash, {})
            begins = begins_later(act, data) or act.at
            yield _Release(act.revision, act.at, begins, time_of(data, EXPIRES_AT))


def _is_overtaken(release: _Release, others: Iterable[_Release]) -> bool:
    """Whether a newer revision went out before the time of this one came: it is never shown."""
    waits = release.begins > release.at
    newer = (one for one in others if one.revision > release.revision)
    return waits and any(one.at <= release.begins for one in newer)
