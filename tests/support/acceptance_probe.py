"""A sender beside a test: one event after the other, and the longest time without an acceptance."""

import json
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from itertools import pairwise
from typing import Any

from contracts.envelope import CONTENT_TYPE
from tests.support.gateway_client import sample_event

_ANSWER_S = 15.0
_AGAIN_S = 0.05


class AcceptanceProbe(threading.Thread):
    """Posts items for the portal at *door* until it ends, each until it is accepted."""

    def __init__(self, door: str, key: str, name: str, pause_s: float = 0.5) -> None:
        super().__init__(name=name, daemon=True)
        self.door, self.key, self.pause_s = door, key, pause_s
        self.stopped = threading.Event()
        self.accepted: list[str] = []
        """Event ids."""
        self.moments = [time.monotonic()]
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopped.wait(self.pause_s):
                self._send(f"{self.name}-{len(self.accepted)}")
        except Exception as error:
            self.error = error
            raise

    def _send(self, content_id: str) -> None:
        event = sample_event(id=content_id, content_id=content_id, channels=("portal",))
        while not (event_id := post_once(self.door, self.key, event)):
            if self.stopped.wait(_AGAIN_S):
                return
        self.accepted.append(event_id)
        self.moments.append(time.monotonic())

    def end(self) -> float:
        """Stop; the longest time without an acceptance. Raises the error that has ended it."""
        self.stopped.set()
        self.join()
        if self.error:
            raise self.error
        moments = [*self.moments, time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(moments))


def post_once(door: str, key: str, event: dict[str, Any]) -> str | None:
    """The event's id where *door* accepts it; None where it doesn't answer, or asks for a repeat.

    Raises HTTPError where it refuses the event.
    """
    head = {"Authorization": f"Bearer {key}", "Content-Type": CONTENT_TYPE}
    request = urllib.request.Request(f"{door}/v1/events", json.dumps(event).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
            return str(json.load(answer)["event_id"])
    except urllib.error.HTTPError as refused:
        if refused.code != 503:
            raise
    except (OSError, HTTPException):
        pass
    return None
