"""The security headers of every answer, errors included, and what a face may change in them."""

from collections.abc import Iterable, Mapping
from typing import Final

Header = tuple[bytes, bytes]
_NONE = "'none'"
_CLOSED: Final = {"base-uri": _NONE, "form-action": _NONE, "frame-ancestors": _NONE}
"""Parts of a policy that `default-src` does not cover."""


def content_policy(**allowed: str) -> dict[str, str]:
    """The header with a policy that lets nothing in but *allowed*: `style_src="'self'"`."""
    named = {name.replace("_", "-"): value for name, value in allowed.items()}
    sources = {name: value for name, value in named.items() if name not in _CLOSED}
    closed = {name: named.get(name, value) for name, value in _CLOSED.items()}
    parts = {"default-src": _NONE} | sources | closed
    policy = "; ".join(f"{name} {value}".rstrip() for name, value in parts.items())
    return {"Content-Security-Policy": policy}


SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    **content_policy(),
}
"""Headers of an answer whose app names none; an app's own value comes first."""
HSTS: Final[Mapping[str, str]] = {"Strict-Transport-Security": "max-age=31536000"}
"""For a public address with https."""
HSTS_WITH_SUBDOMAINS: Final[Mapping[str, str]] = {
    name: f"{value}; includeSubDomains" for name, value in HSTS.items()
}
"""For a host name that serves Loa alone."""


def raw_headers(headers: Mapping[str, str]) -> tuple[Header, ...]:
    """*headers* as bytes, as ASGI has them."""
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


def add_missing(headers: Iterable[Header], wanted: Iterable[Header]) -> list[Header]:
    """*headers*, and those of *wanted* whose names are not among them."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    return [*given, *(header for header in wanted if header[0] not in names)]


def header_lines(headers: Iterable[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
