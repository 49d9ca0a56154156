"""Spans of distributed traces (W3C Trace Context): no effect until a process installs a tracer.

All packages use this module; `consumers.runtime.otel` is the tracer. Attributes are ids, counts and
words of the code: never an address, a name, message text or a secret.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

Attributes = Mapping[str, str | int | bool]
Carrier = Mapping[str, object]
"""Headers or event attributes, of which `traceparent` and `tracestate` are read."""
PARENT, STATE = "traceparent", "tracestate"
_NONE: Attributes = {}


class Kind(IntEnum):
    """The span kinds of OpenTelemetry, with its numbers."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


@dataclass(frozen=True, slots=True)
class SpanType:
    """The name and the kind of a span, and the attributes that all spans of the type have."""

    name: str
    kind: Kind = Kind.INTERNAL
    attributes: Attributes = field(default_factory=dict)


def _messaging(operation: str, stream: str, kind: Kind) -> SpanType:
    """A step that stores a message on *stream*, or processes one."""
    attributes = {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": "send" if kind is Kind.PRODUCER else "process",
        "messaging.destination.name": stream,
    }
    return SpanType(f"{operation} {stream}", kind, attributes)


_ROUTE = {"http.request.method": "POST", "http.route": "/v1/events"}
REQUEST = SpanType("POST /v1/events", Kind.SERVER, _ROUTE)
ACCEPT = SpanType("accept")
STORE = _messaging("store", "CONTENT", Kind.PRODUCER)
INTAKE = _messaging("intake", "CONTENT", Kind.CONSUMER)
NOTICE = _messaging("notice", "CONTENT", Kind.CONSUMER)
RELEASE = _messaging("release", "PUBLICATIONS", Kind.PRODUCER)
DISPATCH = _messaging("dispatch", "PUBLICATIONS", Kind.CONSUMER)
DELIVER = _messaging("deliver", "DELIVER", Kind.CONSUMER)
WINDOW = SpanType("window", Kind.CLIENT)
PORTAL_WRITE = SpanType("portal write")
ZALO_CALL = SpanType("zalo call", Kind.CLIENT)


class Span(Protocol):
    """A span under way."""

    def set(self, attributes: Attributes) -> None:
        """Add *attributes*."""


class Tracer(Protocol):
    """The tracer of a process; see the functions of this module."""

    def span(
        self, what: SpanType, attributes: Attributes, links: Sequence[Carrier], start_ns: int
    ) -> AbstractContextManager[Span]: ...
    def child(self, what: SpanType, attributes: Attributes) -> AbstractContextManager[Span]: ...
    def continued(self, carriers: Sequence[Carrier]) -> AbstractContextManager[None]: ...
    def carrier(self) -> dict[str, str]: ...
    def trace_id(self) -> str: ...
    def dropped_spans(self) -> int: ...


class _NoSpan:
    def set(self, attributes: Attributes) -> None:
        """Record nothing."""


_tracer: Tracer | None = None
_NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())
_NO_TRACE = nullcontext()


def install(tracer: Tracer | None) -> None:
    """Trace with *tracer* from now on; None ends tracing."""
    global _tracer
    _tracer = tracer


def span(
    what: SpanType,
    attributes: Attributes = _NONE,
    links: Sequence[Carrier] = (),
    start_ns: int = 0,
) -> AbstractContextManager[Span]:
    """A span of the current trace, or the first one of a new trace.

    *links*: other traces that it belongs to; those that name none, or the current one, are ignored.
    *start_ns*: when it began, in nanoseconds since the epoch; 0: now.
    """
    return _tracer.span(what, attributes, links, start_ns) if _tracer else _NO_SPAN


def child(what: SpanType, attributes: Attributes = _NONE) -> AbstractContextManager[Span]:
    """A span within the current one, at a tenth of the cost of `span`; none outside a trace."""
    return _tracer.child(what, attributes) if _tracer else _NO_SPAN


def continued(*carriers: Carrier) -> AbstractContextManager[None]:
    """Continue the trace of the first of *carriers* that names one.

    The current span stays the parent if it belongs to that trace, or if no carrier names one. A
    malformed `traceparent` counts as none, as the recommendation of the W3C demands.
    """
    return _tracer.continued(carriers) if _tracer else _NO_TRACE


def carrier() -> dict[str, str]:
    """The headers that name the current span; empty outside a trace."""
    return _tracer.carrier() if _tracer else {}


def trace_id() -> str:
    """The id of the current trace, for the log; empty outside a trace."""
    return _tracer.trace_id() if _tracer else ""


def dropped_spans() -> int:
    """How many spans found no room, or no collector, since the start."""
    return _tracer.dropped_spans() if _tracer else 0
