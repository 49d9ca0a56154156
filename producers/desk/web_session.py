"""The desk's session cookie, and the checks against forged requests, as pure functions."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN_BYTES = 32
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class DeskCookie:
    """A cookie of the desk, sent with its own requests alone.

    Over https its prefix binds it to this host, https and the path `/`. Plain http is for a desk
    on this machine's loopback address alone, where a browser takes neither prefix nor `Secure`.
    """

    own_name: ClassVar[str]
    max_age: ClassVar[int | None] = None
    is_https: bool

    @property
    def name(self) -> str:
        return f"__Host-{self.own_name}" if self.is_https else self.own_name

    def read(self, request: Request) -> str:
        """The request's value; empty without one."""
        return request.cookies.get(self.name, "")

    def set(self, response: Response, value: str) -> None:
        response.set_cookie(
            self.name, value, self.max_age, path="/", secure=self.is_https, httponly=True,
            samesite="strict",
        )  # fmt: skip

    def remove(self, response: Response) -> None:
        response.delete_cookie(
            self.name, path="/", secure=self.is_https, httponly=True, samesite="strict"
        )


class SessionCookie(DeskCookie):
    """The cookie with the token; it ends with the browser, or on the server."""

    own_name = "loa-desk"

    def read(self, request: Request) -> str:
        """The request's token; empty without one that could be ours."""
        token = super().read(request)
        return token if _TOKEN.fullmatch(token) else ""

    def remove(self, response: Response) -> None:
        """Remove the cookie, and have the browser forget the pages that it opened."""
        super().remove(response)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'


class ProviderCookie(DeskCookie):
    """The cookie of a sign-in that is on its way through the identity provider."""

    own_name = "loa-desk-oidc"
    max_age = 600


def visitor_token() -> str:
    """A token for a browser that is not signed in: it seals forms and opens nothing."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def form_seal(key: bytes, token: str, action: str) -> str:
    """The seal of a form; it is valid for one sign-in and one action."""
    return hmac.digest(key, f"{action}\x00{token}".encode(), "sha256").hex()


def is_sealed(key: bytes, token: str, action: str, seal: str) -> bool:
    right = form_seal(key, token, action).encode()
    return bool(token) and hmac.compare_digest(right, seal.encode("utf-8", "replace"))


def is_under_other_address(headers: Mapping[str, str], own_origin: str) -> bool:
    """Whether the desk's own page sends a request, opened under another address than its own."""
    host, own_host = (one.partition("://")[2] for one in (headers.get("origin", ""), own_origin))
    is_own_page = headers.get("sec-fetch-site") == "same-origin" and host == headers.get("host")
    return is_own_page and host != own_host


def is_own_request(method: str, headers: Mapping[str, str], own_origin: str) -> bool:
    """Whether a request comes from the desk's own pages; *headers* have lower-case names.

    A reading request may come from anywhere. A browser says where any other comes from: `Origin`
    has to be the desk's own, and `Sec-Fetch-Site` `same-origin`.
    """
    if method in _SAFE_METHODS:
        return True
    return headers.get("origin") == own_origin and headers.get("sec-fetch-site") == "same-origin"
