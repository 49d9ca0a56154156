"""A tracer in this process, whose spans a test reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumers.runtime.otel import OtelTracer
from contracts.base import tracing


class TracedProcess:
    """Tracing as a process has it, with an exporter in memory unless another is given."""

    def __init__(self, exporter: SpanExporter | None = None, ratio: float = 1.0) -> None:
        self.memory = InMemorySpanExporter()
        self.tracer = OtelTracer(exporter or self.memory, ("loa", "0"), ratio)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """The ended spans, or those with a name, in the order of their end."""
        self.tracer.queue.force_flush()
        return [one for one in self.memory.get_finished_spans() if name in ("", one.name)]

    def traces(self) -> dict[str, Any]:
        """The trace id of the last span of each name."""
        return {one.name: f"{one.context.trace_id:032x}" for one in self.spans()}


@contextmanager
def traced(exporter: SpanExporter | None = None, ratio: float = 1.0) -> Iterator[TracedProcess]:
    """Trace while the block runs."""
    process = TracedProcess(exporter, ratio)
    tracing.install(process.tracer)
    try:
        yield process
    finally:
        tracing.install(None)
        process.tracer.provider.shutdown()
