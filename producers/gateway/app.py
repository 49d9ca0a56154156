"""Routes of the gateway: send events, ask for an event's status, read the documentation."""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts import keys, subjects
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.base.fields import ID_PATTERN
from contracts.base.times import Clock
from contracts.base.working_days import WorkingDays
from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError, NotFound, field_error
from contracts.records import EventRecord
from contracts.trace import Status
from contracts.trials.dry_run import DryRuns
from contracts.trials.faces import TrialFaces
from contracts.vocabulary import Vocabulary
from design.settings import SiteIdentity
from producers.acceptance import Acceptance, AcceptedEvent
from producers.bus import Bus
from producers.gateway import openapi_document, problems, request_body, responses
from producers.gateway.access import AccessControl
from producers.gateway.docs_page import DocsPage
from producers.gateway.dry_run import DRY_RUN_PATH, DryRunRoute, has_dry_run
from producers.gateway.history import EventPages, HistoryRoute
from producers.gateway.request_body import ReceivedEvents
from producers.gateway.request_count import RequestCount, count_request
from producers.gateway.trials import FACE_PATH, TrialRoutes
from producers.gateway.vocabulary_document import SCHEMAS_PATH, VOCABULARY_PATH, VocabularyRoutes
from producers.trials import TrialAcceptance
from producers.units.registry import Sender, TrialUnit, UnitRegistry

log = structlog.get_logger()
_RECEIVED = "received"

TraceLookup = Callable[[EventRecord], Awaitable[Mapping[str, Any] | None]]
"""Looks up the trace of an event's item; None when nothing is known yet."""
Endpoint = Callable[[Request], Awaitable[Response]]


class GatewayRoutes:
    """Handlers of the routes; one object per process, whose only state are counters."""

    def __init__(
        self,
        bus: Bus,
        vocabulary: Vocabulary,
        clock: Clock,
        trace: TraceLookup | None,
        days: WorkingDays | None = None,
        faces: TrialFaces | None = None,
        outlooks: DryRuns | None = None,
        pages: EventPages | None = None,
    ) -> None:
        self.acceptance = Acceptance(bus, vocabulary, clock, days)
        self.access = AccessControl(UnitRegistry(bus, vocabulary, clock), clock)
        self.trace = trace
        own = TrialAcceptance(bus.bucket(subjects.TRIALS.name), vocabulary, clock, days)
        self.trials = TrialRoutes(own, self.access, faces)
        self.dry_run = DryRunRoute(self.acceptance, own, self.access, outlooks)
        self.history = HistoryRoute(self.access, pages)

    async def accept_events(self, request: Request) -> Response:
        """Accept one event or a batch; answer after the stream has stored them on disk."""
        with count_request() as count:
            return await self._accept_events(request, count)

    async def ask_events(self, request: Request) -> Response:
        """Tell the outlook of one event or a batch."""
        with count_request() as count:
            return await self._accept_events(request, count, is_asked=True)

    async def _accept_events(
        self, request: Request, count: RequestCount, *, is_asked: bool = False
    ) -> Response:
        began, start_ns = time.monotonic(), time.time_ns()
        member = await self.access.authenticate(request)
        spent_s = time.monotonic() - began
        only_asks = has_dry_run(request) or is_asked
        count.begin(member, only_asks=only_asks)
        request.state.about = {"unit": member.unit}
        self.access.count_events(member)
        charge = partial(self.access.count_events, member)
        delivery = await request_body.read_events(request, charge)
        count.read(member.unit, delivery.events)
        if not delivery.is_batch:
            request.state.about |= _log_ids(member.unit, delivery.events[0])
        if only_asks:
            return await self.dry_run.answer(request, member, delivery, spent_s)
        crash_point("gateway.read")
        with _request_span(request, delivery.events, start_ns):
            accepted = await self._accept(member, delivery, spent_s)
            count.accepted(accepted)
            _log_accepted(member, accepted)
        answers = [_to_answer(event, request) for event in accepted]
        answer = responses.BatchAccepted(events=answers) if delivery.is_batch else answers[0]
        return JSONResponse(answer.model_dump(), 202, responses.trial_headers(request))

    async def _accept(
        self, member: Sender, delivery: ReceivedEvents, spent_s: float
    ) -> list[AcceptedEvent]:
        """Accept events in earnest, or trials: each kind of key has its own acceptance."""
        more: Any = {"batch": delivery.is_batch, "spent_s": spent_s}
        if isinstance(member, TrialUnit):
            return await self.trials.acceptance.accept(member, delivery.events, **more)
        return await self.acceptance.accept(member, delivery.events, **more)

    async def event_status(self, request: Request) -> Response:
        """The status of an event's item, for the unit that sent the event."""
        member = await self.access.authenticate(request)
        self.access.count_query(member)
        if isinstance(member, TrialUnit):
            return await self.trials.status(request, member)
        event_id = request.path_params["event_id"]
        is_id = responses.is_event_id(event_id)
        record = await self.acceptance.find_record(event_id) if is_id else None
        if record is None or record.unit != member.unit:
            raise NotFound(field_error("event_id", "not_found", value=event_id))
        trace = None
        if self.trace and not record.refused:
            trace = await self.trace(record)
        if trace is None or trace.get("state") == _RECEIVED:  # the event's own record has more
            return JSONResponse(_status_from_record(record).model_dump())
        return JSONResponse(dict(trace))


def create_gateway(
    bus: Bus,
    vocabulary: Vocabulary,
    clock: Clock,
    trace: TraceLookup | None = None,
    days: WorkingDays | None = None,
    faces: TrialFaces | None = None,
    outlooks: DryRuns | None = None,
    pages: EventPages | None = None,
) -> Starlette:
    """Create the ASGI app. Without *trace*, a status only says that the event was received.

    *days*: the ministry's own working days. *faces*: of trials. *outlooks*: of dry runs.
    *pages*: of events that units have sent.
    """
    routes = GatewayRoutes(bus, vocabulary, clock, trace, days, faces, outlooks, pages)
    described = DescribedApp()
    _add_event_routes(described, routes)
    _add_word_routes(described, VocabularyRoutes(vocabulary))
    problems.install_handlers(described.app)
    _serve_openapi(described)
    return described.app


def _add_event_routes(described: "DescribedApp", routes: GatewayRoutes) -> None:
    described.add("POST", "/v1/events", routes.accept_events, openapi_document.SEND_ROUTE)
    described.add("POST", DRY_RUN_PATH, routes.ask_events, openapi_document.DRY_RUN_ROUTE)
    described.add("GET", "/v1/events", routes.history.answer, openapi_document.LIST_ROUTE)
    status = (responses.STATUS_PATH, routes.event_status, openapi_document.STATUS_ROUTE)
    described.add("GET", *status)
    described.add("GET", FACE_PATH, routes.trials.face, openapi_document.FACE_ROUTE)


def _add_word_routes(described: "DescribedApp", words: VocabularyRoutes) -> None:
    described.add("GET", VOCABULARY_PATH, words.vocabulary, openapi_document.VOCABULARY_ROUTE)
    described.add("GET", SCHEMAS_PATH, words.schema_list, openapi_document.SCHEMAS_ROUTE)
    schema = (f"{SCHEMAS_PATH}/{{name}}", words.schema, openapi_document.SCHEMA_ROUTE)
    described.add("GET", *schema)


class DescribedApp:
    """An app and FastAPI's description of its routes.

    FastAPI only describes: its layers cost each request 50 us, and check nothing here.
    """

    def __init__(self) -> None:
        self.app = Starlette()
        self.app.router.redirect_slashes = False
        self.description = FastAPI(title="Loa", version="1", openapi_url=None)

    def add(self, method: str, path: str, endpoint: Endpoint, described: dict[str, Any]) -> None:
        self.description.api_route(path, methods=[method], **described)(endpoint)
        _add_route(self.app, method, path, endpoint)


def _add_route(app: Starlette, method: str, path: str, endpoint: Endpoint) -> None:
    """Add a route of this one method; Starlette's own answers HEAD, too."""
    route = Route(path, endpoint)
    route.methods = {method}
    app.router.routes.append(route)


def _serve_openapi(described: DescribedApp) -> None:
    document = openapi_document.build_openapi(described.description)
    described.app.state.document = document

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    _add_route(described.app, "GET", "/openapi.json", openapi)


def add_docs_page(app: Starlette, identity: SiteIdentity) -> None:
    """Serve the documentation of this gateway at `/docs`."""
    page = DocsPage(app.state.document, identity)
    _add_route(app, "GET", "/docs", page.answer)
    app.router.routes.extend(page.asset_routes)


@contextmanager
def _request_span(request: Request, events: Sequence[CloudEvent], start_ns: int) -> Iterator[None]:
    """The span of a request: in the trace of its header, else in that of its only event."""
    own = events[0].extensions if len(events) == 1 else {}
    facts = {"loa.unit": request.state.about["unit"], "messaging.batch.message_count": len(events)}
    with (
        tracing.continued(_trace_headers(request), own),
        tracing.span(tracing.REQUEST, facts, start_ns=start_ns) as span,
    ):
        try:
            yield
        except ContractError as refused:
            span.set({"http.response.status_code": refused.status})
            raise
        span.set({"http.response.status_code": HTTPStatus.ACCEPTED.value})


def _trace_headers(request: Request) -> dict[str, str]:
    """The request's trace context; two parents are none, and several states are one."""
    parents = request.headers.getlist(tracing.PARENT)
    states = ",".join(request.headers.getlist(tracing.STATE))
    return {tracing.PARENT: parents[0], tracing.STATE: states} if len(parents) == 1 else {}


def _to_answer(accepted: AcceptedEvent, request: Request) -> responses.EventAccepted:
    return responses.EventAccepted(
        event_id=accepted.event_id,
        content_id=accepted.content_id,
        revision=accepted.revision,
        status_url=responses.STATUS_PATH.format(event_id=accepted.event_id),
        warnings=list(accepted.warnings),
        trial=responses.is_trial(request),
    )


def _log_accepted(member: Sender, accepted: Sequence[AcceptedEvent]) -> None:
    """Log one line for a request, with the ids of all its events."""
    event_ids = [event.event_id for event in accepted]
    content_ids = list(dict.fromkeys(event.content_id for event in accepted))
    facts = {"unit": member.unit, "event_id": event_ids, "content_id": content_ids}
    if isinstance(member, TrialUnit):
        log.info("trials_accepted", **facts)
    else:
        log.info("events_accepted", **facts)


def _log_ids(unit: str, event: CloudEvent) -> dict[str, str]:
    """Ids for the log of an event that may be refused, if they are well-formed."""
    ids = {"event_id": keys.event_id(unit, event.source, event.id)}
    content_id = event.data.get("content_id")
    if isinstance(content_id, str) and re.fullmatch(ID_PATTERN.strip("^$"), content_id):
        ids["content_id"] = content_id
    return ids


def _status_from_record(record: EventRecord) -> Status:
    """The status from the event's own record; a refused event is not part of its item's trace."""
    return Status(
        content_id=record.content_id,
        revision=record.revision,
        state="refused" if record.refused else _RECEIVED,
        channels={},
        timeline=responses.timeline(record),
    )
