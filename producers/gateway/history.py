"""`GET /v1/events`: the events that a unit has sent in the last 30 days, newest first."""

from typing import NamedTuple, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contracts.desk.shown.unit_events import UnitEvent, UnitEventPages
from contracts.errors import FieldError, Invalid, field_error, unknown_word
from contracts.trace import TraceState
from producers.gateway import responses
from producers.gateway.access import AccessControl
from producers.units.registry import Sender, TrialUnit

MOST, _USUAL = 100, 50
STATES: tuple[str, ...] = get_args(TraceState)
_LONGEST_CURSOR = 19


class EventPages(NamedTuple):
    """The events in earnest, and the trials, by pages."""

    live: UnitEventPages
    trials: UnitEventPages


class _Asked(NamedTuple):
    limit: int
    before: int
    state: str


class HistoryRoute:
    """Lists the events of the unit whose key is shown. Without *pages* there are none."""

    def __init__(self, access: AccessControl, pages: EventPages | None) -> None:
        self.access = access
        self.pages = pages

    async def answer(self, request: Request) -> Response:
        """One page. Raises Unauthorized, RateLimited, Invalid naming each wrong parameter."""
        member = await self.access.authenticate(request)
        self.access.count_query(member)
        answer = await self._page(member, _read_query(request))
        body = answer.model_copy(update={"trial": responses.is_trial(request)})
        return JSONResponse(body.model_dump(mode="json"), headers=responses.trial_headers(request))

    async def _page(self, member: Sender, asked: _Asked) -> responses.EventList:
        quota = self.access.quota(member)
        if self.pages is None:
            return responses.EventList(events=[], next=None, days={}, quota=quota)
        pages = self.pages.trials if isinstance(member, TrialUnit) else self.pages.live
        page = await pages.page(member.unit, asked.before, asked.limit)
        days = {} if asked.before else await pages.days(member.unit)
        return responses.EventList(
            events=[_listed(one) for one in page.events if asked.state in ("", one.state)],
            next=str(page.next_before) if page.next_before else None,
            days={day.isoformat(): count for day, count in days.items()},
            quota=quota,
        )


def _listed(event: UnitEvent) -> responses.ListedEvent:
    return responses.ListedEvent(
        event_id=event.event_id,
        content_id=event.content_id,
        revision=event.revision,
        kind=event.kind,
        at=event.at.isoformat(),
        state=event.state,
        error=next(iter(event.errors), None),
    )


def _read_query(request: Request) -> _Asked:
    """The parameters. Raises Invalid."""
    given = {name: request.query_params.get(name, "") for name in _Asked._fields}
    given["before"] = request.query_params.get("cursor", "")
    wrong: list[FieldError] = []
    limit, before = given["limit"] or str(_USUAL), given["before"] or "0"
    if not (limit.isdecimal() and len(limit) <= len(str(MOST)) and 1 <= int(limit) <= MOST):
        wrong.append(field_error("limit", "list_limit", value=limit, most=MOST))
    if not (before.isdecimal() and len(before) <= _LONGEST_CURSOR):
        wrong.append(field_error("cursor", "list_cursor", value=before))
    if given["state"] not in ("", *STATES):
        wrong.append(unknown_word("state", "unknown_state", given["state"], STATES))
    if wrong:
        raise Invalid(*wrong)
    return _Asked(int(limit), int(before), given["state"])
