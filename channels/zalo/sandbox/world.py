"""What the sandbox knows: the app, its tokens, articles, broadcasts, quotas."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from channels.zalo.hours import Clock, local
from channels.zalo.sandbox.journal import Fact, Journal

MINUTE_S = 60.0
EXPIRED, INVALID = -220, -216


class Rules(BaseModel):
    """What can be switched while it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app_active: bool = True
    processing: int = 2  # answers -214 before an article is ready
    article_quota: int = 400
    broadcast_quota: int = 40
    per_minute: int = 4000
    exclusive_lengths: bool = True  # 150 and 300 themselves are refused, as was seen
    broken_images: tuple[str, ...] = ()  # addresses with one of these in them can't be fetched
    update_token: bool = True  # `update` has to be verified
    expires_in: str | int | None = "90000"
    omit_refresh_token: bool = False
    spent_answer: Literal["empty", "code", "text_code", "names_only"] = "empty"


@dataclass
class Item:
    """An article."""

    id: str
    payload: dict[str, Any]
    created: float
    updated: float

    @property
    def visible(self) -> bool:
        return self.payload.get("status") == "show"


@dataclass
class Sent:
    """A broadcast."""

    id: str
    at: float
    articles: list[str]


@dataclass
class Tokens:
    access: str = ""
    refresh: str = ""
    expires: float = 0.0
    spent: set[str] = field(default_factory=set)


class World:
    """All state follows from the journal's facts; `record` is the only way to change it."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.journal = journal
        self.clock = clock
        self.rules = Rules()
        self.tokens = Tokens()
        self.articles: dict[str, Item] = {}
        self.by_token: dict[str, str] = {}
        self.broadcasts: list[Sent] = []
        self.created: Counter[str] = Counter()
        self.calls: Counter[int] = Counter()
        for fact in journal.facts():
            self.apply(fact)

    def record(self, kind: str, **facts: Any) -> None:
        """Something happened: remember it, then let it count."""
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat()
        fact = {"at": at, "kind": kind, **facts}
        self.journal.append(fact)
        self.apply(fact)

    def apply(self, fact: Fact) -> None:
        at = datetime.fromisoformat(fact["at"]).timestamp()
        match fact["kind"]:
            case "granted":
                self.grant(fact)
            case "article_created":
                self.articles[fact["id"]] = Item(fact["id"], fact["payload"], at, at)
                self.by_token[fact["token"]] = fact["id"]
                self.created[month(at)] += 1
            case "article_updated":
                self.update(fact, at)
            case "article_removed":
                self.created[month(self.articles.pop(fact["id"]).created)] -= 1
            case "broadcast_sent":
                self.broadcasts.append(Sent(fact["id"], at, fact["articles"]))

    def grant(self, fact: Fact) -> None:
        """A new pair; the one before it is dead at once."""
        spent = (self.tokens.spent | {self.tokens.refresh}) - {fact["refresh_token"]}
        self.tokens = Tokens(fact["access_token"], fact["refresh_token"], fact["expires"], spent)

    def update(self, fact: Fact, at: float) -> None:
        item = self.articles[fact["id"]]
        item.payload, item.updated = fact["payload"], at
        self.by_token[fact["token"]] = item.id

    def judge_token(self, token: str) -> int:
        """0, or the code that Zalo answers a bad token with."""
        if not token or token != self.tokens.access:
            return INVALID
        return EXPIRED if self.clock() >= self.tokens.expires else 0

    def count_call(self) -> bool:
        """Whether one more call fits into this minute."""
        minute = int(self.clock() // MINUTE_S)
        self.calls[minute] += 1
        return self.calls[minute] <= self.rules.per_minute

    def remaining(self) -> int:
        return max(0, self.rules.per_minute - self.calls[int(self.clock() // MINUTE_S)])

    def articles_left(self) -> int:
        return self.rules.article_quota - self.created[month(self.clock())]

    def broadcasts_left(self) -> int:
        """Of this month."""
        now = month(self.clock())
        used = sum(month(sent.at) == now for sent in self.broadcasts)
        return self.rules.broadcast_quota - used


def month(at: float) -> str:
    return f"{local(at):%Y-%m}"
