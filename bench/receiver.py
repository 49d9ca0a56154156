"""A small SMTP receiver that can be slow, and tells when the mails that are watched for came.

python -m bench.receiver DELAY_MS PREFIX

Prints its port; then a line with address and monotonic time for every mail to an address that
starts with PREFIX (`-`: for none). With a delay every burst of replies waits that long.
"""

import asyncio
import sys
import time
from collections.abc import Callable

import uvloop

READY = b"250-receiver\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
OK, GO_ON, BYE = b"250 ok\r\n", b"354 go on\r\n", b"221 bye\r\n"
END = b"\r\n.\r\n"
PLACE = len("RCPT TO:<")


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay_s: float, prefix: bytes, tell: Callable[[bytes], None]) -> None:
        self.delay_s, self.prefix, self.tell = delay_s, prefix, tell
        self.rest = b""
        self.in_mail = False
        self.came = b""  # whom the current mail is for, if it is watched for

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(b"220 receiver ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        replies = []
        while (reply := self.step()) is not None:
            replies.append(reply)
        if not replies:
            return
        if self.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay_s, self.answer, b"".join(replies))
        else:
            self.answer(b"".join(replies))

    def answer(self, replies: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(replies)

    def step(self) -> bytes | None:
        """The reply to the next whole command or mail; None when there is none yet."""
        command, end, rest = self.rest.partition(END if self.in_mail else b"\r\n")
        if not end:
            return None
        self.rest = rest
        if self.in_mail:
            return self.mail()
        verb = command[:4].upper()
        self.in_mail = verb == b"DATA"
        if verb == b"RCPT" and self.prefix and command[PLACE:].startswith(self.prefix):
            self.came = command[PLACE:].partition(b">")[0]
        return {b"EHLO": READY, b"DATA": GO_ON, b"QUIT": BYE}.get(verb, OK)

    def mail(self) -> bytes:
        self.in_mail = False
        if self.came:
            self.tell(self.came)
            self.came = b""
        return OK


def tell(address: bytes) -> None:
    print(address.decode(), time.monotonic(), flush=True)


async def serve(delay_s: float, prefix: bytes) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(delay_s, prefix, tell), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    named = sys.argv[2].encode()
    uvloop.run(serve(float(sys.argv[1]) / 1000, b"" if named == b"-" else named))
