"""Talking to a running Loa: events through its HTTP door, and what it says became of them."""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import letter
from bench.sink import Sink

POLL_S = 0.1
SEND_S = 600
JSON = "application/cloudevents+json"


class LoaFailed(Exception):
    """A command of Loa or its answer was not what the bench needs."""


@dataclass(frozen=True)
class Server:
    """A running Loa. `pids`: its process, and the nats-server where that is not its child."""

    folder: Path
    url: str
    nats_url: str
    key: str
    pids: tuple[int, ...]

    @property
    def pid(self) -> int:
        return self.pids[0]

    def post(self, event: dict[str, Any]) -> dict[str, Any]:
        """Send one event; the door's answer."""
        return self.ask("/v1/events", json.dumps(event).encode())

    def ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        address = path if "://" in path else self.url.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self.key}"}
        if body is not None:
            headers["Content-Type"] = JSON
        request = urllib.request.Request(address, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def closed(self, status_url: str) -> dict[str, Any]:
        """The e-mail channel's numbers once nothing is open any more. Raises LoaFailed."""
        deadline = time.monotonic() + SEND_S
        while time.monotonic() < deadline:
            story = self.ask(status_url)["channels"].get("email", {})
            if story.get("complete"):
                return story
            time.sleep(POLL_S)
        raise LoaFailed(f"not complete after {SEND_S} s: {story}")

    def deliver(self, sink: Sink, mails: int, event: dict[str, Any]) -> None:
        """Post one event; return when the ledger is closed. Raises LoaFailed on a wrong count."""
        sink.expect(mails)
        came = sink.count
        answer = self.post(event)
        sink.wait(SEND_S)
        story = self.closed(answer["status_url"])
        if story["delivered"] != mails or sink.count - came != mails:
            raise LoaFailed(f"{sink.count - came} mails at the sink, the ledger says {story}")


def item(content_id: str, topic: str, **more: Any) -> dict[str, Any]:
    """A structured CloudEvent that goes out by mail alone."""
    data = {
        "content_id": content_id,
        "revision": 1,
        "topic": topic,
        "title": letter.TITLE,
        "summary": letter.SUMMARY,
        "body": letter.BODY,
        "channels": ["email"],
    }
    return envelope("content.submitted", content_id, data | more)


def envelope(kind: str, id: str, data: dict[str, Any], unit: str = letter.UNIT) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id,
        "type": f"vn.gov.moha.{kind}.v1",
        "source": f"/units/{unit}",
        "datacontenttype": "application/json",
        "data": data,
    }
