"""HTTP/1.1 on the wire: the parser written in C, with the bound on heads that it lacks."""

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAX = 64 << 10
"""Bytes of a request line and its headers; web servers in front allow 8 to 32 KiB."""

log = structlog.get_logger()


class BoundedHeads(HttpToolsProtocol):
    """Ends a connection whose request has a head without end, instead of keeping all of it."""

    in_head = True
    head_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_MAX and b"\r\n\r\n" not in data[:HEAD_MAX]:
                log.warning("request_head_too_long")
                self.send_400_response("The head of the request is too long.")
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.in_head, self.head_bytes = True, 0
        super().on_message_complete()
