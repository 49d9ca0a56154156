"""A real receiver of OTLP over HTTP, which keeps all bytes and decodes the spans in them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class ReceivedSpan:
    """One span, with ids as hexadecimal text."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    failed: bool
    start_ns: int
    end_ns: int
    state: str


@dataclass
class OtlpReceiver:
    """Requests that came in. While `silent` is set, none is answered."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requested: threading.Event = field(default_factory=threading.Event)
    silent: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, headers: dict[str, str], body: bytes) -> None:
        self.bodies.append(body)
        self.headers.append(headers)
        self.requested.set()
        if self.silent:
            self.ended.wait()

    def resources(self) -> list[dict[str, Any]]:
        """The attributes of each process that has sent spans."""
        return [_values(one.resource.attributes) for one in self._parts()]

    def spans(self, name: str = "") -> list[ReceivedSpan]:
        """All spans, or those with a name, in the order of their start."""
        found = [
            _received(span)
            for part in self._parts()
            for scope in part.scope_spans
            for span in scope.spans
        ]
        return sorted((one for one in found if name in ("", one.name)), key=lambda s: s.start_ns)

    def _parts(self) -> Iterator[Any]:
        for body in list(self.bodies):
            yield from ExportTraceServiceRequest.FromString(body).resource_spans


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _received(span: Span) -> ReceivedSpan:
    return ReceivedSpan(
        span.name,
        Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        _values(span.attributes),
        span.status.code == 2,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.trace_state,
    )


@contextmanager
def otlp_receiver(port: int = 0) -> Iterator[OtlpReceiver]:
    """A receiver on *port*, or on a free one."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take({"path": self.path, **dict(self.headers)}, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    receiver.port = server.server_port
    try:
        yield receiver
    finally:
        receiver.ended.set()
        server.shutdown()
        serving.join()
        server.server_close()
