"""Celery with a Redis of its own: its worker, its queue, and what its records say."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, BinaryIO

from bench import letter
from bench.tools import peer_python, tool

CONCURRENCY = 2
START_S, STOP_S = 120, 30
EVERY_SECOND = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")


class PeerFailed(Exception):
    """Celery or Redis did not do what was asked."""


@dataclass(frozen=True)
class Peer:
    """A running worker. `pids`: the worker's, then Redis's."""

    environment: Mapping[str, str]
    redis: Path
    pids: tuple[int, int]

    def fire(self, event: str, mails: int) -> float:
        """Ask for *mails* of *event*; the monotonic time of that."""
        command = [peer_python(), "celery_app.py", event, str(mails)]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=Path(__file__).parent,
            check=True,
            stdout=subprocess.PIPE,
        )
        return float(done.stdout)

    def recorded(self, event: str, mails: int, timeout_s: float = 60) -> None:
        """Return when the records say so. Raises PeerFailed."""
        end = time.monotonic() + timeout_s
        while (sent := self.sent(event)) < mails:
            if time.monotonic() > end:
                raise PeerFailed(f"{sent} of {mails} mails are recorded")
            time.sleep(0.01)

    def sent(self, event: str) -> int:
        with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as answer:
            line.connect(str(self.redis))
            line.sendall(b"SELECT 1\r\nGET sent:%b\r\n" % event.encode())
            answer.readline()
            length = int(answer.readline()[1:])
            return 0 if length < 0 else int(answer.read(length))


def lay_ready(folder: Path, mails: int) -> None:
    """The same bytes that Loa sends, and the texts in them."""
    bodies = [letter.rendered().envelope(letter.reader(number)).body for number in range(mails)]
    ends = [0]
    for body in bodies:
        ends.append(ends[-1] + len(body))
    (folder / "mails").write_bytes(b"".join(bodies))
    shown = message_from_bytes(bodies[0], policy=policy.default)
    parts = {kind: shown.get_body((kind,)).get_content() for kind in ("plain", "html")}
    texts = {
        "ends": ends,
        "from": str(shown["From"]),
        "sender": letter.SENDER,
        "subject": letter.TITLE,
        "name": letter.reader(0).name,
        "text": parts["plain"],
        "html": parts["html"],
    }
    (folder / "texts").write_text(json.dumps(texts))


@contextmanager
def running(folder: Path, relay_port: int, *, build: bool) -> Iterator[Peer]:
    """Redis and a Celery worker on what lies ready in *folder*. Raises Missing."""
    place = folder / ("building" if build else "ready")
    place.mkdir()
    redis = place / "redis"
    told = {"redis": str(redis), "port": relay_port, "build": build}
    told |= {name: str(folder / name) for name in ("mails", "texts")}
    environment = os.environ | {"PEER": json.dumps(told)}  # noqa: TID251
    here = Path(__file__).parent
    serve = [tool("redis-server"), "--port", "0", "--unixsocket", redis, "--dir", place]
    worker = [peer_python(), "-m", "celery", "-A", "celery_app", "worker", "-P", "prefork"]
    counts = ["-c", str(CONCURRENCY), "--without-gossip", "--without-mingle"]
    with (
        (place / "log").open("wb") as log,
        process([*serve, *EVERY_SECOND], log) as server,
        process([*worker, *counts], log, env=environment, cwd=here) as celery,
    ):
        yield Peer(environment, redis, (celery.pid, server.pid))


@contextmanager
def process(
    command: Sequence[object], log: BinaryIO, **where: Any
) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(command, stdout=log, stderr=log, **where)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(STOP_S)
