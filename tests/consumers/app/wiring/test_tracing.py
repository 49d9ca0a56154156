"""Tracing starts only where a collector is set and the extra is installed."""

import sys

import pytest
import structlog

from consumers.app.settings import TracingSettings
from consumers.app.wiring.tracing import export_traces
from contracts.base import tracing
from tests.support.otlp_receiver import otlp_receiver

COLLECTOR = TracingSettings(exporter_otlp_endpoint="http://127.0.0.1:9")
MODULE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@pytest.mark.parametrize("settings", [TracingSettings(), COLLECTOR])
async def test_without_a_collector_or_without_the_extra_loa_runs_on(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)
    with structlog.testing.capture_logs() as lines:
        async with export_traces(settings):
            with tracing.span(tracing.REQUEST):
                assert tracing.carrier() == {}
    told = [(one["event"], one["missing"], one["install"]) for one in lines]
    assert told == [("tracing_not_installed", MODULE, "loa[tracing]")][: bool(settings.traces_url)]


async def test_spans_leave_when_the_process_stops_and_none_are_written_afterwards():
    with otlp_receiver() as collector:
        async with export_traces(TracingSettings(exporter_otlp_endpoint=collector.url)):
            with tracing.span(tracing.REQUEST):
                trace_id = tracing.trace_id()
        assert tracing.trace_id() == ""
        [span] = collector.spans()
        assert (span.trace, span.name) == (trace_id, "POST /v1/events")
        assert collector.headers[0]["path"] == "/v1/traces"
