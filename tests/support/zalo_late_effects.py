"""Effects that come after the caller's timeout, on the account's virtual clock."""

import json
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from channels.base import Verdict
from channels.zalo.client.transport import Request
from channels.zalo.errors import AmbiguousResult
from contracts.publication import Publication
from tests.support.publications import a_publication
from tests.support.zalo_account import ARTICLE, ZaloAccount, deliver_row

CREATE, UPDATE, MESSAGE = "/article/create", "/article/update", "/oa/message"
KINDS = {CREATE: "article_created", UPDATE: "article_updated", MESSAGE: "broadcast_sent"}


@dataclass
class LateEffects:
    """The next calls of *path* get no answer; their effect comes *late_s* later, or never."""

    account: ZaloAccount
    path: str
    late_s: float
    calls: int = 1
    pending: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account.before_request = self.delay_call
        self.forward = self.account.clock.advance
        self.account.clock.advance = self.advance

    def delay_call(self, request: Request) -> None:
        """Zalo has the request, and we hear nothing."""
        if not (self.calls and request.url.endswith(self.path)):
            return
        self.calls -= 1
        payload = json.loads(request.body or b"{}")
        due = self.account.clock() + self.late_s
        self.pending.append((due, lambda: self.apply_effects(payload)))
        raise AmbiguousResult("no answer: TimeoutError")

    def apply_effects(self, payload: dict[str, Any]) -> None:
        world = self.account.sandbox.world
        token = token_hex(8)
        if self.path == MESSAGE:
            elements = payload["message"]["attachment"]["payload"]["elements"]
            ids = [part["attachment_id"] for part in elements]
            world.record("broadcast_sent", id=token, articles=ids, target={})
            return
        id = payload.pop("id", None) or token_hex(8)
        world.record(KINDS[self.path], id=id, token=token, payload=payload)

    def advance(self, seconds: float) -> None:
        """Let time pass; due effects happen at their own moments."""
        until = self.account.clock() + seconds
        for due, happen in sorted(self.pending, key=lambda one: one[0]):
            if due <= until:
                self.account.clock.now = due
                happen()
                self.pending.remove((due, happen))
        self.account.clock.now = until


async def publish_article(
    account: ZaloAccount, publication: Publication | None = None, *, doubtful: bool = False
) -> None:
    item = publication or a_publication()
    assert await deliver_row(account, item, ARTICLE, doubtful) is Verdict.DELIVERED


def event_names(logs: Iterable[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logs]
