"""An HTTP server that gives the answers it was told, in turn, and notes each request."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple


class Given(NamedTuple):
    """An answer of the scripted door."""

    status: int
    body: object = None
    headers: Mapping[str, str] = MappingProxyType({})


class ScriptedDoor(ThreadingHTTPServer):
    """Answers in turn, and notes what was asked."""

    def __init__(self) -> None:
        self.answers: list[Given] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, _, body in self.asked]


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedDoor

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.server.asked.append((self.path, dict(self.headers), body))
        given = self.server.answers.pop(0)
        content = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
        self.send_response(given.status)
        for name, value in given.headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write nothing: the test says what was asked."""


@contextmanager
def serving() -> Iterator[ScriptedDoor]:
    with ScriptedDoor() as door:
        thread = threading.Thread(target=door.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()
