"""Zalo's OAuth host: exchange a consent code or a refresh token for a new token pair.

Each code and refresh token works once. Failures come with HTTP 200 in many forms; only a non-empty
access token is a success.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from channels.errors import Unreachable
from channels.zalo import error_codes
from channels.zalo.client.response import first_text, json_object, whole_number
from channels.zalo.client.transport import AiohttpTransport, HttpResponse, Request
from channels.zalo.error_codes import ErrorKind
from channels.zalo.errors import (
    AmbiguousResult,
    AppNotSetUp,
    RefreshTokenDoubted,
    RefreshTokenUsed,
)

_TOKEN_PATH = "/v4/oa/access_token"  # noqa: S105
_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_NAME_MAX = 60
_TEMPORARY_STATUSES = (HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600))
"""Statuses that come before any effect: the refresh token is still valid."""
_DEFAULT_LIFETIME_S, _LIFETIME_MAX_S = 3600.0, 31 * 86400.0


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The result of a refresh; without a new refresh token the old one remains valid."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    lifetime_s: float


@dataclass
class OAuthClient:
    """The app's side of OAuth v4 for Official Accounts; *url* is the OAuth host's."""

    url: str
    app_id: str
    app_secret: str = field(repr=False)
    transport: AiohttpTransport

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Use *refresh_token*, never twice at once.

        Raises RefreshTokenUsed, RefreshTokenDoubted, AmbiguousResult (the token may be used up),
        Unreachable, AppNotSetUp.
        """
        return await self.request_tokens("refresh_token", refresh_token=refresh_token)

    async def exchange_code(self, code: str, verifier: str) -> TokenPair:
        """Turn the code of a consent into the first pair. Raises as `refresh`."""
        return await self.request_tokens("authorization_code", code=code, code_verifier=verifier)

    async def request_tokens(self, grant_type: str, **fields: str) -> TokenPair:
        form = {**fields, "app_id": self.app_id, "grant_type": grant_type}
        headers = {"secret_key": self.app_secret, "Content-Type": _FORM_CONTENT_TYPE}
        url, body = self.url.rstrip("/") + _TOKEN_PATH, urlencode(form).encode()
        reply = await self.transport.exchange(Request("POST", url, headers, body=body))
        return parse_token_pair(reply)


def parse_token_pair(reply: HttpResponse) -> TokenPair:
    """The token pair in the OAuth host's answer; raises as `OAuthClient.refresh`."""
    body = json_object(reply.body)
    if body is None:
        raise _unreadable_error(reply)
    access_token = body.get("access_token")
    if isinstance(access_token, str) and access_token:
        refresh_token = first_text(body, "refresh_token")
        return TokenPair(access_token, refresh_token, lifetime_s(body.get("expires_in")))
    if reply.status in _TEMPORARY_STATUSES:
        raise Unreachable(f"oauth http {reply.status}")
    raise _refusal_error(body)


def _unreadable_error(reply: HttpResponse) -> Exception:
    """The error for an answer without JSON: a gateway's page, an empty or a truncated answer.

    An empty answer with HTTP 200 is Zalo's answer to a used refresh token, but not only to that.
    """
    body = reply.body.strip()
    if reply.status in _TEMPORARY_STATUSES or body.startswith(b"<"):
        return Unreachable(f"oauth http {reply.status}")
    if not body and reply.status == HTTPStatus.OK:
        return RefreshTokenDoubted("empty answer")
    return AmbiguousResult(f"oauth http {reply.status} without an answer in it")


def _refusal_error(body: Mapping[str, Any]) -> Exception:
    """The error for a refusal: invalid token, or app not set up. Some refusals have no code."""
    code, name = whole_number(body.get("error")), first_text(body, "error_name")
    rest = (first_text(body, key) for key in ("error_reason", "message", "error_description"))
    message = " ".join((name, *rest)).replace("_", " ").casefold()
    rule = error_codes.classify_oauth(code)
    if rule.kind is ErrorKind.TOKEN or "refresh token" in message:
        return RefreshTokenUsed(f"oauth {code}")
    details = " ".join(part for part in (str(code or ""), name[:_NAME_MAX]) if part)
    return AppNotSetUp(f"oauth {details or 'without a reason'}", rule.fix)


def lifetime_s(expires_in: object) -> float:
    """Lifetime of the access token; an hour when Zalo names no valid one."""
    seconds = whole_number(expires_in)
    return float(seconds) if seconds and 0 < seconds <= _LIFETIME_MAX_S else _DEFAULT_LIFETIME_S
