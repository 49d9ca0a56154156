"""A client of the Zalo sandbox, as any program might call it."""

import json
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from channels.zalo.publications.render import render
from tests.support.publications import a_publication
from tests.support.zalo_account import SITE, open_zalo_account


@asynccontextmanager
async def open_sandbox_client(folder, clock):
    """A sandbox, and a program that calls it."""
    async with (
        open_zalo_account(folder, clock) as account,
        aiohttp.ClientSession(account.sandbox.url) as http,
    ):
        yield SandboxClient(http, account)


class SandboxClient:
    """Calls the sandbox as any program might."""

    def __init__(self, http, account):
        self.http = http
        self.account = account

    @property
    def world(self):
        return self.account.sandbox.world

    @property
    def headers(self):
        return {"access_token": self.world.tokens.access}

    async def get(self, path, headers=None, **query):
        chosen = self.headers if headers is None else headers
        async with self.http.get(path, params=query, headers=chosen) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path, body=None, headers=None, **query):
        chosen = self.headers if headers is None else headers
        async with self.http.post(path, json=body or {}, params=query, headers=chosen) as answer:
            return answer.status, await answer.json(content_type=None)

    async def said(self, path, body=None):
        """The body of the answer to a POST."""
        return (await self.post(path, body))[1]

    async def code(self, path, body=None):
        return (await self.said(path, body))["error"]

    async def ask(self, path, **data):
        """A GET of `/oa/*`: its parameters are one value."""
        return (await self.get(path, data=json.dumps(data)))[1]

    async def later(self, **span):
        """Time passes, and what was due has happened; the token is renewed if it had to be."""
        self.account.clock.advance(timedelta(**span).total_seconds())
        self.account.sandbox.grant()
        return await self.settle()

    async def balance(self):
        """The account's money, once all due messages have arrived."""
        await self.settle()
        return (await self.get("/_sandbox/state"))[1]["money"]["balance"]

    async def settle(self):
        return (await self.post("/_sandbox/settle"))[1]

    async def person(self, **facts):
        """The id of a new person."""
        return (await self.said("/_sandbox/people", facts))["user_id"]

    async def act(self, user_id, deed, **facts):
        status, body = await self.post(f"/_sandbox/people/{user_id}/{deed}", facts)
        assert status == 200, body
        return body

    def message(self, user_id, **content):
        return {"recipient": {"user_id": user_id}, "message": content or {"text": "Xin chào"}}

    def facts(self, kind):
        facts = self.world.journal.facts()
        return [fact for fact in facts if fact["kind"] == kind]

    async def create(self, **changes):
        return await self.said("/v2.0/article/create", article_payload(**changes))

    async def form(self, secret="sandbox-app-secret", **form):
        fields = {"app_id": "sandbox-app", **form}
        headers = {"secret_key": secret}
        async with self.http.post("/v4/oa/access_token", data=fields, headers=headers) as answer:
            text = await answer.text()
            return json.loads(text) if text else text


def article_payload(**changes):
    article = render(a_publication(), SITE)
    return article.payload("loa-x", article.cover, "hide") | changes


def broadcast(*articles, target=None):
    elements = [{"media_type": "article", "attachment_id": id} for id in articles]
    attachment = {"type": "template", "payload": {"template_type": "media", "elements": elements}}
    return {"recipient": {"target": target or {}}, "message": {"attachment": attachment}}


PHONE = "84912345678"
BY_PHONE, BY_USER_ID = "/message/template", "/v3.0/oa/message/template"
NEWS, CARE, SURVEY, OTP, PENDING = (f"10000{number}" for number in range(1, 6))
NEWS_DATA = {"ho_ten": "Trần Thị Bình", "ma_ho_so": "HS-01", "trang_thai": "Đã tiếp nhận"}
_VISIT = {"dia_diem": "Số 8 Tôn Thất Thuyết", "thoi_diem": "09:00 16/01/2027"}
_ANY_DATA = NEWS_DATA | _VISIT | {"otp": "123456", "so_tien": "50000"}
"""Values for the parameters of all shipped templates; Zalo ignores what a template lacks."""


def order(template=NEWS, **changes):
    """A template message by phone."""
    body = {"phone": PHONE, "template_id": template, "template_data": _ANY_DATA}
    return body | {"tracking_id": "loa-1"} | changes


def order_by_user_id(user_id, template=NEWS, data=None):
    return {"user_id": user_id, "template_id": template, "template_data": data or _ANY_DATA}
