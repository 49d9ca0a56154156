"""Broken answers on every route: doubt, never success, never a crash; Zalo's own log decides."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from channels.base import Verdict
from channels.zalo.client.transport import HttpResponse, Request
from channels.zalo.clock import SETTLE_S
from tests.support.publications import a_publication
from tests.support.zalo_account import ARTICLE, BROADCAST, deliver_row, sample_withdrawal

PAGE = b"<!doctype html><html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
ROUTES = {
    "create": "/article/create",
    "verify": "/article/verify",
    "update": "/article/update",
    "detail": "/article/getdetail",
    "list": "/article/getslice",
    "broadcast": "/oa/message",
    "profile": "/oa/getoa",
}
Answer = Callable[[bytes], tuple[int, bytes]]


def reworded(body: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(body) | changes).encode()


GARBLED: dict[str, Answer] = {
    "500 page": lambda body: (500, PAGE),
    "502 page": lambda body: (502, PAGE),
    "503 empty": lambda body: (503, b""),
    "504 page": lambda body: (504, PAGE),
    "500 around a success": lambda body: (500, body),
    "200 page": lambda body: (200, PAGE),
    "200 empty": lambda body: (200, b""),
    "200 spaces": lambda body: (200, b" \r\n"),
    "truncated": lambda body: (200, body[: len(body) // 2]),
    "without its end": lambda body: (200, body[:-1]),
    "a list": lambda body: (200, b"[" + body + b"]"),
    "null": lambda body: (200, b"null"),
    "a text": lambda body: (200, b'"Success"'),
    "without a code": lambda body: (200, b'{"message": "Success", "data": {}}'),
    "code null": lambda body: (200, reworded(body, error=None)),
    "code of words": lambda body: (200, reworded(body, error="ok")),
    "code true": lambda body: (200, reworded(body, error=True)),
    "code of a fraction": lambda body: (200, reworded(body, error=0.5)),
    "a list as code": lambda body: (200, reworded(body, error=[0])),
    "no UTF-8": lambda body: (200, b"\xff\xfe" + body),
    "deep nesting": lambda body: (200, b"[" * 100_000),
    "302": lambda body: (302, b""),
    "403 page": lambda body: (403, PAGE),
}
WITHOUT_WHAT_COUNTS: dict[str, Answer] = {
    "data null": lambda body: (200, reworded(body, data=None)),
    "data empty": lambda body: (200, reworded(body, data={})),
    "data a list": lambda body: (200, reworded(body, data=[])),
    "data a text": lambda body: (200, reworded(body, data="ok")),
    "ids of another kind": lambda body: (
        200,
        reworded(body, data={"token": None, "id": True, "message_id": {}}),
    ),
}


class GarblingTransport:
    """The next *times* answers of a route are spoilt; *before* = the call never reaches Zalo."""

    def __init__(self, account, monkeypatch, route: str, spoil: Answer, *, before: bool = False):
        self.path, self.spoil, self.before = ROUTES[route], spoil, before
        self.times = 2
        self.transport = account.channel.api.transport
        self.real = self.transport.exchange
        monkeypatch.setattr(self.transport, "exchange", self.exchange)

    async def exchange(self, request: Request) -> HttpResponse:
        if not (self.times and request.url.endswith(self.path)):
            return await self.real(request)
        self.times -= 1
        good = b'{"error":0,"message":"Success","data":{}}'
        if self.before:
            return HttpResponse(*self.spoiled(good))
        reply = await self.real(request)
        return HttpResponse(*self.spoiled(reply.body))

    def spoiled(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, spoilt = self.spoil(body)
        return status, {}, spoilt


async def all_the_way(account) -> tuple[Verdict, Verdict]:
    """The article, and the broadcast so much later that Zalo's time has to be asked for."""
    item = a_publication()
    article = await deliver_row(account, item, ARTICLE)
    account.clock.advance(61)
    return article, await deliver_row(account, item, BROADCAST)


def check_books(account, said: tuple[Verdict, Verdict]) -> None:
    """Compare the booked outcomes with Zalo's own log."""
    article, broadcast = said
    assert article is Verdict.DELIVERED
    assert len(account.visible) == 1
    assert len(account.articles) == account.effects("article_created") == 1
    sent = account.effects("broadcast_sent")
    assert sent <= 1
    assert broadcast in (Verdict.DELIVERED, Verdict.UNKNOWN)
    assert broadcast is Verdict.UNKNOWN or sent == 1


CASES = [
    *product(ROUTES, GARBLED, [False, True]),
    *product(sorted(ROUTES.keys() - {"update"}), WITHOUT_WHAT_COUNTS, [False]),
]


@pytest.mark.parametrize(("route", "answer", "before"), CASES)
async def test_a_broken_answer_ends_with_one_article_and_true_books(
    zalo_account, monkeypatch, route, answer, before
):
    spoil = (GARBLED | WITHOUT_WHAT_COUNTS)[answer]
    garbling = GarblingTransport(zalo_account, monkeypatch, route, spoil, before=before)
    if route == "list":
        zalo_account.fault("article.create", "drop_after")
    if route == "detail":
        zalo_account.fault("article.update", "drop_after")
    check_books(zalo_account, await all_the_way(zalo_account))
    assert garbling.times < 2, "it was really asked"


@pytest.mark.promise("6.4")
@pytest.mark.parametrize("answer", GARBLED | WITHOUT_WHAT_COUNTS)
@pytest.mark.parametrize("route", ["create", "broadcast"])
async def test_a_garbled_answer_to_a_send_is_a_doubt_and_never_a_success(
    zalo_account, monkeypatch, route, answer
):
    row = BROADCAST if route == "broadcast" else ARTICLE
    if row == BROADCAST:
        await deliver_row(zalo_account, a_publication(), ARTICLE)
    GarblingTransport(zalo_account, monkeypatch, route, (GARBLED | WITHOUT_WHAT_COUNTS)[answer])
    assert (await zalo_account.send(a_publication(), row)).verdict is Verdict.DOUBT


NO_LIST: dict[str, Answer] = WITHOUT_WHAT_COUNTS | {
    "no medias of nine": lambda body: (200, reworded(body, data={"medias": None, "total": 9})),
    "medias a text": lambda body: (200, reworded(body, data={"medias": "", "total": "1"})),
}


del NO_LIST["data a list"]  # a bare list is a list, and an empty one says that there is nothing


@pytest.mark.promise("6.4")
@pytest.mark.parametrize("answer", NO_LIST)
async def test_a_list_without_articles_does_not_say_ours_is_gone(zalo_account, monkeypatch, answer):
    """Not even when it is asked at the very moment when "not listed" would be final."""
    zalo_account.fault("article.create", "drop_after")
    assert (await zalo_account.send(a_publication())).verdict is Verdict.DOUBT
    garbling = GarblingTransport(zalo_account, monkeypatch, "list", NO_LIST[answer])
    garbling.times = 99
    zalo_account.clock.advance(SETTLE_S + 1)
    for _ in range(5):
        assert (await zalo_account.resolve(a_publication())).verdict is Verdict.DOUBT
        assert (await zalo_account.send(a_publication())).verdict is Verdict.HELD
    garbling.times = 0
    check_books(zalo_account, await all_the_way(zalo_account))


@pytest.mark.parametrize("answer", WITHOUT_WHAT_COUNTS)
async def test_a_withdrawal_is_not_done_because_zalo_shows_nothing_of_the_article(
    zalo_account, monkeypatch, answer
):
    """Only "there is no such article" says that it was removed."""
    await deliver_row(zalo_account, a_publication(), ARTICLE)
    zalo_account.fault("article.update", "refuse", code=-201, words="description is invalid")
    GarblingTransport(zalo_account, monkeypatch, "detail", WITHOUT_WHAT_COUNTS[answer])
    assert (await zalo_account.send(sample_withdrawal())).verdict is not Verdict.DELIVERED
    assert len(zalo_account.visible) == 1
