"""Spans: whose children they are, what they never say, and what a lost collector costs."""

import threading

import pytest
import structlog
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from consumers.runtime import otel
from consumers.runtime.errors import RetryLater
from contracts.base import tracing
from contracts.errors import Invalid, Unavailable, field_error
from tests.support.traced import traced

TRACE, PARENT = f"{0xABC:032x}", f"{0xDEF:016x}"
WELL_FORMED = f"00-{TRACE}-{PARENT}-01"


class HeldExporter(SpanExporter):
    """Takes spans and answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.released, self.count = threading.Event(), threading.Event(), 0

    def export(self, spans):
        self.begun.set()
        self.released.wait()
        self.count += len(spans)
        return SpanExportResult.SUCCESS


class RefusingExporter(SpanExporter):
    def export(self, spans):
        return SpanExportResult.FAILURE


@pytest.mark.parametrize(
    "parent",
    [
        "", "x", f"00-{TRACE}-{PARENT}", f"00-{TRACE[1:]}-{PARENT}-01", f"00-{0:032x}-{PARENT}-01",
        f"00-{TRACE}-{0:016x}-01", f"ff-{TRACE}-{PARENT}-01", f"{WELL_FORMED}-more", 7,
        WELL_FORMED.upper(),
    ],
)  # fmt: skip
def test_a_malformed_parent_begins_a_new_trace(parent):
    with traced() as process:
        with tracing.continued({"traceparent": parent}), tracing.span(tracing.REQUEST):
            assert tracing.trace_id() not in (TRACE, "")
        assert process.spans()[0].parent is None


def test_a_version_of_the_future_is_read_as_the_known_one():
    with traced(), tracing.continued({"traceparent": f"01-{TRACE}-{PARENT}-01-more"}):
        assert tracing.trace_id() == TRACE


def test_a_carrier_of_the_same_trace_leaves_the_current_span_the_parent():
    with traced() as process:
        with (
            tracing.continued({}, {"traceparent": WELL_FORMED}),
            tracing.span(tracing.REQUEST),
            tracing.continued({"traceparent": WELL_FORMED}),
            tracing.child(tracing.ACCEPT),
        ):
            headers = tracing.carrier()
        accept, request = process.spans()
        assert f"{request.parent.span_id:016x}" == PARENT
        assert accept.parent == request.context
        assert headers == {"traceparent": f"00-{TRACE}-{accept.context.span_id:016x}-01"}


def test_what_happens_within_a_child_is_its_own():
    """Spans, children and carriers of other traces within it, and what follows it."""
    other = {"traceparent": f"00-{1:032x}-{2:016x}-01"}
    with traced() as process:
        with tracing.span(tracing.DELIVER):
            with tracing.child(tracing.WINDOW), tracing.child(tracing.ZALO_CALL):
                with tracing.span(tracing.STORE), tracing.child(tracing.ACCEPT):
                    pass
                with tracing.continued(other), tracing.span(tracing.INTAKE):
                    pass
            with tracing.span(tracing.RELEASE):
                pass
        spans = {span.name: span for span in process.spans()}
        parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
        own = {name: span.context.span_id for name, span in spans.items()}
    assert parents == {
        "accept": own["store CONTENT"],
        "store CONTENT": own["zalo call"],
        "intake CONTENT": 2,
        "zalo call": own["window"],
        "window": own["deliver DELIVER"],
        "release PUBLICATIONS": own["deliver DELIVER"],
        "deliver DELIVER": None,
    }


def test_links_name_other_traces_only():
    other = {"traceparent": f"00-{1:032x}-{2:016x}-01"}
    with traced() as process:
        with tracing.continued({"traceparent": WELL_FORMED}):
            links = ({}, other, {"traceparent": WELL_FORMED}, {"traceparent": "x"})
            with tracing.span(tracing.DELIVER, links=links):
                pass
        assert [link.context.trace_id for link in process.spans()[0].links] == [1]


@pytest.mark.parametrize("carrier", [{}, {"traceparent": f"00-{TRACE}-{PARENT}-00"}])
def test_outside_a_sampled_trace_a_child_is_nothing(carrier):
    with traced(ratio=0.0) as process:
        with tracing.continued(carrier), tracing.span(tracing.REQUEST):
            with tracing.child(tracing.WINDOW, {"loa.rows": 1}) as window:
                window.set({"loa.rows": 2})
            flags = int(tracing.carrier()["traceparent"][-2:], 16)
            assert flags & 1 == 0, "what follows is not sampled either"
        with tracing.child(tracing.WINDOW):
            assert tracing.carrier() == {}
        assert process.spans() == []


def test_a_trace_that_its_sender_samples_is_sampled_whatever_the_ratio():
    with traced(ratio=0.0) as process:
        with tracing.continued({"traceparent": WELL_FORMED}), tracing.span(tracing.REQUEST):
            pass
        assert process.traces() == {"POST /v1/events": TRACE}


@pytest.mark.parametrize(
    ("error", "named", "status"),
    [
        (ValueError("nguoi@example.com"), "ValueError", StatusCode.ERROR),
        (Invalid(field_error("data.title", "not_object")), "Invalid", StatusCode.UNSET),
        (Unavailable(field_error("event", "not_object")), "Unavailable", StatusCode.ERROR),
        (RetryLater(1.0, "more to do"), None, StatusCode.UNSET),
    ],
)
def test_an_error_is_named_by_its_type_alone(error, named, status):
    with traced() as process:
        with (
            pytest.raises(type(error)),
            tracing.span(tracing.REQUEST),
            tracing.child(tracing.ACCEPT),
        ):
            raise error
        for span in process.spans():
            assert (span.attributes.get("error.type"), span.status.status_code) == (named, status)
            assert (span.status.description, span.events) == (None, ())


async def test_a_slow_collector_costs_the_spans_that_find_no_room(monkeypatch):
    monkeypatch.setattr(otel, "QUEUE_SPANS", 8)
    monkeypatch.setattr(otel, "_BATCH_SPANS", 4)
    exporter = HeldExporter()
    with traced(exporter) as process, structlog.testing.capture_logs() as lines:
        for _ in range(4):
            with tracing.span(tracing.REQUEST):
                pass
        assert exporter.begun.wait(20)
        for _ in range(20):
            with tracing.span(tracing.REQUEST):
                pass
        queue = process.tracer.queue
        assert (tracing.dropped_spans(), queue.unsent) == (12, 12)
        exporter.released.set()
        await process.tracer.close()
        assert (exporter.count, queue.dropped, queue.unsent) == (12, 12, 0)
    told = [(one["spans"], one["total"]) for one in lines if one["event"] == "spans_dropped"]
    assert told == [(12, 12)]


async def test_a_stop_does_not_wait_for_a_collector_that_never_answers(monkeypatch):
    monkeypatch.setattr(otel, "_CLOSE_S", 0.01)
    exporter = HeldExporter()
    with traced(exporter) as process, structlog.testing.capture_logs() as lines:
        with tracing.span(tracing.REQUEST):
            pass
        await process.tracer.close()
        exporter.released.set()
    assert [(one["event"], one["spans"]) for one in lines] == [("spans_dropped", 1)]


async def test_what_a_collector_refuses_is_told_once():
    with traced(RefusingExporter()) as process, structlog.testing.capture_logs() as lines:
        with tracing.span(tracing.REQUEST):
            pass
        await process.tracer.close()
        await process.tracer.close()
    assert [(one["event"], one["spans"]) for one in lines] == [("spans_dropped", 1)]
