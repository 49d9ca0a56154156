"""The desk's session cookie, and the checks against forged requests, as pure functions."""

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import SimpleCookie

_COOKIE = "__Host-loa-desk"
"""The prefix binds the cookie to this host, https and the path `/`."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_cookie(token: str) -> str:
    """The `Set-Cookie` header of a session: it ends with the browser, or on the server."""
    return _cookie(token)


def ended_cookie() -> str:
    """The `Set-Cookie` header that removes the cookie."""
    return _cookie("", max_age=0)


def _cookie(token: str, max_age: int | None = None) -> str:
    cookie: SimpleCookie = SimpleCookie()
    cookie[_COOKIE] = token
    morsel = cookie[_COOKIE]
    morsel.update({"path": "/", "samesite": "Strict"})
    morsel["secure"], morsel["httponly"] = True, True
    if max_age is not None:
        morsel["max-age"] = str(max_age)
    return morsel.OutputString()


def form_seal(key: bytes, token: str, action: str) -> str:
    """The seal of a form; it is valid for one sign-in and one action."""
    return hmac.new(key, f"{action}\x00{token}".encode(), hashlib.sha256).hexdigest()


def is_sealed(key: bytes, token: str, action: str, seal: str) -> bool:
    right = form_seal(key, token, action).encode()
    return bool(token) and hmac.compare_digest(right, seal.encode("utf-8", "replace"))


def is_own_request(method: str, headers: Mapping[str, str], own_origin: str) -> bool:
    """Whether a request comes from the desk's own pages; *headers* have lower-case names.

    A reading request may come from anywhere. A browser says where any other comes from: `Origin`
    has to be the desk's own, and `Sec-Fetch-Site` `same-origin`.
    """
    if method in _SAFE_METHODS:
        return True
    return headers.get("origin") == own_origin and headers.get("sec-fetch-site") == "same-origin"
