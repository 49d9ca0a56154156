"""Zalo's OAuth host: a consent's code, or a refresh token, used once, becomes a new pair.

Its failures come with HTTP 200, in many shapes; only a non-empty access token is a success.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from channels.errors import Misconfigured, Unreachable
from channels.zalo import codes
from channels.zalo.codes import Kind
from channels.zalo.envelope import json_object, text_of, whole
from channels.zalo.transport import Doubt, Reply, Request, Transport

PATH = "/v4/oa/access_token"
FORM = "application/x-www-form-urlencoded"
OPERATOR_S = 900.0
NAME_MAX = 60
AWAY = (HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600))
"""Said before anything was done: the token is as good as it was."""
LIFE_S = 3600.0
LONGEST_LIFE_S = 31 * 86400.0


class Spent(Exception):
    """The refresh token is dead: used before, or never ours."""


class NotSetUp(Misconfigured):
    """Zalo gives this app nothing as it stands now; `fix` says where that is put right."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason, retry_after_s=OPERATOR_S)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Pair:
    """What a refresh yields; without a new refresh token the old one goes on."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    life_s: float


class OAuth:
    """The app's side of OAuth v4 for Official Accounts."""

    def __init__(self, url: str, app_id: str, app_secret: str, transport: Transport) -> None:
        self.url = url.rstrip("/") + PATH
        self.app_id = app_id
        self.app_secret = app_secret
        self.transport = transport

    async def refresh(self, refresh_token: str) -> Pair:
        """Use *refresh_token* up; called once per token.

        Raises Spent, Doubt (nobody knows whether it is used up), Unreachable, Misconfigured.
        """
        return await self.ask("refresh_token", refresh_token=refresh_token)

    async def exchange(self, code: str, verifier: str) -> Pair:
        """Turn the code of a consent into the first pair. Raises as `refresh`."""
        return await self.ask("authorization_code", code=code, code_verifier=verifier)

    async def ask(self, grant_type: str, **said: str) -> Pair:
        form = {**said, "app_id": self.app_id, "grant_type": grant_type}
        headers = {"secret_key": self.app_secret, "Content-Type": FORM}
        body = urlencode(form).encode()
        return pair_of(await self.transport.exchange(Request("POST", self.url, headers, body=body)))


def pair_of(reply: Reply) -> Pair:
    """Read the OAuth host's answer; see `OAuth.refresh` for what it raises."""
    body = json_object(reply.body)
    if body is None:
        raise unreadable(reply)
    access_token = body.get("access_token")
    if isinstance(access_token, str) and access_token:
        return Pair(access_token, text_of(body, "refresh_token"), life_s(body.get("expires_in")))
    if reply.status in AWAY:
        raise Unreachable(f"oauth http {reply.status}")
    raise refusal(body)


def unreadable(reply: Reply) -> Exception:
    """No JSON object: a gateway's page, the empty answer of a spent token, or half an answer."""
    body = reply.body.strip()
    if reply.status in AWAY or body.startswith(b"<"):
        return Unreachable(f"oauth http {reply.status}")
    if not body and reply.status == HTTPStatus.OK:
        return Spent("empty answer")
    return Doubt(f"oauth http {reply.status} without an answer in it")


def refusal(body: Mapping[str, Any]) -> Exception:
    """Zalo's no: the token is dead, or the app is not set up. Its names may come without a code."""
    code, name = whole(body.get("error")), text_of(body, "error_name")
    rest = (text_of(body, key) for key in ("error_reason", "message", "error_description"))
    words = " ".join((name, *rest)).replace("_", " ").casefold()
    ruling = codes.not_set_up(code)
    if ruling.kind is Kind.TOKEN or "refresh token" in words:
        return Spent(f"oauth {code}")
    said = " ".join(part for part in (str(code or ""), name[:NAME_MAX]) if part)
    return NotSetUp(f"oauth {said or 'without a reason'}", ruling.fix)


def life_s(expires_in: object) -> float:
    """How long the access token lives; an hour when Zalo says nothing sensible."""
    told = whole(expires_in)
    return float(told) if told and 0 < told <= LONGEST_LIFE_S else LIFE_S
