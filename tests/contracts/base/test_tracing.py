"""Without a tracer, spans are nothing."""

from contracts.base import tracing


def test_without_a_tracer_a_span_is_one_object_that_records_nothing():
    spans = tracing.span(tracing.REQUEST), tracing.child(tracing.WINDOW, {"loa.rows": 1})
    assert spans[0] is spans[1]
    with spans[0] as span, tracing.continued({"traceparent": f"00-{1:032x}-{1:016x}-01"}):
        span.set({"loa.rows": 2})
        assert (tracing.carrier(), tracing.trace_id()) == ({}, "")
