"""Webhook queue: waiting events, their attempts, and their due times."""

from dataclasses import dataclass

from sandbox.zalo.state.journal import Fact
from sandbox.zalo.state.people import FactHandler

RETRY_DELAYS_S = (30.0, 300.0, 900.0, 1800.0, 3600.0)
"""Delays of the five retries."""


@dataclass
class QueuedEvent:
    """One event for the app; its bytes are the same at every attempt."""

    id: str
    body: str
    timestamp: str
    server: str
    due: float
    tries: int = 0


class WebhookQueue:
    """The app's subscription, and its waiting events."""

    def __init__(self) -> None:
        self.url = ""
        self.enabled = False
        self.waiting: dict[str, QueuedEvent] = {}
        self.handlers: dict[str, FactHandler] = {
            "webhook_set": self.subscribe,
            "webhook_enabled": self.enable,
            "webhook_disabled": self.disable,
            "event_raised": self.add,
            "event_posted": self.record_attempt,
        }

    def subscribe(self, fact: Fact, at: float) -> None:  # noqa: ARG002 -- a move
        self.url, self.enabled = fact["url"], bool(fact["url"])
        if not self.enabled:
            self.waiting.clear()

    def enable(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.enabled = True

    def disable(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        """The subscription ends; waiting events are lost."""
        self.enabled = False
        self.waiting.clear()

    def add(self, fact: Fact, at: float) -> None:
        event = QueuedEvent(fact["id"], fact["body"], fact["timestamp"], fact["server"], at)
        self.waiting[event.id] = event

    def record_attempt(self, fact: Fact, at: float) -> None:
        """Record an attempt; `again` says whether another one follows."""
        if not fact["again"]:
            self.waiting.pop(fact["id"], None)
            return
        event = self.waiting[fact["id"]]
        event.due = at + RETRY_DELAYS_S[event.tries]
        event.tries += 1

    def due(self, now: float, shuffle: int) -> list[QueuedEvent]:
        """Events to send now. Shuffled events are gathered, and the last leaves first."""
        again = [event for event in self.waiting.values() if event.tries and event.due <= now]
        fresh = [event for event in self.waiting.values() if not event.tries and event.due <= now]
        if shuffle <= 1:
            return again + fresh
        whole = len(fresh) - len(fresh) % shuffle
        groups = [fresh[start : start + shuffle] for start in range(0, whole, shuffle)]
        return again + [event for group in groups for event in reversed(group)]
