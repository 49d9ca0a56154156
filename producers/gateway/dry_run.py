"""`POST /v1/dry-runs`: what would become of events; nothing is stored.

`POST /v1/events?dry_run=1` asks the same. A gateway of an earlier version accepts that in earnest,
and answers the path with 404.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contracts.content import Submitted
from contracts.delivery import Lane
from contracts.errors import Invalid, field_error
from contracts.events import CheckedEvent
from contracts.trials.dry_run import DryRun, DryRuns, ExpectedEvent, Outlook
from producers.acceptance import Acceptance, ExaminedEvent, limit_answer_time
from producers.case_events import usable_channels
from producers.gateway import responses
from producers.gateway.access import AccessControl
from producers.gateway.request_body import ReceivedEvents
from producers.trials import TrialAcceptance
from producers.units.registry import Sender, TrialUnit

DRY_RUN_PATH = "/v1/dry-runs"
_PARAMETER, _ON = "dry_run", "1"


def has_dry_run(request: Request) -> bool:
    """Whether the parameters ask for the outlook alone.

    Raises Invalid for any value but 1, and for any other parameter: it may be this one, misspelled.
    """
    unknown = [name for name in request.query_params if name != _PARAMETER]
    if unknown:
        raise Invalid(*(field_error(name, "unknown_parameter") for name in unknown))
    given = request.query_params.getlist(_PARAMETER)
    if any(value != _ON for value in given):
        raise Invalid(field_error(_PARAMETER, "dry_run_value", value=", ".join(given)))
    return bool(given)


class DryRunRoute:
    """Answers with the outlook of events; without *outlooks*, with the door's checks alone."""

    def __init__(
        self,
        live: Acceptance,
        trials: TrialAcceptance,
        access: AccessControl,
        outlooks: DryRuns | None,
    ) -> None:
        self.live = live
        self.trials = trials
        self.access = access
        self.outlooks = outlooks

    async def answer(
        self, request: Request, member: Sender, delivery: ReceivedEvents, spent_s: float
    ) -> Response:
        """The outlook of the request's events. Raises as their acceptance would."""
        async with limit_answer_time(spent_s):
            return await self._answer(request, member, delivery, spent_s)

    async def _answer(
        self, request: Request, member: Sender, delivery: ReceivedEvents, spent_s: float
    ) -> Response:
        more: Any = {"batch": delivery.is_batch, "spent_s": spent_s}
        if isinstance(member, TrialUnit):
            found = await self.trials.examine(member, delivery.events, **more)
        else:
            found = await self.live.examine(member, delivery.events, **more)
        body = DryRun(
            dry_run=True,
            events=await self._expected(member, found, previews=not delivery.is_batch),
            quota=self.access.quota(member),
            trial=responses.is_trial(request),
        )
        return JSONResponse(body.model_dump(mode="json"), headers=responses.trial_headers(request))

    async def _expected(
        self, member: Sender, found: Sequence[ExaminedEvent], *, previews: bool
    ) -> list[ExpectedEvent]:
        """One answer for each event; later ones of a batch do not see the earlier ones."""
        outlooks = await self.outlooks.with_readers() if self.outlooks else None
        ask = partial(self._outlook, outlooks, member, previews=previews)
        return [_expected(one, await ask(one)) for one in found]

    async def _outlook(
        self, outlooks: DryRuns | None, member: Sender, one: ExaminedEvent, *, previews: bool
    ) -> Outlook:
        checked = one.event
        if one.record is not None:
            return Outlook(one.record.revision)
        if checked.contact is not None:
            first = usable_channels(checked, member.registration)[0]
            return Outlook(None, release="automatic", channels={first: {"people": 1}})
        if outlooks is None:
            return Outlook(checked.revision)
        if isinstance(member, TrialUnit):
            return await outlooks.of_trial(checked, previews=previews)
        mode = member.registration.release
        return await outlooks.of_event(checked, mode, previews=previews)


def _expected(one: ExaminedEvent, outlook: Outlook) -> ExpectedEvent:
    return ExpectedEvent(
        event_id=one.event.event_id,
        content_id=one.event.content_id,
        revision=outlook.revision,
        is_known=one.record is not None,
        refusals=list(outlook.refusals),
        warnings=list(one.event.warnings),
        release=outlook.release,
        lane=_lane(one.event),
        channels={name: dict(facts) for name, facts in outlook.channels.items()},
        previews=dict(outlook.previews),
    )


def _lane(checked: CheckedEvent) -> str | None:
    if checked.contact is not None:
        return Lane.NOTICE
    return checked.content.lane if isinstance(checked.content, Submitted) else None
