"""The delivery of an item as it goes on: a page, and the events that keep it up to date."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from starlette.responses import PlainTextResponse, Response

from contracts.delivery import OPEN, Status
from contracts.desk.live import ChannelProgress, LiveItem
from contracts.desk.previews import Wanted
from contracts.desk.roles import READ_DRAFTS
from producers.desk.delivery.wanted import REVISION, wanted_item
from producers.desk.event_stream import EventStream
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit

WATCH = (READ_DRAFTS, "operate")
_RETRY_S = 10
_RELOADS = "tu-tai"
_ARRIVED = Status.DELIVERED
_SHARES = (("half", "50 %"), ("95", "95 %"), ("last", "100 %"))


class ShownChannel(NamedTuple):
    """A channel's rows in the order in which the page shows them; they add up to `expected`."""

    progress: ChannelProgress
    rows: Sequence[tuple[str, int]]

    @property
    def times(self) -> Sequence[tuple[str, float | None]]:
        """After how many seconds each share had arrived; the last one only at the end."""
        reached = self.progress.reached
        known = {**reached} if self.progress.is_complete else {**reached, "last": None}
        return [(name, known.get(mark)) for mark, name in _SHARES]


async def show_live(visit: Visit) -> Response:
    """The counts now; a script goes on from there. Without it the page loads itself, if asked to.

    A page that reloads by itself moves readers of screens to its top: it is each person's choice.
    """
    wanted = wanted_item(visit)
    item = await visit.desk.services.live.look(wanted)
    path = f"/tin/{quote(item.content_id)}/dang-gui"
    shown = {REVISION: wanted.revision} if wanted.revision else {}
    reloads = visit.request.query_params.get(_RELOADS) == "1"
    still, again = _address(path, shown), _address(path, {**shown, _RELOADS: 1})
    facts: dict[str, Any] = {
        "channels": _shown_channels(item),
        "links": _links(visit, item),
        "stream": _address(f"{path}/dong", shown),
        "reloads": reloads,
        "here": again if reloads else still,
        "other": still if reloads else again,
    }
    return visit.page("live.html", item=item, **facts)


def _address(path: str, asked: Mapping[str, int]) -> str:
    return f"{path}?{urlencode(asked)}" if asked else path


async def stream_live(visit: Visit) -> Response:
    """The counts whenever they change, as server-sent events."""
    wanted = wanted_item(visit)
    if not visit.desk.streams.has_room(wanted.account):
        retry = {"Retry-After": str(_RETRY_S)}
        return PlainTextResponse("busy", HTTPStatus.SERVICE_UNAVAILABLE, retry)
    await visit.desk.services.live.look(wanted)
    return EventStream(_pages(visit, wanted), visit.desk.streams, (visit.token, wanted))


async def _pages(visit: Visit, wanted: Wanted) -> AsyncGenerator[str, None]:
    """The part of the page that changes, for each state of the item."""
    async with aclosing(visit.desk.services.live.watch(wanted)) as states:
        async for item in states:
            name = f"{item.content_id}.{item.revision}"
            facts = {"item": item, "channels": _shown_channels(item)}
            yield visit.desk.services.pages.render_once(name, "live_counts.html", item, facts)


def _shown_channels(item: LiveItem) -> list[ShownChannel]:
    return [ShownChannel(one, _rows(one)) for one in item.channels]


def _rows(progress: ChannelProgress) -> list[tuple[str, int]]:
    """Rows that arrived, rows that wait, then all other ends; those without rows are left out."""
    names: Mapping[str, str] = desk_texts()["live"]["status"]
    order = sorted(Status, key=lambda one: (one is not _ARRIVED, one not in OPEN))
    counts = [(one.value, progress.statuses.get(one, 0)) for one in order]
    counts.append(("missing", progress.missing))
    return [(names[name], count) for name, count in counts if count or name == _ARRIVED]


def _links(visit: Visit, item: LiveItem) -> list[tuple[str, str]]:
    """Where the item is corrected or withdrawn, for those who may."""
    said: Mapping[str, str] = desk_texts()["live"]
    path = f"/tin/{quote(item.content_id)}"
    links = [(path, said["item"])] if visit.visitor.may(READ_DRAFTS) else []
    if visit.visitor.may("write") and not item.is_withdrawn:
        links.append((f"{path}/sua", said["correct"]))
    if visit.visitor.may("withdraw") and not item.is_withdrawn:
        links.append((f"{path}#go", said["withdraw"]))
    return links
