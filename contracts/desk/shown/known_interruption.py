"""The interruption of services that readers of an item know of, by what was done on the item."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any, Protocol

from contracts.editorial import ActionKind
from contracts.interruptions.announcement import Announcement
from contracts.interruptions.known import KnownInterruption, known_after


class _Act(Protocol):
    """The fields of an act that tell when a text was released."""

    @property
    def at(self) -> datetime: ...

    @property
    def kind(self) -> ActionKind: ...

    @property
    def revision(self) -> int: ...

    @property
    def hash(self) -> str: ...

    @property
    def rule(self) -> str: ...


def known_interruption(
    acts: Iterable[_Act], texts: Mapping[str, Mapping[str, Any]], now: datetime
) -> KnownInterruption | None:
    """The interruption that readers know *now*; *texts*: data of the item's texts, by hash.

    A text that the next release overtook before its time told them nothing.
    """
    released = [one for _, one in sorted(_releases(acts).items())]
    known: KnownInterruption | None = None
    for act, following in zip_longest(released, released[1:]):
        said = Announcement.read(texts.get(act.hash, {}))
        shown = said.shown_at(act.at)
        if shown <= (following.at if following else now):
            known = known_after(known, said.interruption, shown)
    return known


def _releases(acts: Iterable[_Act]) -> Mapping[int, _Act]:
    """The acts that released what no withdrawal took back, by revision.

    What a rule approves goes out at once; the log says a little later that it is out.
    """
    found, ended = dict[int, _Act](), 0
    for act in acts:
        if act.kind is ActionKind.PUBLISH or (act.kind is ActionKind.RECEIVE and act.rule):
            found.setdefault(act.revision, act)
        elif act.kind is ActionKind.SUPERSEDE:
            found.pop(act.revision, None)
        elif act.kind is ActionKind.WITHDRAW:
            ended = max(ended, act.revision)
    return {revision: act for revision, act in found.items() if revision > ended}
