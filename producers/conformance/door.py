"""A door that answers a sender as Loa does, or fails on purpose, and judges what it gets."""

import json
import re
import sys
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self

from contracts.envelope import JSON_TYPE, MAX_EVENT_BYTES
from contracts.errors import ContractError, FieldError, Invalid, NotFound, Unauthorized, field_error
from producers.conformance.recordings import Sent, read_target
from producers.conformance.rules import Judge, Rule, finding, request_errors
from producers.conformance.scenario import Answer, Scenario, outlook, problem
from producers.texts import get_text

_PROBLEM_TYPE = "application/problem+json"
_MAX_BODY_BYTES = 32 * MAX_EVENT_BYTES
_MAX_LINE = 1000
_PIECE_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


class RecordingDoor:
    """An HTTP server for one sender; a context manager that serves in threads of its own."""

    def __init__(self, judge: Judge, scenario: Scenario, host: str, port: int) -> None:
        self.judge = judge
        self.scenario = scenario
        self._lock = Lock()
        self._stopping = Event()
        self._requests = 0
        self._server = _Server((host, port), _Handler)
        self._server.door = self
        self._thread = Thread(target=self._server.serve_forever, name="conformance", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def receive(self, sent: Sent) -> Answer:
        """Judge a request and answer it."""
        with self._lock:
            self._requests += 1
            sent = replace(sent, place=f"#{self._requests}", at=time.monotonic())
            answer = self._answer(sent)
            status, retry_s = answer.status, float(answer.retry_after_s)
            self.judge.judge(replace(sent, status=status, retry_after_s=retry_s))
        self._stopping.wait(answer.silence_s)
        return answer

    def refuse(self, error: FieldError) -> Answer:
        """Note and answer a request that can't be read."""
        with self._lock:
            self._requests += 1
            found = finding(f"#{self._requests}", Rule.REQUEST, error)
            self.judge.add_result(Rule.REQUEST, [found])
        return Answer(400, problem(400, [error]))

    def _answer(self, sent: Sent) -> Answer:
        try:
            for error in request_errors(sent):
                raise Unauthorized(error) if error.field == "Authorization" else NotFound(error)
            events = self.judge.check_all(sent)
            if sent.is_dry_run:
                return outlook(events, self.judge.known)
            return self.scenario.answer(events)
        except ContractError as wrong:
            return Answer(wrong.status, problem(wrong.status, wrong.errors))

    def is_done(self) -> bool:
        """Whether every step was met, and every event that has to be repeated was."""
        with self._lock:
            return not self.scenario.left and not self.judge.open_events()


class _Server(ThreadingHTTPServer):
    """The server of one door."""

    daemon_threads = True
    door: RecordingDoor

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, but for a sender that has closed the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the door."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        """Hand a request to the door, also one to another path."""
        headers = dict(self.headers.items())
        try:
            body = self._body()
        except Invalid as wrong:
            self.close_connection = True
            self._reply(self.server.door.refuse(wrong.errors[0]))
            return
        path, is_dry_run = read_target(self.path)
        sent = Sent("", body, headers, path=path, is_dry_run=is_dry_run)
        self._reply(self.server.door.receive(sent))

    def do_GET(self) -> None:
        """Answer a status: every event is received."""
        event_id = self.path.rpartition("/")[2]
        known = self.server.door.judge.known.get(event_id)
        error = field_error("event_id", "not_found", value=event_id)
        if known is None:
            self._reply(Answer(404, problem(404, [error])))
            return
        status = {"content_id": known.event.content_id, "revision": None, "state": "received"}
        self._reply(Answer(200, {**status, "channels": {}, "timeline": []}))

    def log_message(self, *_: object) -> None:
        """Say nothing: the report tells of every request."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        size = self.headers.get("Content-Length", "")
        return self.rfile.read(min(int(size), _MAX_BODY_BYTES) if size.isdecimal() else 0)

    def _chunk(self) -> bytes:
        """The next piece of a body that is sent in pieces; the last one is empty.

        Raises Invalid for a size that is none.
        """
        size = self.rfile.readline(_MAX_LINE).split(b";")[0].strip()
        if not _PIECE_SIZE.fullmatch(size):
            wrong = get_text("conformance", "no_piece", value=size.decode("latin-1"))
            raise Invalid(wrong.as_field_error("Transfer-Encoding"))
        piece = self.rfile.read(min(int(size, 16), _MAX_BODY_BYTES))
        self.rfile.readline(_MAX_LINE)
        return piece

    def _reply(self, answer: Answer) -> None:
        """Answer, or end the connection without a word."""
        self.close_connection = self.close_connection or not answer.status
        if not answer.status:
            return
        body = json.dumps(dict(answer.body), ensure_ascii=False).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", JSON_TYPE if answer.status < 300 else _PROBLEM_TYPE)
        self.send_header("Content-Length", str(len(body)))
        if answer.retry_after_s:
            self.send_header("Retry-After", str(answer.retry_after_s))
        self.end_headers()
        self.wfile.write(body)
