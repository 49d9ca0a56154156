"""Security headers of every answer, also of an error; an app's own value comes first."""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
HSTS: Final[Header] = (b"strict-transport-security", b"max-age=31536000")
"""For a public address with https."""
HSTS_WITH_SUBDOMAINS: Final[Header] = (HSTS[0], HSTS[1] + b"; includeSubDomains")
"""For a host name that serves Loa alone."""


def add_missing(headers: Iterable[Header], wanted: Iterable[Header]) -> list[Header]:
    """*headers*, and those of *wanted* whose names are not among them."""
    given = list(headers)
    names = {name.lower() for name, _ in given}
    return [*given, *(header for header in wanted if header[0] not in names)]


def header_lines(headers: Iterable[Header]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
