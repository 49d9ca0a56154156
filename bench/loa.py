"""Loa as it is installed: `loa up`, readers from a CSV file, one event through the HTTP door."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import processes
from bench.run import Run
from bench.sink import Sink
from contracts.vocabulary import DEFAULT

LOA = Path(sys.executable).parent / "loa"
FOLDER = Path("var/bench").resolve()  # on the disk that Loa would use; /tmp may be memory
UNIT = next(iter(DEFAULT.units))
TOPIC, WARM_UP_TOPIC = list(DEFAULT.topics)[:2]
STOP_S = 20
START_S = 60
SEND_S = 300
BODY = "Bộ Nội vụ thông báo danh mục thủ tục hành chính được sửa đổi, bổ sung."
"""Short: the frames of text and HTML alone come near 5 KB; the table prints what a mail is."""


class LoaFailed(Exception):
    """A command of Loa or its answer was not what the bench needs."""


@dataclass(frozen=True)
class Server:
    """A running `loa up` with a unit that may publish."""

    pid: int
    url: str
    key: str

    def post(self, revision_of: str, topic: str) -> dict[str, Any]:
        """Post one event. Returns the door's answer."""
        return self._ask("/v1/events", event(revision_of, topic))

    def story(self, status_url: str) -> dict[str, Any]:
        return self._ask(status_url)["channels"].get("email", {})

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        address = path if "://" in path else self.url.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = "application/cloudevents+json"
        request = urllib.request.Request(address, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


class Loa:
    """The whole platform in one process and its embedded nats-server, which fsyncs always."""

    name = "Loa, fsync always"

    def run(self, sink: Sink, mails: int) -> Run:
        """A fresh Loa with *mails* readers; one mail to another topic's reader warms it up."""
        with fresh_server(sink) as server:
            import_readers(mails)
            self._deliver(server, sink, 1, WARM_UP_TOPIC)
            processes.settle(server.pid)
            return self._measure(server, sink, mails)

    def _measure(self, server: Server, sink: Sink, mails: int) -> Run:
        read, before = sink.wire_bytes, processes.used(server.pid)
        started = time.monotonic()
        self._deliver(server, sink, mails, TOPIC)
        own, bus = map(processes.spent, before, processes.used(server.pid))
        first_s, last_s = sink.first_at - started, sink.last_at - started
        return Run(mails, first_s, last_s, sink.wire_bytes - read, own, bus)

    def _deliver(self, server: Server, sink: Sink, mails: int, topic: str) -> None:
        """Post one event; return when the ledger is closed. Raises LoaFailed on a wrong count."""
        sink.expect(mails)
        came = sink.count
        answer = server.post(f"bench-{topic}"[:64].rstrip("-"), topic)
        sink.wait(SEND_S)
        story = closed(server, answer["status_url"])
        if story["delivered"] != mails or sink.count - came != mails:
            raise LoaFailed(f"{sink.count - came} mails at the sink, the ledger says {story}")


def closed(server: Server, status_url: str) -> dict[str, Any]:
    """The e-mail channel's numbers once nothing is open any more."""
    deadline = time.monotonic() + SEND_S
    while time.monotonic() < deadline:
        story = server.story(status_url)
        if story.get("complete"):
            return story
        time.sleep(0.1)
    raise LoaFailed(f"not complete after {SEND_S} s: {story}")


def event(content_id: str, topic: str) -> bytes:
    """A structured CloudEvent that goes out by mail alone."""
    data = {
        "content_id": content_id,
        "revision": 1,
        "topic": topic,
        "title": "Danh mục thủ tục hành chính được sửa đổi, bổ sung năm 2026",
        "summary": "Áp dụng từ ngày 01 tháng 12 năm 2026.",
        "body": BODY,
        "channels": ["email"],
    }
    envelope = {
        "specversion": "1.0",
        "id": content_id,
        "type": "vn.gov.moha.content.submitted.v1",
        "source": f"/units/{UNIT}",
        "subject": content_id,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(envelope).encode()


def import_readers(mails: int) -> None:
    """*mails* readers of TOPIC and one of WARM_UP_TOPIC, through the command."""
    lines = ["email,name,topics,audiences,units,frequency"]
    lines += [f"reader{n}@example.com,Người đọc {n},{TOPIC},,," for n in range(mails)]
    lines.append(f"warm-up@example.com,Người đọc,{WARM_UP_TOPIC},,,")
    csv = FOLDER / "readers.csv"
    csv.write_text("\n".join(lines) + "\n")
    answer = command("subscribers", "import", csv, "--json")
    if answer["added"] != mails + 1:
        raise LoaFailed(f"readers were not added: {answer}")


@contextmanager
def fresh_server(sink: Sink) -> Iterator[Server]:
    """`loa up` on an empty folder, its mail going to *sink*; stopped politely at the end."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    relay = {"HOST": "127.0.0.1", "PORT": str(sink.port), "TLS": "none", "FROM": "loa@example.com"}
    settings = {f"LOA_EMAIL_{name}": value for name, value in relay.items()}
    with (FOLDER / "loa.log").open("wb") as log:
        line = [LOA, "up", "--data", FOLDER, "--port", "0"]
        up = subprocess.Popen(line, env=environment(settings), cwd=FOLDER, stdout=log, stderr=log)
        try:
            url = wait_until_ready(up)
            key = command("units", "add", UNIT, "--release", "automatic", "--json")["api_key"]
            yield Server(up.pid, url, key)
        finally:
            up.terminate()
            up.wait(STOP_S)


def wait_until_ready(up: subprocess.Popen[bytes]) -> str:
    """The address in ready.json once it is there."""
    ready, deadline = FOLDER / "run" / "ready.json", time.monotonic() + START_S
    while time.monotonic() < deadline and up.poll() is None:
        if ready.exists():
            return json.loads(ready.read_text())["url"]
        time.sleep(0.05)
    raise LoaFailed(f"loa up did not get ready; its log is {FOLDER / 'loa.log'}")


def command(*arguments: str | Path) -> dict[str, Any]:
    """Run one `loa` command against the running Loa; its answer is JSON."""
    done = subprocess.run(
        [LOA, *arguments], env=environment({}), cwd=FOLDER, capture_output=True, text=True
    )
    if done.returncode:
        raise LoaFailed(f"loa {arguments[0]}: exit {done.returncode}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment without anybody's LOA_ settings, plus *settings*."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("LOA_")}  # noqa: TID251
    return mine | {"LOA_DATA_DIR": str(FOLDER)} | settings
