"""What may never get into a mail's headers or into an SMTP command."""

import re

from contracts.base.addresses import is_mailable

HEADER_VALUE_MAX = 998
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class UnsafeHeader(ValueError):
    """A value that could add a header, a recipient or a command. Names its place, never itself."""


def check_header_text(field: str, value: str) -> str:
    """*value*, when it is one line of printable text. Raises Unsafe."""
    if _UNSAFE.search(value) or len(value) > HEADER_VALUE_MAX:
        raise UnsafeHeader(field)
    return value


def is_mail_address(value: str) -> bool:
    """Whether *value* is a plain ASCII address: no quotes, routes, comments or literals."""
    return is_mailable(value)


def check_recipient(value: str) -> bytes:
    """An address as it goes into RCPT TO and To. Raises Unsafe."""
    if not is_mail_address(value):
        raise UnsafeHeader("address")
    return value.encode("ascii")
