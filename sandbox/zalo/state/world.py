"""State of the sandbox: app, tokens, articles, broadcasts, people, messages, quotas."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.base.times import Clock, utc_time, vietnam_time
from sandbox.zalo.state.conversations import Conversations
from sandbox.zalo.state.journal import Fact, Journal
from sandbox.zalo.state.people import FactHandler, People
from sandbox.zalo.state.rules import Rules
from sandbox.zalo.state.templates import TemplateStore
from sandbox.zalo.state.webhook_queue import WebhookQueue

_MINUTE_S = 60.0
_REFRESH_LIFE_S = 90 * 86400.0
_EXPIRED, INVALID = -220, -216


@dataclass
class StoredArticle:
    """An article."""

    id: str
    payload: dict[str, Any]
    created: float
    updated: float

    @property
    def visible(self) -> bool:
        return self.payload.get("status") == "show"


@dataclass
class StoredBroadcast:
    """A broadcast."""

    id: str
    at: float
    articles: list[str]
    target: dict[str, Any] = field(default_factory=dict)
    delivered: float | None = None
    users: list[str] = field(default_factory=list)


@dataclass
class Tokens:
    access: str = ""
    refresh: str = ""
    expires: float = 0.0
    spent: set[str] = field(default_factory=set)
    ends: float = 0.0  # of the refresh token


class World:
    """All state follows from the journal's facts; `record` is the only way to change it."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.journal = journal
        self.clock = clock
        self.clock_offset_s = 0.0
        self.rules = Rules()
        self.tokens = Tokens()
        self.articles: dict[str, StoredArticle] = {}
        self.by_token: dict[str, str] = {}
        self.broadcasts: list[StoredBroadcast] = []
        self.created: Counter[str] = Counter()
        self.calls: Counter[int] = Counter()
        self.people = People()
        self.conversations = Conversations(self.people)
        self.templates = TemplateStore()
        self.webhook_queue = WebhookQueue()
        self.handlers = self.own_handlers()
        for part in (self.people, self.conversations, self.templates, self.webhook_queue):
            self.handlers |= part.handlers
        for fact in journal.facts():
            self.apply(fact)

    def own_handlers(self) -> dict[str, FactHandler]:
        return {
            "granted": self.set_tokens,
            "article_created": self.add_article,
            "article_updated": self.update_article,
            "article_removed": self.remove_article,
            "broadcast_sent": self.add_broadcast,
            "broadcast_delivered": self.mark_delivered,
            "rules_set": self.set_rules,
            "clock_set": self.set_clock,
        }

    def record(self, kind: str, **facts: Any) -> None:
        """Record a fact in the journal, then apply it."""
        self.record_at(self.clock(), kind, **facts)

    def record_at(self, moment: float, kind: str, **facts: Any) -> None:
        """Record a fact with the *moment* at which it was due."""
        fact = {"at": utc_time(moment).isoformat(), "kind": kind, **facts}
        self.journal.append(fact)
        self.apply(fact)

    def apply(self, fact: Fact) -> None:
        move = self.handlers.get(fact["kind"])
        if move is not None:
            move(fact, datetime.fromisoformat(fact["at"]).timestamp())

    def set_tokens(self, fact: Fact, at: float) -> None:
        """A new pair; the previous one becomes invalid."""
        spent = (self.tokens.spent | {self.tokens.refresh}) - {fact["refresh_token"]}
        access, refresh = fact["access_token"], fact["refresh_token"]
        self.tokens = Tokens(access, refresh, fact["expires"], spent, at + _REFRESH_LIFE_S)

    def add_article(self, fact: Fact, at: float) -> None:
        self.articles[fact["id"]] = StoredArticle(fact["id"], fact["payload"], at, at)
        self.by_token[fact["token"]] = fact["id"]
        self.created[_month_label(at)] += 1

    def update_article(self, fact: Fact, at: float) -> None:
        item = self.articles[fact["id"]]
        item.payload, item.updated = fact["payload"], at
        self.by_token[fact["token"]] = item.id

    def remove_article(self, fact: Fact, at: float) -> None:  # noqa: ARG002 -- a move
        self.created[_month_label(self.articles.pop(fact["id"]).created)] -= 1

    def add_broadcast(self, fact: Fact, at: float) -> None:
        sent = StoredBroadcast(fact["id"], at, fact["articles"], fact.get("target") or {})
        self.broadcasts.append(sent)

    def mark_delivered(self, fact: Fact, at: float) -> None:
        sent = next(broadcast for broadcast in self.broadcasts if broadcast.id == fact["id"])
        sent.delivered, sent.users = at, fact["users"]

    def set_rules(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        """Set rules; rules of an older sandbox that no longer exist are ignored."""
        changes = {
            name: value for name, value in fact["rules"].items() if name in Rules.model_fields
        }
        self.rules = Rules.model_validate(self.rules.model_dump() | changes)

    def set_clock(self, fact: Fact, at: float) -> None:  # noqa: ARG002
        self.clock_offset_s = fact["offset_s"]

    def check_token(self, token: str) -> int:
        """0, or Zalo's error for a bad token."""
        if not token or token != self.tokens.access:
            return INVALID
        return _EXPIRED if self.clock() >= self.tokens.expires else 0

    def count_call(self) -> bool:
        """Count a call; whether it is within this minute's limit."""
        minute = int(self.clock() // _MINUTE_S)
        self.calls[minute] += 1
        return self.calls[minute] <= self.rules.per_minute

    def calls_left(self) -> int:
        return max(0, self.rules.per_minute - self.calls[int(self.clock() // _MINUTE_S)])

    def articles_left(self) -> int:
        return self.rules.article_quota - self.created[_month_label(self.clock())]

    def broadcasts_left(self) -> int:
        """Broadcasts that are left this month."""
        now = _month_label(self.clock())
        used = sum(_month_label(sent.at) == now for sent in self.broadcasts)
        return self.rules.broadcast_quota - used


def _month_label(at: float) -> str:
    return f"{vietnam_time(at):%Y-%m}"
