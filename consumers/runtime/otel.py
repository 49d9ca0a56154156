"""The tracer that exports spans over OTLP/HTTP, with OpenTelemetry's SDK (the extra `tracing`).

Ended spans wait in a bounded queue that one thread sends. A collector that is away, slow or refuses
costs spans, which are counted; Loa never waits for it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar, Token
from functools import cached_property
from types import TracebackType
from typing import cast

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consumers.runtime.errors import RetryLater
from contracts.base.tracing import PARENT, STATE, Attributes, Carrier, Span, SpanType
from contracts.errors import ContractError

log = structlog.get_logger()
QUEUE_SPANS = 4096
_BATCH_SPANS = 512
_CLOSE_S = 2.0
_REPORT_S = 60.0
_SERVER_ERROR = 500
_KINDS = {kind.value: kind for kind in SpanKind}
_PROPAGATOR = TraceContextTextMapPropagator()
_SDK_LOGGER = "opentelemetry"


class _LastMessage(logging.Handler):
    """Keeps the last message of the SDK, which repeats itself for every try."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class _CountingExporter(SpanExporter):
    """Counts what is handed to the exporter, and what the exporter has delivered or lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter
        self.taken = self.sent = self.lost = 0

    def export(self, spans: Sequence["ReadableSpan | _Child"]) -> SpanExportResult:
        self.taken += len(spans)
        result = self.exporter.export([*map(_readable, spans)])
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
        else:
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self.exporter.shutdown()


class _BoundedQueue(BatchSpanProcessor):
    """Refuses new spans, and counts them, while QUEUE_SPANS wait to be sent."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = _CountingExporter(exporter)
        self.accepted = self.refused = 0
        super().__init__(self.exporter, 2 * QUEUE_SPANS, max_export_batch_size=_BATCH_SPANS)

    def on_end(self, span: "ReadableSpan | _Child") -> None:
        if self.accepted - self.exporter.taken >= QUEUE_SPANS:
            self.refused += 1
            return
        self.accepted += 1
        super().on_end(cast("ReadableSpan", span))  # it asks for the context alone

    @property
    def dropped(self) -> int:
        """Spans that were refused or lost so far."""
        return self.refused + self.exporter.lost

    @property
    def unsent(self) -> int:
        """Spans that wait, or are under way."""
        return self.accepted - self.exporter.sent - self.exporter.lost


class _Resource(Resource):
    """A resource that hashes itself once: the encoder asks for the hash of every span."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource.attributes, resource.schema_url)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class OtelTracer:
    """A tracer whose spans go to *exporter*; of traces that begin here, *ratio* are sampled."""

    def __init__(self, exporter: SpanExporter, service: tuple[str, str], ratio: float) -> None:
        """*service*: the name and the version under which the spans appear."""
        name, version = service
        self.queue = _BoundedQueue(exporter)
        self.resource = _Resource(Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version}))
        self.scope = InstrumentationScope("loa", version)
        self.provider = TracerProvider(
            ParentBased(TraceIdRatioBased(ratio)), self.resource, shutdown_on_exit=False
        )
        self.provider.add_span_processor(self.queue)
        self.tracer = self.provider.get_tracer("loa", version)
        self.new_span_id = self.provider.id_generator.generate_span_id
        self.reported = 0
        self.last_message = _LastMessage()
        logger = logging.root.manager.getLogger(_SDK_LOGGER)
        logger.handlers, logger.propagate = [self.last_message], False

    @contextmanager
    def span(
        self, what: SpanType, attributes: Attributes, links: Sequence[Carrier], start_ns: int
    ) -> Iterator[Span]:
        """See `tracing.span`. An error is named by its type: its message may hold an address."""
        here = _current()
        others = [one for one in map(_read, links) if _names_another(one, here)]
        span = self.tracer.start_span(
            what.name,
            _context_of(here),
            kind=_KINDS[what.kind],
            attributes={**what.attributes, **attributes},
            links=[*map(Link, others)],
            start_time=start_ns or None,
        )
        with _entered(span.get_span_context()):
            try:
                yield _SdkSpan(span)
            except BaseException as error:
                found, status = _judge(error)
                span.set_attributes(found)
                span.set_status(status)
                raise
            finally:
                span.end()

    def child(self, what: SpanType, attributes: Attributes) -> AbstractContextManager[Span]:
        return _Child(self, what, attributes)

    def continued(self, carriers: Sequence[Carrier]) -> AbstractContextManager[None]:
        for carrier in carriers:
            found = _read(carrier)
            if _names_another(found, _current()):
                return _entered(found)
            if found.is_valid:
                break
        return nullcontext()

    def carrier(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        _PROPAGATOR.inject(headers, _context_of(_current()))
        return headers

    def trace_id(self) -> str:
        current = _current()
        return trace.format_trace_id(current.trace_id) if current.is_valid else ""

    def dropped_spans(self) -> int:
        return self.queue.dropped

    async def report_drops(self) -> None:
        """Report dropped spans once a minute, until cancelled."""
        while True:
            await asyncio.sleep(_REPORT_S)
            self._report(self.queue.dropped)

    async def close(self) -> None:
        """Send what waits, for two seconds at most, and report what is lost."""
        ending = threading.Thread(target=self.provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, _CLOSE_S)
        self._report(self.queue.dropped + self.queue.unsent)

    def _report(self, dropped: int) -> None:
        if new := dropped - self.reported:
            reason = self.last_message.text or "the queue is full"
            log.warning("spans_dropped", spans=new, total=dropped, reason=reason)
            self.reported = dropped


class _SdkSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)


class _Child:
    """A span that is made when it is sent: what every window of mails can afford."""

    def __init__(self, tracer: OtelTracer, what: SpanType, attributes: Attributes) -> None:
        self._tracer, self._what = tracer, what
        self._attributes: dict[str, str | int | bool] = {**attributes}
        self._token: Token[SpanContext | _Child] | None = None

    def __enter__(self) -> Span:
        self._parent = parent = _current()
        if parent.is_valid and parent.trace_flags.sampled:
            self._token = _innermost.set(self)
            self._start_ns = time.time_ns()
        return self

    def set(self, attributes: Attributes) -> None:
        self._attributes |= attributes

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        _reset(self._token)
        self._token = None  # it holds the whole context of its task
        self._outcome, self._end_ns = _judge(error), time.time_ns()
        self._tracer.queue.on_end(self)

    @property
    def context(self) -> SpanContext:
        """The parent's context: the queue asks it whether the span is sampled."""
        return self._parent

    @cached_property
    def own_context(self) -> SpanContext:
        parent, own_id = self._parent, self._tracer.new_span_id()
        return SpanContext(parent.trace_id, own_id, False, parent.trace_flags, parent.trace_state)

    def to_span(self) -> ReadableSpan:
        found, status = self._outcome
        return ReadableSpan(
            self._what.name,
            self.own_context,
            self._parent,
            self._tracer.resource,
            {**self._what.attributes, **self._attributes, **found},
            kind=_KINDS[self._what.kind],
            status=status,
            start_time=self._start_ns,
            end_time=self._end_ns,
            instrumentation_scope=self._tracer.scope,
        )


_innermost: ContextVar[SpanContext | _Child] = ContextVar(
    "innermost span", default=trace.INVALID_SPAN_CONTEXT
)
"""The span under way in this task. OpenTelemetry's own context costs more than a window may."""


@contextmanager
def _entered(span: SpanContext) -> Iterator[None]:
    """Make *span* the current one: one of this process, or of another."""
    token = _innermost.set(span)
    try:
        yield
    finally:
        _reset(token)


def _reset(token: Token[SpanContext | _Child]) -> None:
    """Go back to the span before *token*; in another task there is nothing to go back to."""
    with suppress(ValueError):
        _innermost.reset(token)


def _readable(span: ReadableSpan | _Child) -> ReadableSpan:
    return span.to_span() if isinstance(span, _Child) else span


def _judge(error: BaseException | None) -> tuple[Attributes, Status]:
    """Attributes and status of a span that ends with *error*; a refused event is no failure."""
    if error is None or isinstance(error, RetryLater):
        return {}, _UNSET
    refused = isinstance(error, ContractError) and error.status < _SERVER_ERROR
    return {"error.type": type(error).__name__}, _UNSET if refused else _FAILED


_UNSET, _FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


def _current() -> SpanContext:
    here = _innermost.get()
    return here.own_context if isinstance(here, _Child) else here


def _names_another(span: SpanContext, here: SpanContext) -> bool:
    """Whether *span* is of another trace than *here*."""
    return span.is_valid and span.trace_id != here.trace_id


def _context_of(span: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def _read(carrier: Carrier) -> SpanContext:
    """The context that *carrier* names; an invalid one if it names none, or a malformed one."""
    texts = {name: text for name in (PARENT, STATE) if isinstance(text := carrier.get(name), str)}
    if PARENT not in texts:
        return trace.INVALID_SPAN_CONTEXT
    found = _PROPAGATOR.extract(texts, Context())
    return trace.get_current_span(found).get_span_context()
